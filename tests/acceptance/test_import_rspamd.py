"""From Rspamd to Letterhead without a gap: the settings as Rspamd tells them, keys in files and in Redis, real DNS."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.core.domain.health import HealthState
from tests.rigs import signers, signing
from tests.rigs.dns_lab import DnsLab
from tests.rigs.import_sources import run_as_printed, running_redis
from tests.rigs.importing import importing, publish_key
from tests.rigs.processes import DEBIAN, program
from tests.rigs.signing import OWN, Pair

SHORT = Pair.of_bits(1024)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that other users reach."""
    with tempfile.TemporaryDirectory(prefix="import-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def rspamadm(configuration: Path) -> str:
    """Write the script that asks Rspamd's own tool for these settings, as an installed one would answer."""
    share = DEBIAN.parent / "usr/share/rspamd" if (DEBIAN.parent / "usr/share/rspamd").is_dir() else "/usr/share/rspamd"
    folders = f"--var=LUALIBDIR={share}/lualib --var=RULESDIR={share}/rules"
    return f'shift; exec {program("rspamadm")} {folders} configdump -c {configuration} "$@"'


def configuration(folder: Path, text: str) -> str:
    """Write Rspamd's settings."""
    path = folder / "rspamd.conf"
    path.write_text(f"dkim_signing {{\n{text}\n}}\n")
    return rspamadm(path)


@pytest.mark.timeout(300)
async def test_mail_is_signed_alike_before_and_after(lab: DnsLab, tmp_path: Path, folder: Path) -> None:
    """Every form of the settings gives its domains; Rspamd signs by our export as it did by its own settings."""
    names = ("one", "listed", "mapped", "fallback", "stale")
    one, listed, mapped, fallback, stale = (lab.zone(f"{name}-rs.test") for name in names)
    own = folder / "exported"
    own.mkdir()
    for name, pair in (("k", OWN), ("short", SHORT), (f"{mapped}.map", OWN), (f"{fallback}.dkim", OWN)):
        (own / f"{name}.key").write_bytes(pair.pem)
    (own / "selectors.map").write_text(f"# ours\n{mapped} map\n")
    text = f"""
      domain {{
        {one} {{ selector = "s1"; path = "{own}/k.key"; }}
        {listed} {{ selectors [ {{ selector = "gone"; path = "{own}/short.key"; }},
                               {{ selector = "s2"; path = "{own}/k.key"; }} ] }}
        {stale} {{ selector = "s3"; path = "{own}/short.key"; }}
      }}
      selector_map = "{own}/selectors.map";
      path = "{own}/$domain.$selector.key";
    """
    (own / "dkim_signing.conf").write_text(text)
    for name, selector in ((one, "s1"), (listed, "s2"), (mapped, "map"), (fallback, "dkim"), (stale, "s3")):
        publish_key(lab, name, selector, OWN)
    before = signers.with_rspamd(signers.bench_in(folder, own), signing.message(one))
    assert b"s=s1;" in before
    assert signing.verifies(lab, before)
    async with importing(lab, tmp_path, folder) as imports:
        results = await imports.run_page(
            "rspamd.md",
            {"acme.dev": one, "--redis-keys keys.json --plan": "--plan"},
            {"rspamadm": configuration(folder, text), "redis-cli": "echo '{}'"},
        )
        assert [each.code for each in results] == [2, 0, 0, 0, 0], [each.err for each in results]
        for name, selector in ((one, "s1"), (listed, "s2"), (mapped, "map"), (fallback, "dkim")):
            domain = await imports.world.look(name)
            assert (domain.selector, domain.dkim.state) == (selector, HealthState.VERIFIED), name
        assert (await imports.world.domain(stale)).selector != "s3"
        exported = folder / "new"
        assert (await imports.call("export", "rspamd", str(exported))).code == 0
    after = signers.with_rspamd(signers.bench_in(folder, exported), signing.message(one))
    assert b"s=s1;" in after
    assert signing.verifies(lab, after)


async def test_keys_that_redis_keeps(lab: DnsLab, tmp_path: Path, folder: Path) -> None:
    """Both hashes are asked for by name; each key comes from its entry, by the selector of its domain."""
    first, second = lab.zone("first-rd.test"), lab.zone("second-rd.test")
    publish_key(lab, first, "2024.a", OWN)
    publish_key(lab, second, "dkim", SHORT)
    (folder / "programs").mkdir()
    script = configuration(folder, 'use_redis = true; key_prefix = "K"; selector_prefix = "S";')
    dump = folder / "dump.json"
    (folder / "redis").mkdir()
    with running_redis(folder / "redis") as client:
        async with importing(lab, tmp_path, folder) as imports:
            dumped = run_as_printed(f"rspamadm configdump --json dkim_signing > {dump}", folder, {"rspamadm": script})
            assert json.loads(dump.read_text())["key_prefix"] == "K", dumped.err
            asked = await imports.call("import", "rspamd", str(dump), "--plan")
            assert (asked.code, "HGETALL K" in asked.err) == (2, True)
            for command in (
                f"HSET K 2024.a.{first} '{OWN.pem.decode()}' dkim.{second} '{SHORT.pem.decode()}'",
                f"HSET S {first} 2024.a {second} dkim",
            ):
                run_as_printed(f"{client} {command}", folder, {})
            for name in ("K", "S"):
                done = run_as_printed(f"{client} --json HGETALL {name} > {name}.json", folder, {})
                assert done.code == 0, done.err
            options = ("--redis-keys", "K.json", "--redis-selectors", "S.json")
            done = await imports.call("import", "rspamd", str(dump), *options)
            assert (done.code, "2 done" in done.out) == (0, True), done.out + done.err
            assert (await imports.world.look(first)).dkim.state is HealthState.VERIFIED
            assert (await imports.world.domain(second)).selector == "dkim"


async def test_tables_in_the_form_of_opendkim(lab: DnsLab, tmp_path: Path, folder: Path) -> None:
    """signing_table and key_table, a key in the table itself, and a tool that is not there."""
    name = lab.zone("tables-rs.test")
    publish_key(lab, name, "s", OWN)
    bare = "".join(OWN.pem.decode().splitlines()[1:-1])
    dump = {"signing_table": [f"*@{name} one"], "key_table": [f"one {name}:s:{bare}"], "use_vault": False}
    (folder / "dump.json").write_text(json.dumps(dump))
    async with importing(lab, tmp_path, folder) as imports:
        done = await imports.call("import", "rspamd", str(folder / "dump.json"), "--json")
        (told,) = json.loads(done.out)["domains"]
        assert (told["sender"], told["selector"]) == (name, "s"), done.out + done.err
        assert bare[:24] not in done.out + done.err
        if shutil.which("rspamadm") is None:
            missing = await imports.call("import", "rspamd")
            assert (missing.code, "rspamadm configdump" in missing.err) == (2, True)
        (folder / "wrong.json").write_text("[]")
        assert (await imports.call("import", "rspamd", str(folder / "wrong.json"))).code == 2
