"""What `letterhead export` writes, read back by each program's grammar; and what it refuses to write."""

import base64
import json
import os
import re
import signal
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from letterhead.cli.exit_codes import Exit
from letterhead.cli.export import files, formats, signers_of
from letterhead.cli.export.formats import PROGRAMS, TWICE, SecondKey, SigningDomain
from letterhead.errors import Fault
from tests.rigs.command import LETTERHEAD, environment, letterhead
from tests.rigs.waiting import CEILING, until

FOLDER = PurePosixPath("/etc/letterhead")
SECOND = SecondKey(selector="ed1", forms={"key": "seed three\n", "pem": "pem three"})
SIGNERS = [
    SigningDomain(sender="acme.dev", selector="lh1", pem="pem one", second=SECOND),
    SigningDomain(sender="mail.xn--bcher-kva.example", selector="2026-q4", pem="pem two"),
]
WANTED = {(each.sender, each.selector, each.pem) for each in SIGNERS}


def der() -> str:
    """Make a key as the API shows it."""
    key = rsa.generate_private_key(65537, 2048)
    return base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


KEY = der()
ED25519 = base64.b64encode(
    ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
).decode()


def listed(sender: str = "acme.dev", selector: str = "lh1", status: str = "SUCCESS", **more: str) -> dict[str, Any]:
    """Write a domain as the API lists it."""
    return {"sender": sender, "selector": selector, "status": status, "privateDKIMKey": KEY} | more


# --- each grammar ---------------------------------------------------------------------------------------------------


def read_opendkim(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read KeyTable and SigningTable as opendkim.conf(5) says: words, the second of them with colons."""
    tables = [read_table(texts[name]) for name in ("KeyTable", "SigningTable")]
    keys = {name: value.split(":") for name, value in tables[0].items()}
    assert all(pattern == f"*@{keys[name][0]}" for pattern, name in tables[1].items())
    return {(domain, selector, path) for domain, selector, path in keys.values()}


def read_table(text: str) -> dict[str, str]:
    """Read a line's first word and the rest of it."""
    return dict(line.split(maxsplit=1) for line in text.splitlines() if not line.startswith("#"))


def read_dkimpy(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read OpenDKIM's tables, and KeyTableEd25519 like the first of them (dkimpy-milter.conf(5)).

    Each domain must stand in both: the milter fails where one lacks it.
    """
    first, second = (read_table(texts[name]) for name in ("KeyTable", "KeyTableEd25519"))
    assert set(first) == set(second)
    keys = [value.split(":") for value in second.values()]
    return read_opendkim(texts) | {(domain, name, path) for domain, name, path in keys if path != "/dev/null"}


def read_rspamd(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read the UCL block: a section per domain with a list of two strings each."""
    found = set[tuple[str, ...]]()
    for name, keys in re.findall(r'"([^"]+)" \{\s*selectors \[([^]]*)\]\s*\}', texts["dkim_signing.conf"]):
        pairs = re.findall(r'\{ selector = "([^"]+)"; path = "([^"]+)"; \}', keys)
        found |= {(name, selector, path) for selector, path in pairs}
    return found


def read_exim(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read the file as lsearch and ${extract} do: a key, a colon, name=value pairs."""
    found = set[tuple[str, ...]]()
    for line in texts["domains"].splitlines():
        if not line.startswith("#"):
            name, pairs = line.split(": ", 1)
            values = dict(pair.split("=", 1) for pair in pairs.split())
            assert values["domain"] == name
            found |= {(name, selector, values[f"key-{selector}"]) for selector in values["selector"].split(":")}
    return found


def read_kumomta(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read the TOML."""
    domains = tomllib.loads(texts["dkim_data.toml"])["domain"]
    return {(name, each["selector"], each["filename"]) for name, each in domains.items()}


def read_stalwart(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read the TOML; the key is a file macro."""
    blocks = tomllib.loads(texts["signatures.toml"])["signature"]
    for name, each in blocks.items():
        assert name == f"{each['algorithm'].removesuffix('-sha256')}-{each['domain']}"
    return {
        (each["domain"], each["selector"], each["private-key"].removeprefix("%{file:").removesuffix("}%"))
        for each in blocks.values()
    }


def read_powermta(texts: dict[str, str]) -> set[tuple[str, ...]]:
    """Read the `domain-key SELECTOR,DOMAIN,FILE` directives."""
    lines = [line.split(" ", 1)[1].split(",") for line in texts["domain-keys.conf"].splitlines() if line[0] != "#"]
    return {(domain, selector, path) for selector, domain, path in lines}


READERS = {
    "opendkim": read_opendkim,
    "postfix-milter": read_dkimpy,
    "rspamd": read_rspamd,
    "exim": read_exim,
    "kumomta": read_kumomta,
    "stalwart": read_stalwart,
    "powermta": read_powermta,
}


@pytest.mark.parametrize("name", READERS)
def test_the_tables_say_who_signs_with_which_key(name: str) -> None:
    """Read back, each table gives domain, selector and the file in which that key is; both keys where it can."""
    keys, tables = formats.files_for(name, FOLDER, SIGNERS)
    found = READERS[name](tables)
    at = {str(FOLDER / path): pem for path, pem in keys.items()}
    second = {("acme.dev", SECOND.selector, SECOND.forms[TWICE[name]])} if name in TWICE else set()
    assert {(domain, selector, at[path]) for domain, selector, path in found} == WANTED | second
    assert set(at) == {path for _, _, path in found}, "no key is written that no table names"


def test_haraka_opens_one_folder_for_each_domain(tmp_path: Path) -> None:
    """Behind dkim/DOMAIN lie `private` and `selector` that belong together, whatever moment it is opened at."""
    keys, tables = formats.files_for("haraka", PurePosixPath(tmp_path), SIGNERS)
    assert tables == {}
    files.place_files(tmp_path, keys, None)
    files.place_links(tmp_path, formats.links_for("haraka", SIGNERS), None)
    found = {
        (home.name, (home / "selector").read_text().strip(), (home / "private").read_text())
        for home in (tmp_path / "dkim").iterdir()
    }
    assert found == WANTED


def test_every_program_is_read_back() -> None:
    """No format is left without a reader or a program that signs."""
    assert set(PROGRAMS) == {*READERS, "haraka"}


# --- what is refused ------------------------------------------------------------------------------------------------

HOSTILE = [
    "../../etc/cron.d/x", "a/b.dev", "acme.dev\n*@x y", "acme .dev", "acme.dev:x", "acme.dev\0", '"acme.dev', "", ".",
    "..", "a..b", "-a.dev", "ACME.dev", "acme.dev}", "$acme.dev", "a" * 300, "é.dev", "acme.dev\n",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_name_becomes_a_path_or_a_line(name: str) -> None:
    """A server that is not ours may say anything: what is no name in DNS ends the export before a file is written."""
    second = listed(ed25519Selector=name, privateEd25519Key=ED25519)
    for domain in (listed(sender=name), listed(selector=name), second):
        with pytest.raises(Fault, match="nothing was written"):
            signers_of([listed(), domain])


@pytest.mark.parametrize("field", ["privateDKIMKey", "privateEd25519Key"])
def test_a_key_that_can_not_be_read_is_not_repeated(field: str) -> None:
    """The message names the domain and holds nothing of what was sent as its key."""
    for secret in (base64.b64encode(b"no key but a secret of somebody").decode(), der() if "Ed" in field else ED25519):
        with pytest.raises(Fault) as refused:
            signers_of([listed(**{"ed25519Selector": "ed1", field: secret})])
        assert "can't be read" in refused.value.detail
        assert secret not in refused.value.detail + str(refused.value.fix)
        assert refused.value.__cause__ is None


def test_a_second_key_is_read_in_both_forms() -> None:
    """Base64 of the 32 octets of the seed for some programs, PKCS #8 for others: the same key."""
    (signer,) = signers_of([listed(ed25519Selector="ed1", privateEd25519Key=ED25519)])
    assert signer.second is not None
    seed = base64.b64decode(signer.second.forms["key"], validate=False)
    key = load_pem_private_key(signer.second.forms["pem"].encode(), None)
    assert key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()) == seed
    assert base64.b64decode(ED25519).endswith(seed)


def test_without_keys_nothing_is_taken_for_empty() -> None:
    """A key of too small a scope is a fault, not an order to sign for nobody; unproven domains need no key."""
    shown = {name: value for name, value in listed().items() if name != "privateDKIMKey"}
    with pytest.raises(Fault, match="no private keys"):
        signers_of([shown])
    assert signers_of([shown | {"status": "PENDING"}]) == []
    assert [each.sender for each in signers_of([listed(status="TEMPORARY_FAILURE")])] == ["acme.dev"]


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    """A link in the place of a folder of ours is refused; one in the place of a file is replaced, not followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "keys-folder"
    folder.mkdir()
    (folder / "keys").symlink_to(elsewhere)
    with pytest.raises(Fault, match="is a link"):
        files.place_files(folder, {"keys/acme.dev/lh1.pem": "secret"}, None)
    assert list(elsewhere.iterdir()) == []
    (elsewhere / "table").write_text("theirs")
    (folder / "KeyTable").symlink_to(elsewhere / "table")
    assert files.place_files(folder, {"KeyTable": "ours"}, None) == ["KeyTable"]
    assert ((elsewhere / "table").read_text(), (folder / "KeyTable").read_text()) == ("theirs", "ours")


def test_a_file_that_others_can_read_is_mended(tmp_path: Path) -> None:
    """Modes are part of what is compared; nothing half-written stays behind."""
    files.place_files(tmp_path, {"keys/a.dev/lh1.pem": "secret"}, None)
    path = tmp_path / "keys/a.dev/lh1.pem"
    path.chmod(0o644)
    assert files.place_files(tmp_path, {"keys/a.dev/lh1.pem": "secret"}, None) == ["keys/a.dev/lh1.pem"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["lh1.pem"]


# --- the command ----------------------------------------------------------------------------------------------------


class Answering(BaseHTTPRequestHandler):
    """Answers every request with what the test wants to be listed, and counts them."""

    domains: ClassVar[list[dict[str, Any]]] = []
    covers: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[int] = 0

    def do_GET(self) -> None:
        covers = self.path.startswith("/covers")
        type(self).asked += not covers
        body = json.dumps(type(self).covers if covers else type(self).domains).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Serve a list of domains that the test changes."""
    Answering.domains, Answering.covers = [listed()], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("name", ["with space", "a:b", "a,b", 'a"b', "a$b"])
def test_a_folder_that_a_table_would_read_otherwise_is_refused(tmp_path: Path, server: str, name: str) -> None:
    """No quoting game with eight grammars: such a folder is named and refused."""
    ended = letterhead("export", "exim", str(tmp_path / name), folder=tmp_path, URL=server, API_KEY="k")
    assert ended.code == Exit.USAGE
    assert "Name a folder of letters" in ended.err


def test_a_key_as_every_program_reads_it(tmp_path: Path, server: str) -> None:
    """The key is PKCS #1 PEM, and none of it is printed."""
    ended = letterhead("export", "opendkim", str(tmp_path / "out"), folder=tmp_path, URL=server, API_KEY="k")
    assert (ended.code, ended.err) == (0, "")
    text = (tmp_path / "out/keys/acme.dev/lh1.pem").read_bytes()
    assert text.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    key = load_pem_private_key(text, None)
    shown = base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()
    assert shown == KEY
    assert not [line for line in text.decode().splitlines() if line in ended.out]


@pytest.mark.timeout(600)
def test_watch_keeps_the_files_current(tmp_path: Path, server: str) -> None:
    """What changes is written and the program told; a server that fails changes nothing; SIGTERM ends it well."""
    out, told = tmp_path / "out", tmp_path / "told"
    command = [
        str(LETTERHEAD), "export", "exim", str(out), "--watch", "--every", "1", "--reload", f"sh -c 'echo x >> {told}'",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=environment(URL=server, API_KEY="k"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: told.exists())
        Answering.domains, before = [listed(sender="../evil")], Answering.asked
        until(lambda: Answering.asked >= before + 2)  # asked again, so the answer before was dealt with
        assert "acme.dev" in (out / "domains").read_text()
        Answering.domains = [listed(), listed(sender="two.dev", selector="lh2")]
        until(lambda: "two.dev" in (out / "domains").read_text())
        Answering.domains = []
        until(lambda: "acme.dev" not in (out / "domains").read_text())
        until(lambda: not list((out / "keys").rglob("*.pem")))
        until(lambda: len(told.read_text().split()) == 3)
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=CEILING)
    assert process.returncode == 0
    assert "nothing was written" in err


def test_without_a_reload_an_old_key_stays_for_an_hour(tmp_path: Path, server: str) -> None:
    """A program that reads its tables anew by itself may still open the key that they named a moment ago."""
    out = tmp_path / "out"

    def export() -> str:
        ended = letterhead("export", "kumomta", str(out), folder=tmp_path, URL=server, API_KEY="k")
        assert ended.code == 0, ended.err
        return ended.out

    export()
    Answering.domains = [listed(selector="lh2")]
    assert export().splitlines() == ["wrote keys/acme.dev/lh2.pem", "wrote dkim_data.toml"]
    assert export() == ""
    assert (out / "keys/acme.dev/lh1.pem").exists()
    an_hour_ago = time.time() - 3601
    os.utime(out / "dkim_data.toml", (an_hour_ago, an_hour_ago))
    assert export() == "removed keys/acme.dev/lh1.pem\n"
    assert (out / "keys/acme.dev/lh2.pem").exists()


def test_what_can_not_be_written_is_named(tmp_path: Path, server: str) -> None:
    """A folder that is a file is told as what it is, without a traceback."""
    (tmp_path / "file").write_text("")
    ended = letterhead("export", "exim", str(tmp_path / "file"), folder=tmp_path, URL=server, API_KEY="k")
    assert ended.code == Exit.USAGE
    assert "can't be written" in ended.err
    assert "Traceback" not in ended.err
    assert (tmp_path / "file").stat().st_size == 0


def test_the_table_of_second_keys_is_there_where_one_is(tmp_path: Path, server: str) -> None:
    """dkimpy-milter starts with no empty one; once a configuration may name it, it stays, with each domain in it."""
    table = tmp_path / "out" / "KeyTableEd25519"

    def export(**second: str) -> set[str]:
        Answering.domains = [listed(**second), listed(sender="two.dev")]
        words = ("export", "postfix-milter", str(tmp_path / "out"))
        assert letterhead(*words, folder=tmp_path, URL=server, API_KEY="k").code == 0
        return set(read_table(table.read_text()).values()) if table.exists() else set()

    assert export() == set()
    none = {"acme.dev:none:/dev/null", "two.dev:none:/dev/null"}
    key = f"acme.dev:ed1:{tmp_path}/out/keys/acme.dev/ed1.key"
    assert export(ed25519Selector="ed1", privateEd25519Key=ED25519) == {key, "two.dev:none:/dev/null"}
    assert export() == none
