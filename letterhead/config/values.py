"""The types of the settings' values, and the parser of each.

Each `read_…` takes text without spaces around it, and raises ValueError with the problem as the end of a sentence that
begins with the setting: "has no port". The problem never repeats the text, which may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from letterhead.core.accounts.accounts import parse_email
from letterhead.core.names.host_names import HOST_NAME, LABEL
from letterhead.core.secret import Secret
from letterhead.errors import Fault

Choice = TypeVar("Choice", bound=StrEnum)
DNS_PORT = 53
SOCKET_PATH_OCTETS = 107  # unix(7): sun_path, without its final zero

_ENDPOINT = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]*))(?::([^:]*))?")
_TOPIC = re.compile(r"arn:(?:aws|aws-cn|aws-us-gov):sns:[a-z]{2}(?:-[a-z]+)+-\d{1,2}:\d{12}:[A-Za-z0-9_-]{1,256}")
_RATE = re.compile(r"(\d{1,6})/s(?:\s+burst\s+(\d{1,6}))?")
_SPF_TERM = re.compile(r"(include|exists|a|mx|ip4|ip6):([\w.%{}/:-]+)", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Exposure(StrEnum):
    """Whether private DKIM keys are in responses to API keys that may read them."""

    FULL = "full"
    NEVER = "never"


class LogFormat(StrEnum):
    """The form of the logs: for a person at a terminal, or for a program."""

    CONSOLE = "console"
    JSON = "json"


class MxFailure(StrEnum):
    """What the provider does with mail while a MAIL FROM domain has no MX."""

    DEFAULT = "default"
    REJECT = "reject"


class HostPort(msgspec.Struct, frozen=True, order=True):
    """A host (a name, or an address without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SocketPath(msgspec.Struct, frozen=True):
    """The path of a Unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


class SqliteFile(msgspec.Struct, frozen=True):
    """The file of the embedded database."""

    path: Path


class PostgresServer(msgspec.Struct, frozen=True):
    """The URL of a Postgres database, `postgresql://…`, with its password."""

    url: Secret


class StartTls(StrEnum):
    """Whether a connection that begins in clear must use STARTTLS before any command."""

    REQUIRED = "required"
    NEVER = "never"


class SenderAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A sender: an address, and a display name."""

    address: str
    name: str = ""


class MxTarget(msgspec.Struct, frozen=True):
    """The target of an MX record; the host is in lower case without a final dot."""

    priority: int
    host: str


class RateLimit(msgspec.Struct, frozen=True):
    """A token bucket for each API key: requests per second, and at once."""

    per_second: int
    burst: int


def read_path(text: str) -> Path:
    """Parse a folder's path."""
    return Path(text)


def read_secret(text: str) -> Secret:
    """Return any text as a secret."""
    return Secret(text.encode())


def read_token(text: str) -> Secret:
    """Parse a token that is sent in a header and can't be guessed."""
    if len(text) < 24:
        raise ValueError(f"has {len(text)} characters, and at least 24 are needed")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("may hold only printable ASCII without spaces, since it travels in a header")
    return Secret(text.encode())


def read_truth(text: str) -> bool:
    """Parse a truth value: true, yes, on, 1, or their opposites."""
    if text.lower() not in _TRUTH:
        raise ValueError("is neither true nor false")
    return _TRUTH[text.lower()]


def number(smallest: int, largest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not smallest <= int(text) <= largest:
            raise ValueError(f"is not a whole number from {smallest} to {largest}")
        return int(text)

    return read


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of the values of an enumeration."""

    def read(text: str) -> Choice:
        try:
            return choices(text.lower())
        except ValueError:
            raise ValueError(f"is none of: {', '.join(choices)}") from None

    return read


def read_endpoint(text: str) -> HostPort:
    """Parse `host:port`; an IPv6 address is in brackets."""
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise ValueError("is not host:port, where an IPv6 address stands in brackets")
    bracketed, plain, port = match.groups()
    if bracketed is None and not plain:
        raise ValueError("has no host before the port")
    if port is None:
        raise ValueError("has no port, or no host" if text.isdigit() else "has no port")
    host = _address(bracketed) if bracketed is not None else plain.lower()
    if not HOST_NAME.fullmatch(host) and bracketed is None:
        raise ValueError("has a host that is neither a name nor an address")
    try:
        return HostPort(host, number(1, 65535)(port))
    except ValueError as error:
        raise ValueError(f"has a port that {error}") from None


def read_listener(text: str) -> HostPort | SocketPath:
    """Parse what a server listens on: `host:port`, or `unix:` and the absolute path of a socket."""
    if not text.startswith("unix:"):
        return read_endpoint(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("is not unix: with the absolute path of a socket behind it")
    if len(path.encode()) > SOCKET_PATH_OCTETS:
        raise ValueError(f"has a path of over {SOCKET_PATH_OCTETS} octets, which no Unix socket can have")
    return SocketPath(Path(path))


def read_mode(text: str) -> int:
    """Parse the mode of a file in octal digits: `660`."""
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError("is not a mode of three octal digits")
    return int(text, 8)


def read_resolvers(text: str) -> tuple[HostPort, ...]:
    """Parse resolvers' addresses, separated by commas, each with its port where that is not 53."""
    resolvers = []
    for part in split_list(text):
        if is_address(part):
            resolvers.append(HostPort(_address(part), DNS_PORT))
            continue
        endpoint = read_endpoint(part if re.search(r":[^\]:]*\Z", part) else f"{part}:{DNS_PORT}")
        if not is_address(endpoint.host):
            raise ValueError("must hold addresses: a resolver's name could only be looked up with a resolver")
        resolvers.append(endpoint)
    return tuple(resolvers)


def read_servers(text: str) -> tuple[HostPort, ...]:
    """Parse servers as `host:port`, separated by commas; an empty text is no servers."""
    return tuple(read_endpoint(part) for part in split_list(text)) if text else ()


def read_public_url(text: str) -> str:
    """Parse the URL that people and clients use; return it without a final slash."""
    url = parse_url(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("is not an http:// or https:// URL with a host")
    if url.username is not None or url.query or url.fragment:
        raise ValueError("may hold only scheme, host, port and path")
    # The default is BIND: an address to listen on everywhere is none to connect to, but the loopback address is.
    return text.rstrip("/").replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")


def read_database(text: str) -> SqliteFile | PostgresServer:
    """Parse `sqlite:///path` (four slashes before an absolute one) or `postgresql://…`."""
    if text.startswith("sqlite:///"):
        path = text.removeprefix("sqlite:///")
        if not path or path.endswith("/") or path.startswith(":memory:"):
            raise ValueError("names no file; a database in memory would be lost")
        return SqliteFile(Path(path))
    if text.startswith(("postgresql://", "postgres://")):
        return read_postgres(text)
    raise ValueError("begins neither with sqlite:/// nor with postgresql://")


def read_postgres(text: str) -> PostgresServer:
    """Parse `postgresql://…`; the keys after the ? are read where the database is opened."""
    if text.startswith(("postgresql://", "postgres://")):
        authority = re.split("[/?]", text.partition("://")[2], maxsplit=1)[0]
        for host in authority.rpartition("@")[2].split(","):
            parse_url(f"postgresql://{host}")
        return PostgresServer(Secret(("postgresql://" + text.partition("://")[2]).encode()))
    raise ValueError("does not begin with postgresql://")


def read_mailbox(text: str) -> SenderAddress:
    """Parse `dns@example.com` or `Name <dns@example.com>`."""
    match = re.fullmatch(r"(?:([^<>\"\\]*)<([^<>]*)>|([^<>]*))", text)
    if match is None or not text.isprintable():
        raise ValueError("is neither an address nor Name <address>")
    address = match[2] if match[3] is None else match[3]
    try:
        return SenderAddress(address=parse_email(address), name=(match[1] or "").strip())
    except Fault:
        raise ValueError("has no address of the form name@host") from None


def read_mx(text: str) -> MxTarget:
    """Parse an MX as `host` or `priority host`."""
    priority, _, host = text.rpartition(" ")
    name = read_host(host)
    if "." not in name:
        raise ValueError("has a host of one label, which no other server can look up")
    if is_address(name):
        raise ValueError("names an address, and an MX must name a host (RFC 1035 3.3.9)")
    return MxTarget(number(0, 65535)(priority.strip() or "10"), name)


def read_spf(text: str) -> str:
    """Parse the SPF terms that authorise the operator's servers, without version and `all`."""
    terms = text.split()
    if "v=spf1" in terms or any(term.lstrip("+-~?") == "all" for term in terms):
        raise ValueError("may hold neither v=spf1 nor all: these are put around it")
    for term in terms:
        match = _SPF_TERM.fullmatch(term)
        if match is None:
            raise ValueError("has a term other than include:, a:, mx:, exists:, ip4: or ip6: with its value")
        network = {"ip4": ipaddress.IPv4Network, "ip6": ipaddress.IPv6Network}.get(match[1].lower())
        try:
            if network is not None:
                network(match[2], strict=False)
        except ValueError:
            raise ValueError(f"has an {match[1]}: term without an IPv{match[1][2]} address") from None
    return " ".join(terms)


def read_region(text: str) -> str:
    """Parse the name of an AWS region."""
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}", text):
        raise ValueError("is not the name of an AWS region")
    return text


def read_label(text: str) -> str:
    """Parse one label of a name."""
    if not re.fullmatch(LABEL, text.lower()):
        raise ValueError("is not one label of letters, digits and hyphens")
    return text.lower()


def read_host(text: str) -> str:
    """Parse a host name; return it in lower case without a final dot."""
    name = text.lower().removesuffix(".")
    if not HOST_NAME.fullmatch(name):
        raise ValueError("holds a name that is not of letters, digits, hyphens and dots (write others as xn--…)")
    return name


def read_hosts(text: str) -> tuple[str, ...]:
    """Parse host names, separated by commas; an empty text is no names."""
    return tuple(read_host(part) for part in split_list(text)) if text else ()


def read_topics(text: str) -> tuple[str, ...]:
    """Parse ARNs of Amazon SNS topics, separated by commas; an empty text is no topics."""
    topics = tuple(split_list(text)) if text else ()
    if not all(_TOPIC.fullmatch(topic) for topic in topics):
        raise ValueError("holds something other than ARNs like arn:aws:sns:eu-west-1:123456789012:letterhead")
    return topics


def read_rate(text: str) -> RateLimit:
    """Parse `50/s burst 100`; without a burst it is twice the rate."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("is not written as requests per second and burst")
    rate = int(match[1])
    burst = int(match[2]) if match[2] else 2 * rate
    if not 1 <= rate <= burst:
        raise ValueError("needs a rate of at least 1, and a burst that is no smaller than the rate")
    return RateLimit(rate, burst)


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def without_password(text: str) -> str:
    """Mask the password in a URL, before the host or among its parameters."""
    # Greedy up to the last @, since a password may hold any character unescaped; and with the slashes mistyped too.
    masked = re.sub(r"(:/*[^/?#:@]*):.*@", r"\1:***@", text)
    return re.sub(r"(?i)(\w*password\s*=\s*)[^&\s]*", r"\1***", masked)


def split_list(text: str) -> list[str]:
    """Split a list at its commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError("has nothing between two commas, or a comma at an end")
    return parts


def parse_url(text: str) -> SplitResult:
    """Split a URL; raise ValueError with what is wrong with it."""
    try:
        url = urlsplit(text)
        _ = url.port  # read only when asked for, and then it raises
    except ValueError:
        raise ValueError("has a host or a port that can't be read") from None
    return url


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("has no address between its brackets") from None
