"""Accounts, API keys and their scopes, and the session of a person who has signed in."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.accounts.quotas import Limits
from letterhead.core.names.host_names import LABELS
from letterhead.errors import Fault, Kind

EMAIL_LIMIT = 254  # RFC 5321 4.5.3.1.3, without the angle brackets
# RFC 5321 4.1.2: Dot-string and Domain. Quoted strings are left out: nobody means them, and they may hold anything.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{LABELS}", re.ASCII | re.IGNORECASE)


class Scope(StrEnum):
    """The rights of an API key."""

    FULL = "full"  # all, private keys and other API keys too
    WRITE = "write"
    READ = "read"


_RANK = {Scope.READ: 0, Scope.WRITE: 1, Scope.FULL: 2}


def allows(held: Scope, needed: Scope) -> bool:
    """Tell whether a key of one scope may do what needs another."""
    return _RANK[held] >= _RANK[needed]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account; `email` is where its reminders go, unless `reminders` is false.

    `covers_subdomains` is whether its new domains cover the names below them; None: as the installation says.
    """

    id: str
    name: str
    email: str
    limits: Limits
    created_at: datetime
    reminders: bool = True
    covers_subdomains: bool | None = None


def parse_email(text: str) -> str:
    """Parse an address that mail can go to and that can't break a header; raise Fault(parameter-invalid)."""
    if len(text) <= EMAIL_LIMIT and _EMAIL.fullmatch(text):
        return text
    raise Fault(
        Kind.PARAMETER_INVALID,
        f"{text[:80]!r} is no e-mail address that we can write to.",
        "Write it as name@host in plain ASCII, without quotes or spaces; a host in another script as xn--….",
    )


# RFC 6761, RFC 6762 and what machines call themselves: no mail server of the Internet takes mail for these.
_UNREACHABLE = frozenset({"localhost", "localdomain", "local", "invalid", "internal"})


def is_reachable_address(email: str) -> bool:
    """Tell whether mail to an address can reach anybody: not where its host is this machine, or no public name."""
    labels = email.rpartition("@")[2].lower().rstrip(".").split(".")
    return len(labels) > 1 and labels[-1] not in _UNREACHABLE


def is_reachable_url(url: str) -> bool:
    """Tell whether another machine can open a URL: not where its host is the loopback interface."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return bool(host) and not host.endswith("localhost") and not host.startswith("127.") and host != "::1"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One API key without its secret; `masked` is what a person recognises it by.

    With a `binding` it is held to some domains of the account, with `networks` (CIDR) to where it comes from.
    """

    id: str
    account_id: str
    name: str
    key_type: str  # "secret" or "public", as the clients say
    scope: Scope
    masked: str
    environment_id: str | None = None
    created_at: datetime
    last_used_at: datetime | None = None
    ends_at: datetime | None = None
    binding: DomainBinding | None = None
    networks: tuple[str, ...] = ()


def is_last_full_key(keys: Iterable[ApiKey], key_id: str) -> bool:
    """Tell whether a key alone has the scope full without an end: after it nobody could make another one."""
    full = [key.id for key in keys if key.scope is Scope.FULL and key.ends_at is None and key.binding is None]
    return full == [key_id]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The sender of a request: the account behind a valid key, and what it may use.

    None as `binding` is the whole account, no `networks` are all addresses.
    """

    account_id: str
    key_id: str
    scope: Scope
    limits: Limits
    ends_at: datetime | None = None
    binding: DomainBinding | None = None
    networks: tuple[str, ...] = ()

    @property
    def may_manage(self) -> bool:
        """Return whether the whole account is open to it: other keys, and everybody's sessions."""
        return self.scope is Scope.FULL and self.binding is None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A person's sign-in at the pages: as the owner of an API key, or as the operator where `caller` is None.

    `mark` ties an operator's session to the token, or the operators' group, it was made with. Where an OpenID Connect
    provider signed the person in, it is their name there, in place of a key's id; `person` is that name for an
    operator, and `member_id` their membership in the account, where they have one.
    """

    caller: Caller | None = None
    mark: bytes = b""
    member_id: str | None = None
    person: str | None = None
    created_at: datetime
    ends_at: datetime


def is_active(session: Session, now: datetime) -> bool:
    """Tell whether a session is valid: it ends by itself, and with the key that it was opened with."""
    key_ends = session.caller.ends_at if session.caller else None
    return now < session.ends_at and (key_ends is None or now < key_ends)
