"""The URL of a PostgreSQL database, read by the rules of libpq: every key is taken, or refused by its name.

The keys of libpq (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS) keep their meaning;
what the driver can't do and what demands security is refused, never ignored. Keys of other clients that people paste
are translated where that is possible.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Keys that are handed on to the driver as they are.
OF_DRIVER: Final[tuple[str, ...]] = (
    "sslmode",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslrootcert",
    "sslcrl",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "krbsrvname",
    "gsslib",
)
_TARGETS: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# Keys of which some values alone can be kept.
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "gsslib": ("gssapi", "sspi"),
    "target_session_attrs": _TARGETS,
    "keepalives": ("0", "1"),
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
    "sslcompression": ("0", "1"),
    "sslsni": ("1",),
    "sslcertmode": ("allow",),
    "load_balance_hosts": ("disable",),
    "client_encoding": ("utf8", "utf-8", "UTF8", "UTF-8", "auto"),
    "replication": _FALSE,
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
    "requiressl": ("0",),
    "pgbouncer": (*_TRUE, *_FALSE),
    "prepared_statements": (*_TRUE, *_FALSE),
}
_INSTEAD: Final[Mapping[str, str]] = {
    "channel_binding": "The driver can't bind to the channel. sslmode=verify-full&sslrootcert=system proves by the "
    "certificate whom it talks to: write that, and take channel_binding away",
    "gssencmode": "The driver can't encrypt by GSSAPI: use TLS, by sslmode=verify-full, and take gssencmode away",
    "sslmode": "sslmode=require encrypts; sslmode=verify-full also proves who the server is",
    "ssl": "Write sslmode=verify-full, or sslmode=require where the certificate can't be checked",
    "sslaccept": "Write sslmode=verify-full, or sslmode=require where the certificate can't be checked",
    "hostaddr": "Write one address for each host",
}
_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "connect_timeout": (-1, 3600),
    "keepalives_idle": (0, 32767),
    "keepalives_interval": (0, 32767),
    "keepalives_count": (0, 127),
    "tcp_user_timeout": (0, 3_600_000),
    "statement_cache_size": (0, 100_000),
    "connection_limit": (1, 1000),
}
_TEXTS: Final = ("user", "password", "dbname", "passfile", "service", "servicefile", "options", "application_name")
_LISTS: Final = ("host", "hostaddr", "port")
# The words of other clients for one of ours.
_SYNONYMS: Final[Mapping[str, str]] = {
    "database": "dbname",
    "fallback_application_name": "application_name",
    "prepared_statement_cache_size": "statement_cache_size",
    "prepareThreshold": "statement_cache_size",
    "pool_size": "connection_limit",
    "max_pool_size": "connection_limit",
    "schema": "search_path",
    "currentSchema": "search_path",
}
_REFUSED: Final = (
    *("require_auth", "requirepeer", "sslcrldir", "sslkeylogfile", "scram_client_key", "scram_server_key"),
    *("oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope"),
    *("ssl", "sslaccept", "sslidentity", "sslfactory", "uselibpqcompat", "pool_timeout", "pool_mode", "socket_timeout"),
    *("socketTimeout", "loginTimeout", "tcpKeepAlive", "connectTimeout", "binary_parameters", "supa"),
)
_KNOWN: Final = (*_TEXTS, *_LISTS, *OF_DRIVER, *_CHOICES, *_NUMBERS, *_SYNONYMS, *_REFUSED)
_URL: Final = re.compile(r"postgres(?:ql)?://(?:([^/?]*)@)?([^/?@]*)(?:/([^?]*))?(?:\?(.*))?", re.DOTALL)
_PORT: Final = re.compile(r"[0-9]{1,5}")


class PostgresUrlError(ValueError):
    """What is wrong with a URL, as the end of a sentence that begins with it; `fix` is what to write instead.

    Neither text contains a value that may be a secret.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix if fix.endswith("?") else f"{fix}."


def read_postgres_url(text: str) -> dict[str, str]:
    """Return the keys of libpq that a URL sets; several hosts, addresses and ports are lists with commas.

    Keys that libpq does not know are settings of the server, as `search_path`. Raise PostgresUrlError.
    """
    match = _URL.fullmatch(text)
    if match is None:
        fix = "Write %40 for @, %2F for /, %3F for ? and %25 for % in a user name or a password"
        raise PostgresUrlError("has a host or a port that can't be read", fix)
    credentials, hosts, database, query = match.groups()
    found: dict[str, str] = {}
    user, _, password = (credentials or "").partition(":")
    for key, value in (("user", user), ("password", password), ("dbname", database)):
        if value:
            found[key] = _decoded(value)
    if hosts:
        found |= _read_hosts(hosts)
    for part in query.split("&") if query else ():
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise PostgresUrlError("has a parameter without a value after the ?", "Write key=value, with & between")
        found |= translate_key(_decoded(key), _decoded(value))
    check_keys(found)
    return found


def translate_key(key: str, value: str) -> dict[str, str]:
    """Return a key of the query in the words of libpq; raise where it can't be kept."""
    key, given = _SYNONYMS.get(key, key), key
    advice = _INSTEAD.get(key)
    if key in _REFUSED:
        problem = f"has {given}, which Letterhead's driver can't honour"
        raise PostgresUrlError(problem, advice or f"Take {given} away: it is meant for another client")
    if key in _CHOICES and value not in _CHOICES[key]:
        allowed = f"{given} may be {' or '.join(_CHOICES[key])}"
        raise PostgresUrlError(f"has {given}={value[:40]!r}, which can't be kept", f"{advice or 'Mend it'}; {allowed}")
    if key in _NUMBERS:
        smallest, largest = _NUMBERS[key]
        if not re.fullmatch(r"-?[0-9]{1,7}", value) or not smallest <= int(value) <= largest:
            fix = f"Write {given}= and a whole number from {smallest} to {largest}"
            raise PostgresUrlError(f"has a {given} that is no such number", fix)
    if key in ("pgbouncer", "prepared_statements"):
        return {"statement_cache_size": "0"} if (value in _TRUE) == (key == "pgbouncer") else {}
    if key not in _KNOWN and key != "search_path":
        near = difflib.get_close_matches(key, _KNOWN, n=1, cutoff=0.8)
        if near:
            raise PostgresUrlError(f"has {key[:40]!r}, which is no key of it", f"Did you mean {near[0]}?")
    return {key: value}


def check_keys(found: Mapping[str, str]) -> None:
    """Refuse what contradicts itself, and lists that do not match."""
    number = len(found.get("host", found.get("hostaddr", "")).split(","))
    for key in ("hostaddr", "port"):
        entries = found.get(key, "").split(",")
        if len(entries) not in (1, number):
            fix = f"Write one {key} for each host, or one for all of them"
            raise PostgresUrlError(f"has {number} hosts and {len(entries)} of {key}", fix)
        if key == "port" and not all(not port or _is_port(port) for port in entries):
            raise PostgresUrlError("has a host or a port that can't be read", "A port is a number from 1 to 65535")
    if "hostaddr" in found and "host" in found and found["hostaddr"].count(",") != found["host"].count(","):
        raise PostgresUrlError("has another number of hostaddr than of host", _INSTEAD["hostaddr"])
    mode = found.get("sslmode", "verify-full")
    if found.get("sslrootcert") == "system" and mode != "verify-full":
        fix = "Write sslmode=verify-full with it, or name the file of your own authority"
        raise PostgresUrlError(f"has sslrootcert=system with the weaker sslmode={mode}", fix)
    if found.get("sslnegotiation") == "direct" and SSL_MODES.index(found.get("sslmode", "prefer")) < 3:
        raise PostgresUrlError("has sslnegotiation=direct and does not insist on TLS", "Write sslmode=require, or more")


def _read_hosts(text: str) -> dict[str, str]:
    """Return `host` and `port` of the part of a URL before its path: `h1:5433,h2`, `[::1]:5432`, `%2Frun`."""
    hosts, ports = [], []
    for entry in text.split(","):
        match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*))(?::([^:]*))?", entry)
        if match is None or (match[3] and not _is_port(match[3])):
            fix = "Write host:port, with a comma between two; an IPv6 address is in brackets"
            raise PostgresUrlError("has a host or a port that can't be read", fix)
        hosts.append(_decoded(match[1] or match[2]))
        ports.append(match[3] or "")
    found = {}
    if any(hosts):
        found["host"] = ",".join(hosts)
    if any(ports):
        found["port"] = ",".join(ports)
    return found


def _is_port(text: str) -> bool:
    return bool(_PORT.fullmatch(text)) and 1 <= int(text) <= 65535


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text) or "%00" in text:
        raise PostgresUrlError("has a % that two hexadecimal digits do not follow", "Write %25 for the sign % itself")
    return unquote(text)


def server_settings(found: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the server is asked for: those that are no key of the client."""
    asked = {key: value for key, value in found.items() if key not in _KNOWN or key in ("options", "application_name")}
    return {"application_name": "letterhead", **asked}
