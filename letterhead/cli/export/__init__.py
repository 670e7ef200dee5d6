"""The command `letterhead export`: keys and tables for a signing program, from the API into files.

- `formats`: the keys and tables of each program, as text.
- `files`: files that others can't read, each replaced in one step.
"""

import base64
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from letterhead.cli import account_archive
from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import ApiRefused, Exit, report_fault
from letterhead.cli.export import files, formats
from letterhead.cli.export.formats import KEYS, SecondKey, SigningDomain
from letterhead.errors import Fault, Kind

SIGNS = ("SUCCESS", "TEMPORARY_FAILURE")  # whose key is in DNS
RELOAD_SECONDS = 60
RELOAD_DUE = ".reload-owed"
COVERS_PAGE = 1000
FORGETS_WITHIN = 3600  # seconds, for a program that reloads its tables by itself
# Another server may send anything: nothing becomes a path or a line of a table unless it matches this.
_NAME = re.compile(r"(?!.{254})[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?)*")
# Every program's grammar takes such a path as it is: no space, quote, colon, comma, brace or percent.
_PATH = re.compile(r"/[A-Za-z0-9_./-]*")

Program = Literal["opendkim", "rspamd", "postfix-milter", "exim", "kumomta", "haraka", "stalwart", "powermta"]


def export(
    program: Program,
    folder: Path,
    /,
    *,
    watch: Annotated[bool, Parameter(negative="")] = False,
    every: int = 60,
    reload: str | None = None,
    owner: str | None = None,
) -> Exit:
    """Write the keys and tables that a signing program reads, 0600, and only what changed.

    Needs an API key of full scope. Only domains whose key is in DNS are written: SUCCESS and TEMPORARY_FAILURE.

    Parameters
    ----------
    program
        opendkim, rspamd, postfix-milter (dkimpy-milter), exim, kumomta, haraka, stalwart or powermta.
    folder
        A folder for these files alone. It is made with mode 0700.
    watch
        Go on, and write what changes, until stopped.
    every
        Seconds between two looks of --watch.
    reload
        A command to run after something changed, such as "systemctl reload opendkim".
    owner
        The user who may read the files: the one that the program runs as. Only root can give files away.
    """
    target = _check_folder(folder)
    with Api(account_key()) as api:
        if not watch:
            return _export_once(api, program, target, reload, owner)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                _export_once(api, program, target, reload, owner)
            except (Fault, ApiRefused) as error:
                report_fault(error)
            except OSError as error:
                report_fault(_new_unwritable(target, error))
            stop.wait(max(1, every))
    return Exit.OK


def _export_once(api: Api, program: str, folder: Path, reload: str | None, owner: str | None) -> Exit:
    signers = with_covers(signers_of(decode_json(api.call("GET", path_of("domains")))), list_covers(api))
    if program == "opendkim":
        _report_left_out(signers)
    keys, tables = formats.files_for(program, PurePosixPath(folder), signers)
    links = formats.links_for(program, signers)
    # Without such a key nobody needs the table. Once it is there, a configuration may name it: then it stays right.
    if not any(each.second for each in signers) and not (folder / formats.SECOND_TABLE).exists():
        tables.pop(formats.SECOND_TABLE, None)
    try:
        # The keys first and the tables last: whatever a table names is there.
        changed = files.place_files(folder, keys, owner)
        changed += files.place_files(folder, tables, owner) + files.place_links(folder, links, owner)
        changed += files.remove_files(folder, formats.LINKS, links)
    except OSError as error:
        raise _new_unwritable(folder, error) from error
    for path in changed:
        print(f"wrote {path}")
    good = _reload_program(folder, reload, changed=bool(changed))
    # Old keys stay until the program can't open them any more: it has reloaded its tables, or had an hour to do so.
    times = [(folder / name).lstat().st_mtime for name in (*tables, *links)]
    has_had_time = not times or time.time() - max(times) > FORGETS_WITHIN
    if has_had_time if reload is None else not (folder / RELOAD_DUE).exists():
        for path in files.remove_files(folder, KEYS, keys):
            print(f"removed {path}")
    return Exit.OK if good else Exit.NOT_GOOD


def signers_of(domains: Sequence[dict[str, Any]]) -> list[SigningDomain]:
    """Return who signs with which key, from the API's list.

    Fault `config-invalid` where it has no keys, or where a name or a key can't be read.
    """
    wanted = [domain for domain in domains if domain.get("status") in SIGNS]
    if any("privateDKIMKey" not in domain for domain in wanted):
        raise Fault(
            Kind.CONFIG_INVALID,
            "The server shows no private keys to this API key.",
            "Use one of full scope (letterhead keys create NAME --scope full); "
            "the server needs LETTERHEAD_EXPOSE_PRIVATE_DKIM=full.",
        )
    signers = []
    for domain in sorted(wanted, key=lambda each: str(each["sender"])):
        sender, selector = str(domain["sender"]), str(domain["selector"])
        _check_names(sender, selector)
        second = None
        if "privateEd25519Key" in domain:  # which the server sends only while DNS serves it
            second_selector = str(domain.get("ed25519Selector"))
            _check_names(sender, second_selector)
            forms = _key_forms(sender, str(domain["privateEd25519Key"]), ed25519=True)
            second = SecondKey(selector=second_selector, forms=forms)
        pem = _key_forms(sender, str(domain["privateDKIMKey"]), ed25519=False)["pem"]
        signers.append(SigningDomain(sender=sender, selector=selector, pem=pem, second=second))
    return signers


def list_covers(api: Api) -> list[dict[str, Any]]:
    """Return the domains that cover the names below them.

    There are none where the server is too old to know of it, or to tell it to a key that is bound to domains.
    """
    found: list[dict[str, Any]] = []
    query: dict[str, str | None] = {"limit": str(COVERS_PAGE)}
    try:
        while True:
            page = decode_json(api.call("GET", path_of("covers"), query=query))
            found += page
            if len(page) < COVERS_PAGE:
                return found
            query["cursor"] = str(page[-1]["sender"])
    except ApiRefused as refused:
        if refused.code in (Kind.NOT_FOUND, Kind.KEY_BOUND):
            return []
        raise


def with_covers(signers: Sequence[SigningDomain], covers: Sequence[dict[str, Any]]) -> list[SigningDomain]:
    """Return who signs, with the names below that each signs for; Fault `config-invalid` for what is no name.

    A domain of which the server does not list all names that are taken out signs for none below.
    """
    taken = {each["sender"]: tuple(map(str, each["takenOut"])) for each in covers if each["whole"]}
    for sender, names in taken.items():
        for name in names:
            _check_names(str(sender), name)
    return [replace(each, covers=each.sender in taken, taken_out=taken.get(each.sender, ())) for each in signers]


def _report_left_out(signers: Sequence[SigningDomain]) -> None:
    for each in signers:
        names = formats.left_out_below(each, signers) if each.covers else ()
        if names:
            print(
                f"letterhead: {each.sender} signs for no name below it, since OpenDKIM's tables can't leave out "
                f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}",
                file=sys.stderr,
            )


def _check_names(sender: str, selector: str) -> None:
    if not _NAME.fullmatch(sender) or not _NAME.fullmatch(selector):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The server names a domain {ascii(sender)[:100]} with the selector {ascii(selector)[:100]}, "
            "which is no name in DNS; nothing was written.",
            "Check that LETTERHEAD_URL is the address of your own Letterhead server.",
        )


def _key_forms(sender: str, text: str, *, ed25519: bool) -> dict[str, str]:
    """Return a key in the forms that programs read.

    `pem` is PKCS #1 for RSA, which every program reads, and PKCS #8 for Ed25519; `key` is the base64 of its seed.
    """
    # Here, since every other command starts without it.
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

    in_clear = NoEncryption()
    try:
        key: Any = load_der_private_key(base64.b64decode(text, validate=True), None)
        if not ed25519:
            return {"pem": key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, in_clear).decode()}
        seed = base64.b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, in_clear)).decode()
        return {
            "pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, in_clear).decode(),
            "key": f"{seed}\n",
        }
    except (ValueError, TypeError, AttributeError):
        # Without the cause: what can't be read may still be a part of a key, and is not to be printed.
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The server's key for {sender} can't be read; nothing was written.",
            "Check that LETTERHEAD_URL is the address of your own Letterhead server.",
        ) from None


def _check_folder(folder: Path) -> Path:
    whole = folder.resolve()
    if not _PATH.fullmatch(str(whole)):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The folder {str(whole)!r} holds characters that some program's tables would read otherwise.",
            "Name a folder of letters, digits and . _ - alone, such as /etc/letterhead/opendkim.",
        )
    return whole


def _reload_program(folder: Path, command: str | None, *, changed: bool) -> bool:
    """Run the operator's own command where files changed, now or in a run whose command failed.

    Return whether it succeeded, which is true where there was nothing to run.
    """
    due = folder / RELOAD_DUE
    if changed:
        due.touch(files.FILE_MODE)
    if command is None or not due.exists():
        return True
    try:
        code = subprocess.run(shlex.split(command), timeout=RELOAD_SECONDS, check=False).returncode  # noqa: S603
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        print(f"letterhead: {command!r} could not be run: {error}", file=sys.stderr)
        return False
    if code:
        print(f"letterhead: {command!r} ended with {code}; the files are in place", file=sys.stderr)
        return False
    due.unlink()
    return True


def _new_unwritable(folder: Path, error: OSError) -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        f"{error.filename or folder} can't be written: {error.strerror}.",
        "Run the command as a user who may write there; --owner needs root.",
    )


app = App(
    name="export",
    help="Write the keys and tables that OpenDKIM, Rspamd, Exim and others sign with; or a whole account.",
    help_format="plaintext",
)
app.default(export)
app.command(account_archive.export_account, name="account")
