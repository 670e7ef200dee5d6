"""What the machine adds to the settings: the file of keys, made at the first start, and the system's resolvers."""

import ipaddress
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from letterhead.config.table import PREFIX, Settings
from letterhead.config.values import DNS_PORT, HostPort, SqliteFile, is_address
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

KEY_FILE = "keys"
MOST_RESOLVERS = 3  # resolv.conf(5): MAXNS


def system_resolvers(path: Path = Path("/etc/resolv.conf")) -> tuple[HostPort, ...]:
    """Return this machine's resolvers; 127.0.0.1 where none are named (resolv.conf(5))."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    fields = [line.split() for line in lines]
    hosts = [field[1] for field in fields if len(field) > 1 and field[0] == "nameserver" and is_address(field[1])]
    return tuple(HostPort(host, DNS_PORT) for host in hosts[:MOST_RESOLVERS]) or (HostPort("127.0.0.1", DNS_PORT),)


def is_loopback(host: str) -> bool:
    """Whether a host is reached from this machine only."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else host == "localhost"


def key_text(settings: Settings, make: Callable[[], str] | None) -> Secret:
    """Return the text of LETTERHEAD_KEYS: as set, or from the file `keys` in the folder of the embedded database.

    `make` returns a new key for that file where there is none; it is None where the database holds sealed secrets
    already, which a new key could never open. Faults: `config-invalid`, `keyring-wrong`.
    """
    if settings.keys is not None:
        return settings.keys
    if not isinstance(settings.database_url, SqliteFile):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{PREFIX}KEYS is not set, and with Postgres it must be: every process needs the same keys.",
            f"Write {PREFIX}KEYS=k1:<output of `openssl rand -base64 32`>, and keep a copy apart from the database.",
        )
    path = settings.data_dir / KEY_FILE
    if (found := _read(path)) is not None:
        return found
    if make is None:
        raise Fault(
            Kind.KEYRING_WRONG,
            f"The database holds sealed secrets, and the file {path} with the keys that open them is gone.",
            f"Bring {path} back from a backup, or set {PREFIX}KEYS to what it held.",
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, make())
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path} can't be written: {error.strerror}.",
            f"Let {PREFIX}DATA_DIR name a folder that this user may write to, or set {PREFIX}KEYS.",
        ) from error
    made = _read(path)
    assert made is not None, "written and then gone"  # noqa: S101 - nobody but an operator removes it
    return made


def _write_once(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all; one that exists is left as it is."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # O_EXCL, mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)  # unlike a rename it never replaces: the first of two processes wins
        _sync_folder(path.parent)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Secret | None:
    try:
        mode = path.stat().st_mode
        octets = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path}, which holds the keys, can't be read: {error.strerror}.",
            f"Give it to the user that runs Letterhead: chown, and chmod 600 {path}.",
        ) from error
    if mode & 0o007:  # the group's bits stay free: Kubernetes sets them on mounted volumes
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path}, which holds the keys, is open to every user of this machine (mode {mode & 0o777:04o}).",
            f"chmod 600 {path}; if others use this machine, change the keys too.",
        )
    return Secret(octets.strip())
