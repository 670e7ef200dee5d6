"""What `letterhead export` writes is what the programs sign with: each signs, and a receiver verifies through DNS."""

import asyncio
import os
import re
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import pytest

from letterhead.cli.export import files, formats, signers_of, with_covers
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import RecordId
from letterhead.core.secret import Secret
from letterhead.errors import Fault
from letterhead.operations import rotations
from letterhead.operations.rotations import NOTHING
from letterhead.web import WebSettings
from letterhead.web.app import create_app
from letterhead.wiring.assemble import Overrides
from tests.cli.test_export import ED25519, listed
from tests.operations.test_real_dns import publish, record
from tests.operations.world import OPERATOR, Clock, World, noon, opened
from tests.rigs import signers, signing, smtp
from tests.rigs.command import Result, letterhead
from tests.rigs.dns_lab import DnsLab
from tests.web.conftest import served as served_app


class Exporting:
    """An installation that is served, with a verified domain, and a folder to export into."""

    def __init__(self, world: World, clock: Clock, url: str, sender: str, folder: Path) -> None:
        self.world, self.clock, self.url, self.sender, self.folder = world, clock, url, sender, folder
        self.exported = folder / "exported"

    async def export(self, program: str, *options: str) -> Result:
        """Export as an operator would: readable for the user whom Exim runs as, where we may give files away."""
        given = [*options, *(["--owner", "nobody"] if os.geteuid() == 0 else [])]
        return await asyncio.to_thread(
            letterhead, "export", program, str(self.exported), *given,
            folder=self.folder, URL=self.url, API_KEY=self.world.key,
        )  # fmt: skip

    async def rotate(self, lab: DnsLab) -> str:
        """Bring a change of keys to its switch and return the new selector."""
        await rotations.start(self.world.deps, self.world.account.id, self.sender, NOTHING, OPERATOR)
        publish(lab, record(self.world, await self.world.domain(self.sender), RecordId.DKIM_NEXT))
        lab.flush()
        await self.world.look(self.sender)
        self.clock.turn(minutes=10)
        return (await self.world.look(self.sender)).selector


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that other users reach."""
    with tempfile.TemporaryDirectory(prefix="signers-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """Serve the API on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        token = Secret(b"an-operator-token-that-is-long-enough")
        async with served_app(create_app(world.deps, WebSettings(public_url=url, operator_token=token)), listener):
            yield url


@pytest.fixture
async def exporting(lab: DnsLab, zone: str, tmp_path: Path, folder: Path) -> AsyncIterator[Exporting]:
    """Return an installation with one verified domain and one whose key is nowhere."""
    clock = Clock(noon())
    dns = {"DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(tmp_path, Overrides(now=clock), **dns) as world:
        await world.add(zone)
        await world.add(f"unproven.{zone}")
        publish(lab, record(world, await world.domain(zone), RecordId.DKIM))
        lab.flush()
        assert (await world.look(zone)).dkim.state is HealthState.VERIFIED
        async with served(world) as url:
            yield Exporting(world, clock, url, zone, folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["opendkim", "rspamd", "exim", "postfix-milter"])
async def test_the_program_signs_with_the_exported_files(lab: DnsLab, exporting: Exporting, program: str) -> None:
    """Before and after a change of keys: what the program signs verifies, by the selector that the API shows."""
    for number in range(2):
        result = await exporting.export(program)
        assert result.code == 0, result.err
        assert "unproven" not in result.out
        selector = (await exporting.world.domain(exporting.sender)).selector
        bench = signers.bench_in(exporting.folder, exporting.exported)
        text = signing.message(exporting.sender, number)
        signed = await asyncio.to_thread(sign, program, bench, text)
        assert f"s={selector};".encode() in signed
        assert await asyncio.to_thread(signing.verifies, lab, signed), signed.decode()
        if number == 0:
            assert await exporting.rotate(lab) != selector


def sign(program: str, bench: signers.Bench, text: bytes) -> bytes:
    """Sign one message with a program."""
    match program:
        case "opendkim":
            return signers.with_opendkim(bench, text)
        case "rspamd":
            return signers.with_rspamd(bench, text)
        case "postfix-milter":
            return signers.with_dkimpy(bench, text)[0]
        case _:
            with smtp.running(None, sign_in=False) as sink:
                return signers.with_exim(bench, text, sink)


COVERS = [
    {"sender": "one.test", "takenOut": [], "whole": True},
    {"sender": "two.test", "takenOut": ["eu.two.test"], "whole": True},
    {"sender": "own.eu.two.test", "takenOut": [], "whole": True},
    {"sender": "many.test", "takenOut": ["some.many.test"], "whole": False},
]
SENDERS = ("one.test", "two.test", "own.eu.two.test", "plain.two.test", "many.test", "three.test")
# From which name, and who signs; OpenDKIM's tables can't leave a name out.
SIGNED_BY = {
    "one.test": "one.test",
    "a.one.test": "one.test",
    "a.b.one.test": "one.test",
    "123one.test": None,
    "two.test": "two.test",
    "eu.two.test": None,
    "deep.eu.two.test": None,
    "own.eu.two.test": "own.eu.two.test",
    "a.own.eu.two.test": "own.eu.two.test",
    "plain.two.test": "plain.two.test",
    "a.plain.two.test": None,
    "a.two.test": "two.test",
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["opendkim", "rspamd", "exim"])
def test_names_below_are_signed_by_who_covers_them(folder: Path, program: str) -> None:
    """By the nearest domain, whole labels alone; not what is taken out, nor below a domain that covers nothing."""
    exported = folder / "exported"
    found = with_covers(signers_of([listed(sender) for sender in SENDERS]), COVERS)
    keys, tables = formats.files_for(program, PurePosixPath(exported), found)
    files.place_files(exported, keys | tables, "nobody" if os.geteuid() == 0 else None)
    bench = signers.bench_in(folder, exported)
    expected = dict(SIGNED_BY)
    if program == "opendkim":  # the whole of two.test is without a cover then
        expected["a.two.test"] = None
    told: dict[str, str | None] = {}
    for name in expected:
        try:
            signed = sign(program, bench, signing.message(name))
        except AssertionError:  # the program has added no signature
            told[name] = None
            continue
        domain = re.search(rb"\bd=([a-z0-9.]+);", signed)
        told[name] = domain[1].decode() if domain else None
    assert told == expected


def test_a_domain_whose_list_is_not_whole_covers_nothing() -> None:
    """Where more names are taken out than the server lists, none below is signed."""
    found = {each.sender: each for each in with_covers(signers_of([listed(sender) for sender in SENDERS]), COVERS)}
    assert not found["many.test"].covers
    assert found["two.test"].taken_out == ("eu.two.test",)
    with pytest.raises(Fault, match="no name in DNS"):
        with_covers(signers_of([listed("one.test")]), [{"sender": "one.test", "takenOut": ["a b"], "whole": True}])


@pytest.mark.parametrize("seconds", [(), ("one.test",), ("one.test", "two.test")])
def test_dkimpy_milter_signs_for_all_whoever_has_a_second_key(folder: Path, seconds: tuple[str, ...]) -> None:
    """Each domain by RSA, and by Ed25519 where it has such a key; its table is there where any domain has one."""
    senders, exported = ("one.test", "two.test"), folder / "exported"
    domains = [
        listed(sender, **({"ed25519Selector": "ed1", "privateEd25519Key": ED25519} if sender in seconds else {}))
        for sender in senders
    ]
    keys, tables = formats.files_for("postfix-milter", PurePosixPath(exported), signers_of(domains))
    if not seconds:
        del tables["KeyTableEd25519"]
    files.place_files(exported, keys | tables, "nobody" if os.geteuid() == 0 else None)
    texts = [signing.message(sender, 1) for sender in senders]
    signed = signers.with_dkimpy(signers.bench_in(folder, exported), *texts)
    kinds = [sorted(re.findall(rb"a=(\w+)-sha256", each)) for each in signed]
    assert kinds == [[b"ed25519", b"rsa"] if each in seconds else [b"rsa"] for each in senders]


async def test_only_what_changed_is_written(lab: DnsLab, exporting: Exporting) -> None:
    """A second export writes nothing; a change of keys: key and table, and the old key goes once the program knows.

    A reload that failed is owed until it goes well.
    """
    assert "wrote KeyTable" in (await exporting.export("opendkim", "--reload", "true")).out
    before = {path: path.stat().st_mtime_ns for path in exporting.exported.rglob("*") if path.is_file()}
    assert {path.stat().st_mode & 0o777 for path in before} == {0o600}
    assert exporting.exported.stat().st_mode & 0o777 == 0o700
    again = await exporting.export("opendkim", "--reload", f"touch {exporting.folder}/reloaded")
    assert (again.out, again.code) == ("", 0)
    assert not (exporting.folder / "reloaded").exists()
    assert before == {path: path.stat().st_mtime_ns for path in exporting.exported.rglob("*") if path.is_file()}
    old = (await exporting.world.domain(exporting.sender)).selector
    new = await exporting.rotate(lab)
    failed = await exporting.export("opendkim", "--reload", "false")
    assert failed.code == 1
    assert failed.out.splitlines() == [f"wrote keys/{exporting.sender}/{new}.pem", "wrote KeyTable"]
    last = await exporting.export("opendkim", "--reload", f"touch {exporting.folder}/reloaded")
    assert last.out.splitlines() == [f"removed keys/{exporting.sender}/{old}.pem"]
    assert (exporting.folder / "reloaded").exists()
