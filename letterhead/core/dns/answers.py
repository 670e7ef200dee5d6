"""Knows what can be asked of DNS and what can come back, as values. A timeout is a value too: never "missing".

`Question` → one or more `Reply`s, each an `Answer` with the `Perspective` it was seen from. All that one check
saw is a `Snapshot`: stored with the check, so that each past verdict can be judged again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from letterhead.core.dns.records import RRset


class View(StrEnum):
    """Says whom to ask."""

    RECURSIVE = "recursive"  # every configured recursive resolver
    EVERY_SERVER = "every-server"  # every authoritative server of the zone that holds the name
    TWO_SERVERS = "two-servers"  # two of them, and two more where these differ
    ONE_SERVER = "one-server"  # the first of them that answers: for what is only a hint
    ONE_RESOLVER = "one-resolver"  # the first resolver that answers: for advice, such as the walk of an SPF tree
    DELEGATION = "delegation"  # nobody but the way down: which zone holds the name, which servers serve it


class Question(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Asks for the records of one type at one name (lower-case A-labels, no final dot)."""

    name: str
    rdtype: str
    view: View


class Why(StrEnum):
    """Says why there is no answer; none of these says anything about the record."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # the network refused: no route, port closed
    SERVER_FAILURE = "server-failure"  # SERVFAIL
    REFUSED = "refused"  # REFUSED, NOTAUTH, NOTIMP, FORMERR
    LAME = "lame"  # answered without authority for the zone
    BOGUS = "bogus"  # a validating resolver rejected the signatures
    TCP_BLOCKED = "tcp-blocked"  # truncated over UDP, nothing over TCP
    TOO_LARGE = "too-large"  # more than 16 KB or 64 records (docs/threat-model.md: hostile DNS answers)
    MALFORMED = "malformed"  # unreadable, wrong id, wrong question
    CNAME_LOOP = "cname-loop"  # a loop, or more than 8 steps
    NO_SERVERS = "no-servers"  # no delegation, or no address for any of its servers
    NOT_HELD = "not-held"  # the zone text that is read instead of the network does not hold the name's zone
    NOT_ASKED = "not-asked"  # the check's own limits of packets or time were used up


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found"):
    """Holds the records found; `aliases` are the CNAME targets followed to them; `authentic` is the AD bit."""

    rrset: RRset
    aliases: tuple[str, ...] = ()
    authentic: bool = False


class Aliased(msgspec.Struct, frozen=True, kw_only=True, tag="aliased"):
    """Says that the name is a CNAME and that this server holds nothing of the asked type at its end, `target`.

    `dangling` says whether the server with authority said so itself; otherwise the target lies elsewhere, to be asked.
    `hides` says that a record of the asked type stands beside the alias, as only a zone's text can tell.
    """

    target: str
    aliases: tuple[str, ...]
    ttl: int
    dangling: bool = False
    hides: bool = False


class NoData(msgspec.Struct, frozen=True, kw_only=True, tag="no-data"):
    """Says that the name exists without the asked type; remembered for `negative_ttl` seconds (RFC 2308 5)."""

    negative_ttl: int


class NxDomain(msgspec.Struct, frozen=True, kw_only=True, tag="nx-domain"):
    """Says that the name, and all below it, does not exist; remembered for `negative_ttl` seconds."""

    negative_ttl: int
    zone: str | None = None


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, tag="unanswered"):
    """Says that nothing was learnt, and why; `detail` is for a person (with the extended error of RFC 8914)."""

    why: Why
    detail: str = ""


class Nameserver(msgspec.Struct, frozen=True, kw_only=True):
    """Names one server of a delegation with the addresses found for it."""

    name: str
    addresses: tuple[str, ...]


class Delegated(msgspec.Struct, frozen=True, kw_only=True, tag="delegated"):
    """Says which zone holds the name and who serves it; `negative_ttl` from its SOA, in seconds."""

    zone: str
    servers: tuple[Nameserver, ...]
    negative_ttl: int
    parent_servers: tuple[str, ...] = ()  # the parent's own list, where it was asked


Answer = Found | Aliased | NoData | NxDomain | Unanswered | Delegated


THE_WAY = "delegation"  # instead of a server: our resolvers did not tell which servers there are


class Perspective(msgspec.Struct, frozen=True, kw_only=True):
    """Names who said it: `server` is a nameserver's name or a resolver's address, `zone` what it has authority for."""

    view: View
    server: str
    address: str = ""
    zone: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one answer as seen from one place."""

    perspective: Perspective
    answer: Answer


Seen = Mapping[Question, tuple[Reply, ...]]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one question with its replies."""

    question: Question
    replies: tuple[Reply, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Holds all that one check saw, and when."""

    taken_at: datetime
    exchanges: tuple[Exchange, ...]

    def seen(self) -> dict[Question, tuple[Reply, ...]]:
        """Gives the exchanges as the mapping that the topics judge."""
        return {exchange.question: exchange.replies for exchange in self.exchanges}


def snapshot_of(seen: Seen, taken_at: datetime) -> Snapshot:
    """Freezes what was seen, in a stable order."""
    exchanges = (Exchange(question=question, replies=seen[question]) for question in sorted(seen))
    return Snapshot(taken_at=taken_at, exchanges=tuple(exchanges))


def answering(replies: Iterable[Reply]) -> list[Reply]:
    """Keeps the replies that say something about the record."""
    return [reply for reply in replies if not isinstance(reply.answer, Unanswered)]
