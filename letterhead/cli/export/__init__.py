"""Knows the command that gives a signing program its keys: asks the API, writes what changed, tells the program."""

import base64
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import ApiRefused, Exit, report_fault
from letterhead.cli.export import files, formats
from letterhead.cli.export.formats import KEYS, SecondKey, SigningDomain
from letterhead.errors import Fault, Kind

SIGNS = ("SUCCESS", "TEMPORARY_FAILURE")  # whose key is in DNS
RELOAD_SECONDS = 60
OWED = ".reload-owed"
FORGETS_WITHIN = 3600  # seconds, for a program that reads its tables anew by itself
# What a server that is not ours may send: no part of it becomes a path or a line of a table unless it looks like this.
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
    target = _folder(folder)
    with Api(account_key()) as api:
        if not watch:
            return _once(api, program, target, reload, owner)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            _guarded(api, program, target, reload, owner)
            stop.wait(max(1, every))
    return Exit.OK


def _guarded(api: Api, program: str, folder: Path, reload: str | None, owner: str | None) -> None:
    """Does one round; what goes wrong is told, and tried again in the next."""
    try:
        _once(api, program, folder, reload, owner)
    except (Fault, ApiRefused) as trouble:
        report_fault(trouble)
    except OSError as trouble:
        report_fault(_unwritten(folder, trouble))


def _once(api: Api, program: str, folder: Path, reload: str | None, owner: str | None) -> Exit:
    signers = signers_of(decode_json(api.call("GET", path_of("domains"))))
    keys, tables = formats.files_for(program, PurePosixPath(folder), signers)
    links = formats.links_for(program, signers)
    try:
        # The keys first and the tables last: whatever a table names is there.
        changed = files.place_files(folder, keys, owner)
        changed += files.place_files(folder, tables, owner) + files.place_links(folder, links, owner)
        changed += files.remove_files(folder, formats.LINKS, links)
    except OSError as trouble:
        raise _unwritten(folder, trouble) from trouble
    for path in changed:
        print(f"wrote {path}")
    good = _reloaded(folder, reload, changed=bool(changed))
    if _nobody_reads_old_keys(folder, [*tables, *links], reload):
        for path in files.remove_files(folder, KEYS, keys):
            print(f"removed {path}")
    return Exit.OK if good else Exit.NOT_GOOD


def signers_of(domains: Sequence[dict[str, Any]]) -> list[SigningDomain]:
    """Reads who signs with which key off the API's list; Fault where it holds no keys, or what is no name or key."""
    wanted = [domain for domain in domains if domain.get("status") in SIGNS]
    if any("privateDKIMKey" not in domain for domain in wanted):
        raise Fault(
            Kind.CONFIG_INVALID,
            "The server shows no private keys to this API key.",
            "Use one of full scope (letterhead keys create NAME --scope full); "
            "the server needs LETTERHEAD_EXPOSE_PRIVATE_DKIM=full.",
        )
    return [_signer(domain) for domain in sorted(wanted, key=lambda each: str(each["sender"]))]


def _signer(domain: dict[str, Any]) -> SigningDomain:
    sender, selector = str(domain["sender"]), str(domain["selector"])
    _check_names(sender, selector)
    second = _second(sender, domain) if "privateEd25519Key" in domain else None
    return SigningDomain(
        sender=sender, selector=selector, pem=_pem(sender, str(domain["privateDKIMKey"])), second=second
    )


def _second(sender: str, domain: dict[str, Any]) -> SecondKey:
    """Reads the Ed25519 key, which the server shows only while DNS serves it."""
    selector = str(domain.get("ed25519Selector"))
    _check_names(sender, selector)
    return SecondKey(selector=selector, forms=_forms(sender, str(domain["privateEd25519Key"])))


def _check_names(sender: str, selector: str) -> None:
    if not _NAME.fullmatch(sender) or not _NAME.fullmatch(selector):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The server names a domain {ascii(sender)[:100]} with the selector {ascii(selector)[:100]}, "
            "which is no name in DNS; nothing was written.",
            "Check that LETTERHEAD_URL is the address of your own Letterhead server.",
        )


def _pem(sender: str, text: str) -> str:
    """Gives an RSA key as PKCS #1, which every program reads."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with _readable(sender):
        pem: bytes = _loaded(text).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return pem.decode()


def _forms(sender: str, text: str) -> dict[str, str]:
    """Gives an Ed25519 key in the forms that programs read."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    with _readable(sender):
        key = _loaded(text)
        seed = base64.b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())).decode()
        return {
            "pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "key": f"{seed}\n",
        }


def _loaded(text: str) -> Any:
    from cryptography.hazmat.primitives.serialization import (  # here, since every other command starts without it
        load_der_private_key,
    )

    return load_der_private_key(base64.b64decode(text, validate=True), None)


@contextmanager
def _readable(sender: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, AttributeError):
        # Without the cause: what can't be read may still be a part of a key, and is not to be printed.
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The server's key for {sender} can't be read; nothing was written.",
            "Check that LETTERHEAD_URL is the address of your own Letterhead server.",
        ) from None


def _nobody_reads_old_keys(folder: Path, tables: Sequence[str], reload: str | None) -> bool:
    """Says whether the program can't open a key any more that the tables before named: it was told, or had an hour."""
    if reload is not None:
        return not (folder / OWED).exists()
    times = [(folder / name).lstat().st_mtime for name in tables]
    return not times or time.time() - max(times) > FORGETS_WITHIN


def _folder(folder: Path) -> Path:
    whole = folder.resolve()
    if not _PATH.fullmatch(str(whole)):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The folder {str(whole)!r} holds characters that some program's tables would read otherwise.",
            "Name a folder of letters, digits and . _ - alone, such as /etc/letterhead/opendkim.",
        )
    return whole


def _reloaded(folder: Path, command: str | None, *, changed: bool) -> bool:
    """Runs the operator's own command where the program does not know yet what changed, now or in an earlier run.

    Says whether it went well, which it also did where there was nothing to tell, or nobody to tell it.
    """
    owed = folder / OWED
    if changed:
        owed.touch(files.FILE_MODE)
    if command is None or not owed.exists():
        return True
    try:
        ended = subprocess.run(shlex.split(command), timeout=RELOAD_SECONDS, check=False).returncode  # noqa: S603
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as trouble:
        print(f"letterhead: {command!r} could not be run: {trouble}", file=sys.stderr)
        return False
    if ended:
        print(f"letterhead: {command!r} ended with {ended}; the files are in place", file=sys.stderr)
        return False
    owed.unlink()
    return True


def _unwritten(folder: Path, trouble: OSError) -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        f"{trouble.filename or folder} can't be written: {trouble.strerror}.",
        "Run the command as a user who may write there; --owner needs root.",
    )
