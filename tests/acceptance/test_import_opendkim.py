"""From OpenDKIM to Letterhead without a gap: its own tables, its key, the record that is published, real DNS."""

import asyncio
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.core.dns.records import split_text
from letterhead.core.domain.health import HealthState
from letterhead.wiring.assemble import Overrides
from tests.acceptance.test_signers import served
from tests.operations.world import Clock, noon, opened
from tests.rigs import signers, signing
from tests.rigs.command import letterhead
from tests.rigs.dns_lab import DnsLab
from tests.rigs.import_sources import commands_of, run_as_printed
from tests.rigs.signing import OWN, Pair

CONF = "KeyTable {folder}/exported/KeyTable\nSigningTable refile:{folder}/exported/SigningTable\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that other users reach."""
    with tempfile.TemporaryDirectory(prefix="import-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bits", [1024, 2048])
async def test_mail_is_signed_alike_before_and_after(
    lab: DnsLab, zone: str, tmp_path: Path, folder: Path, bits: int
) -> None:
    """The first check of the imported domain verifies it; OpenDKIM signs by our export as it did by its own tables."""
    pair = OWN if bits == 2048 else Pair.of_bits(bits)
    own = folder / "exported"
    own.mkdir()
    (own / "mail.private").write_bytes(pair.pem)
    (own / "KeyTable").write_text(f"any %:mail:{own}/mail.private\n")
    (own / "SigningTable").write_text(f"*@{zone} any\n")
    (folder / "opendkim.conf").write_text(CONF.format(folder=folder))
    lab.publish(f"mail._domainkey.{zone}", "TXT", " ".join(f'"{each}"' for each in split_text(pair.record)))
    before = signers.with_opendkim(signers.bench_in(folder, own), signing.message(zone))
    assert signing.verifies(lab, before)

    resolver = f"127.0.0.1:{lab.resolver_port}"
    settings = {"DNS_RESOLVERS": resolver, "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(tmp_path, Overrides(now=Clock(noon())), **settings) as world, served(world) as url:
        asked = {"URL": url, "API_KEY": world.key, "DNS_RESOLVERS": resolver, "ALLOW_SPECIAL_USE": "true"}
        imported = await asyncio.to_thread(
            letterhead, "import", "opendkim", str(folder / "opendkim.conf"), folder=folder, **asked
        )
        assert imported.code == 0, imported.out + imported.err
        assert "1 done" in imported.out
        domain = await world.look(zone)
        assert (domain.selector, domain.dkim.state) == ("mail", HealthState.VERIFIED)
        rotated = await asyncio.to_thread(letterhead, "domains", "rotate", zone, folder=folder, **asked)
        assert rotated.code == 0, rotated.err
        exported = folder / "new"
        await asyncio.to_thread(letterhead, "export", "opendkim", str(exported), folder=folder, **asked)
    after = signers.with_opendkim(signers.bench_in(folder, exported), signing.message(zone))
    assert b"s=mail;" in after
    assert signing.verifies(lab, after)


async def test_a_key_that_dns_does_not_serve_stays_behind(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """Where the record holds another key, the domain gets a new one beside it."""
    (tmp_path / "k.private").write_bytes(Pair.of_bits(1024).pem)
    conf = tmp_path / "opendkim.conf"
    conf.write_text(f"Domain {zone}\nSelector mail\nKeyFile {tmp_path}/k.private\n")
    lab.publish(f"mail._domainkey.{zone}", "TXT", " ".join(f'"{each}"' for each in split_text(OWN.record)))
    resolver = f"127.0.0.1:{lab.resolver_port}"
    settings = {"DNS_RESOLVERS": resolver, "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(tmp_path, Overrides(now=Clock(noon())), **settings) as world, served(world) as url:
        asked = {"URL": url, "API_KEY": world.key, "DNS_RESOLVERS": resolver, "ALLOW_SPECIAL_USE": "true"}
        planned = await asyncio.to_thread(
            letterhead, "import", "opendkim", str(conf), "--plan", folder=tmp_path, **asked
        )
        assert "another key" in " ".join(planned.out.split()), planned.out
        await asyncio.to_thread(letterhead, "import", "opendkim", str(conf), folder=tmp_path, **asked)
        assert (await world.domain(zone)).selector != "mail"


async def test_the_commands_of_the_page(lab: DnsLab, tmp_path: Path, folder: Path) -> None:
    """Each command of docs/coming-from/opendkim.md runs as printed; only places and the user are the test's own."""
    zones = {"acme.dev": lab.zone("page-od.test"), "other": lab.zone("page-od2.test")}
    (folder / "mail.private").write_bytes(OWN.pem)
    (folder / "opendkim.conf").write_text(
        f"Domain {', '.join(zones.values())}\nSelector mail\nKeyFile {folder}/mail.private\n"
    )
    for each in zones.values():
        lab.publish(f"mail._domainkey.{each}", "TXT", " ".join(f'"{part}"' for part in split_text(OWN.record)))
    resolver = f"127.0.0.1:{lab.resolver_port}"
    settings = {"DNS_RESOLVERS": resolver, "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    places = {
        "/etc/opendkim.conf": f"{folder}/opendkim.conf",
        "/etc/letterhead/opendkim --owner opendkim": f"{folder}/new --owner {pwd.getpwuid(os.getuid()).pw_name}",
        "acme.dev": zones["acme.dev"],
    }
    async with opened(tmp_path, Overrides(now=Clock(noon())), **settings) as world, served(world) as url:
        asked = {"URL": url, "API_KEY": world.key, "DNS_RESOLVERS": resolver, "ALLOW_SPECIAL_USE": "true"}
        codes = []
        for command in commands_of("opendkim.md"):
            for printed, here in places.items():
                command = command.replace(printed, here)
            done = await asyncio.to_thread(run_as_printed, command, folder, {}, **asked)
            codes.append((command.split()[1], done.code))
            for each in zones.values():
                if "import" in command and "--plan" not in command and each in done.out:
                    await world.look(each)
        assert codes == [("import", 2), ("import", 0), ("import", 0), ("export", 0)]
        assert sorted(each.name for each in (folder / "new" / "keys").iterdir()) == sorted(zones.values())
