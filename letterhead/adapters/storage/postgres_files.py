"""The files that libpq reads beside the URL of a database: services, passwords, certificates."""

import configparser
import re
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from letterhead.adapters.storage.postgres_url import PostgresUrlError, translate_key

log = structlog.get_logger()

SERVICES, PASSWORDS, ROOT_CERTIFICATE = ".pg_service.conf", ".pgpass", ".postgresql/root.crt"
_FIELD: Final = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)")


def read_service(name: str, file: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of one service of the service file (libpq 34.17); raise PostgresUrlError where it is missing."""
    path = Path(file) if file else _in_home(SERVICES, environ)
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys keep their capitals
    try:
        parser.read_string(path.read_text("utf-8"))
        section = parser[name]
    except OSError as error:
        problem = f"names the service {name!r}, and {path} can't be read: {error.strerror}"
        raise PostgresUrlError(problem, f"Write the service into {path}, or name its file by servicefile=") from None
    except (KeyError, configparser.Error, UnicodeDecodeError):
        raise PostgresUrlError(f"names the service {name!r}, which {path} has not", f"Add [{name}] to it") from None
    found: dict[str, str] = {}
    for key, value in section.items():
        found |= translate_key(key, value)
    return found


def find_password(keys: Mapping[str, str], host: str, port: int, environ: Mapping[str, str]) -> str | None:
    """Return the password of the password file for a server (libpq 34.16); None where it has none."""
    path = Path(keys["passfile"]) if "passfile" in keys else _in_home(PASSWORDS, environ)
    user = keys.get("user", environ.get("USER", ""))
    wanted = ("localhost" if host.startswith("/") else host, str(port), keys.get("dbname", user), user)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warning("database.password-file-ignored", file=str(path), fix=f"chmod 600 {path}")
            return None
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = [re.sub(r"\\(.)", r"\1", field) for field in _FIELD.findall(line)[:5]]
        is_entry = len(fields) == 5 and not line.startswith("#")
        if is_entry and all(field in ("*", value) for field, value in zip(fields, wanted, strict=False)):
            return fields[4]
    return None


def refuse_missing_files(keys: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Raise PostgresUrlError for a file of certificates that is missing or can't be read."""
    for key in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        path = keys.get(key)
        if not path or (key == "sslrootcert" and path == "system"):
            continue
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            fix = f"Put the file there, readable for this user, or name another one by {key}="
            raise PostgresUrlError(f"names {path} by {key}, which can't be read: {error.strerror}", fix) from None
    mode = keys.get("sslmode", "")
    if mode.startswith("verify-") and "sslrootcert" not in keys and not _in_home(ROOT_CERTIFICATE, environ).is_file():
        fix = (
            "Write sslrootcert=system for a certificate of a public authority, or sslrootcert=/path/of/your/root.crt "
            "for one of your own"
        )
        raise PostgresUrlError(f"has sslmode={mode} and no certificate of an authority to verify with", fix)


def system_context(keys: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings of `sslrootcert=system`: the system's authorities, and the host's name is compared."""
    context = ssl.create_default_context()
    if "sslcert" in keys:
        context.load_cert_chain(keys["sslcert"], keys.get("sslkey"), lambda: keys.get("sslpassword", ""))
    for key, default in (("ssl_min_protocol_version", "TLSv1.2"), ("ssl_max_protocol_version", "")):
        version = keys.get(key, default)
        if version:
            chosen = ssl.TLSVersion[version.replace(".", "_")]
            setattr(context, "minimum_version" if "min" in key else "maximum_version", chosen)
    context.set_alpn_protocols(["postgresql"])
    return context


def _in_home(name: str, environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home()) / name
