"""`letterhead import opendkim`: its plan, what it does, what it refuses; no key is ever printed."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from letterhead.cli.exit_codes import Exit
from tests.rigs.canary import Canary
from tests.rigs.command import Result, Running
from tests.rigs.processes import free_port
from tests.rigs.signing import OWN, Pair

SHORT, ODD = Pair.of_bits(1024), Pair(rsa.generate_private_key(3, 2048))
CANARY = Canary([OWN.key, SHORT.key, ODD.key])


def written(folder: Path, **tables: str) -> str:
    """Write a configuration with tables of these texts, and some keys; return its path."""
    (folder / "keys").mkdir(exist_ok=True)
    for name, pair in (("own", OWN), ("short", SHORT), ("odd", ODD)):
        (folder / "keys" / f"{name}.private").write_bytes(pair.pem)
    second = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "keys" / "second.private").write_bytes(second)
    (folder / "keys" / "none.private").write_text("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n")
    lines = []
    for name, text in tables.items():
        (folder / name).write_text(text)
        lines.append(f"{name} {'refile' if name == 'SigningTable' else 'file'}:{folder / name}")
    path = folder / "opendkim.conf"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def call(service: Running, *arguments: str) -> Result:
    """Run the import with a resolver that is not there, and look for keys in what it prints."""
    silent = f"127.0.0.1:{free_port('127.0.0.1')}"
    result = service.call("import", "opendkim", *arguments, DNS_RESOLVERS=silent, ALLOW_SPECIAL_USE="true")
    assert CANARY.hits(f"{result.out}{result.err}".encode()) == 0
    return result


def test_an_import_is_planned_done_and_done_again(service: Running, tmp_path: Path) -> None:
    """--plan changes nothing; the import adds with selector and key; the second time nothing is to be done."""
    conf = written(
        tmp_path,
        KeyTable="one first-od.test:Mail:./keys/own.private\ntwo %:s2:keys/short.private\n"
        "two %:s2:./keys/short.private\nbad bad-od.test:s:./keys/none.private\nodd odd-od.test:s:./keys/odd.private\n",
        SigningTable="*@first-od.test one\n*@second-od.test two:me@second-od.test\n*@third-od.test one\n"
        "*@bad-od.test bad\n*@odd-od.test odd\n* two\n*@gone-od.test gone\n",
    )
    planned = call(service, conf, "--plan", "--json")
    assert planned.code == Exit.DRIFT, planned.err
    told = json.loads(planned.out)
    by_name = {each["sender"]: (each["action"], each["selector"]) for each in told["domains"]}
    assert by_name == {
        "first-od.test": ("add-with-key", "mail"), "second-od.test": ("add-with-key", "s2"),
        "third-od.test": ("add", None), "bad-od.test": ("add", None), "odd-od.test": ("add", None),
    }  # fmt: skip
    assert ["any domain" in each["why"] or "lacks" in each["why"] for each in told["unread"]] == [True, True]
    assert service.call("domains", "show", "first-od.test").code == Exit.REFUSED
    done = call(service, conf)
    assert done.code == Exit.OK, done.out + done.err
    assert "5 done" in done.out
    assert service.get("/domains/first-od.test").json()["selector"] == "mail"
    assert service.get("/domains/second-od.test").json()["selector"] == "s2"
    assert service.get("/domains/odd-od.test").json()["selector"] != "s"
    again = call(service, conf)
    assert (again.code, "5 here already" in again.out) == (Exit.OK, True), again.out
    assert call(service, conf, "--plan").code == Exit.OK


def test_one_key_for_a_list_of_domains(service: Running, tmp_path: Path) -> None:
    """Domain, Selector and KeyFile without tables; --domain takes one of them, --mail-from its label."""
    written(tmp_path)
    conf = tmp_path / "single.conf"
    conf.write_text(f"Domain one-key.test, two-key.test\nSelector s\nKeyFile {tmp_path}/keys/own.private\n")
    done = call(service, str(conf), "--domain", "two-KEY.test", "--mail-from", "back")
    assert done.code == Exit.OK, done.err
    assert service.get("/domains/two-key.test").json()["mailFrom"] == "back.two-key.test"
    assert service.call("domains", "show", "one-key.test").code == Exit.REFUSED
    unknown = call(service, str(conf), "--domain", "three-key.test")
    assert (unknown.code, "three-key.test" in unknown.err) == (Exit.USAGE, True)


def test_files_name_the_domains_of_a_wildcard(service: Running, tmp_path: Path) -> None:
    """A key for any sender at a path with % is the key of each domain that has such a file."""
    conf = written(tmp_path, KeyTable="any %:s:./keys/%/s.private\n", SigningTable="* any\n")
    for name in ("by-file.test", "no-key.test"):
        (tmp_path / "keys" / name).mkdir()
    (tmp_path / "keys" / "by-file.test" / "s.private").write_bytes(OWN.pem)
    told = json.loads(call(service, conf, "--plan", "--json").out)
    assert [(each["sender"], each["action"]) for each in told["domains"]] == [("by-file.test", "add-with-key")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("KeyTable file:/nowhere/KeyTable\nSigningTable file:/x\n", "can't be read"),
        ("KeyTable dsn:mysql://u:hunter2@h/d\n", "dsn:"),
        ("KeyTable csl:a=b.test:c:/d\n", "no SigningTable"),
        ("Selector s\n", "lacks Domain and KeyFile"),
    ],
)
def test_what_cannot_be_read_says_so(service: Running, tmp_path: Path, text: str, said: str) -> None:
    """A configuration that can't be followed is refused whole, with what to do, and shows no password."""
    conf = tmp_path / "wrong.conf"
    conf.write_text(text)
    refused = call(service, str(conf))
    assert (refused.code, said in refused.err, "fix:" in refused.err) == (Exit.USAGE, True, True), refused.err
    assert "hunter2" not in refused.err
    missing = call(service, str(tmp_path / "absent.conf"))
    assert missing.code == Exit.USAGE


def test_a_key_that_is_not_there_gives_no_new_one(service: Running, tmp_path: Path) -> None:
    """A key file that can't be read refuses its domain, stops no other, and ends with 1."""
    conf = written(
        tmp_path,
        KeyTable="one lost-key.test:s:/nowhere/s.private\ntwo found-key.test:s:./keys/own.private\n",
        SigningTable="*@lost-key.test one\n*@found-key.test two\n",
    )
    done = call(service, conf)
    assert (done.code, "1 refused" in done.out) == (Exit.NOT_GOOD, True), done.out
    assert "/nowhere/s.private" in done.out.replace("\n", "")
    assert service.get("/domains/found-key.test").json()["selector"] == "s"
    assert service.call("domains", "show", "lost-key.test").code == Exit.REFUSED


def test_settings_of_included_files_and_a_base_directory(service: Running, tmp_path: Path) -> None:
    """Include and BaseDirectory count as for OpenDKIM: the file itself wins over what it includes."""
    written(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "more.conf").write_text(f"Selector wrong\nBaseDirectory {tmp_path}\nKeyFile keys/own.private\n")
    conf = tmp_path / "etc" / "main.conf"
    conf.write_text("Include more.conf\nDomain included-od.test\nSelector right\n")
    (told,) = json.loads(call(service, str(conf), "--plan", "--json").out)["domains"]
    assert (told["sender"], told["selector"], told["action"]) == ("included-od.test", "right", "add-with-key")


def test_keys_go_nowhere_in_clear(service: Running, tmp_path: Path) -> None:
    """To another machine keys go over TLS alone; here, no log and no table of the server holds a piece of one."""
    conf = tmp_path / "clear.conf"
    written(tmp_path)
    conf.write_text(f"Domain clear-od.test\nSelector s\nKeyFile {tmp_path}/keys/short.private\n")
    port = service.url.rpartition(":")[2]
    silent = {"DNS_RESOLVERS": f"127.0.0.1:{free_port('127.0.0.1')}", "ALLOW_SPECIAL_USE": "true"}
    refused = service.call("import", "opendkim", str(conf), URL=f"http://127.1:{port}", **silent)  # no name of ours
    assert (refused.code, "in clear" in refused.err) == (Exit.USAGE, True), refused.err
    done = call(service, str(conf))
    assert done.code == Exit.OK, done.err
    stored = [path.read_bytes() for path in service.data.rglob("*") if path.is_file() and "key" not in path.name]
    assert stored
    secret = Canary([SHORT.key])
    assert secret.hits(SHORT.pem) > 0
    assert sum(map(secret.hits, [service.output.encode(), *stored])) == 0


def test_an_ed25519_key_is_named_with_what_to_do(service: Running, tmp_path: Path) -> None:
    """The domain gets a new key, and the plan says of the old one that it stays, and how a new one is had."""
    conf = written(tmp_path, KeyTable="k %:ed:./keys/second.private\n", SigningTable="*@ed-od.test k\n")
    (only,) = json.loads(call(service, conf, "--plan", "--json").out)["domains"]
    assert (only["action"], only["selector"]) == ("add", None)
    assert "the key of ed is an Ed25519 key, which can't come along: leave its record" in only["why"]
    assert "LETTERHEAD_ED25519=on" in only["why"]
