"""Questions to DNS and their answers, as values. A timeout is a value too, so that nobody takes it for "missing".

A `Question` gets one or more `Reply`s, each an `Answer` with the `Perspective` it was seen from. All replies of one
check are a `Snapshot`, which is stored with the check, so that each past verdict can be judged again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from letterhead.core.dns.records import RRset


class View(StrEnum):
    """Which servers to ask."""

    RECURSIVE = "recursive"  # every configured recursive resolver
    EVERY_SERVER = "every-server"  # every authoritative server of the zone that holds the name
    TWO_SERVERS = "two-servers"  # two of them, and two more where these differ
    ONE_SERVER = "one-server"  # the first of them that answers: for what is only a hint
    ONE_RESOLVER = "one-resolver"  # the first resolver that answers: for advice, such as the walk of an SPF tree
    DELEGATION = "delegation"  # those from the root down: which zone holds the name, which servers serve it


class Question(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A question for the records of one type at one name (lower-case A-labels, no final dot)."""

    name: str
    rdtype: str
    view: View


class Why(StrEnum):
    """Why there is no answer; none of these says anything about the record."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # the network refused: no route, port closed
    SERVER_FAILURE = "server-failure"  # SERVFAIL
    REFUSED = "refused"  # REFUSED, NOTAUTH, NOTIMP, FORMERR
    LAME = "lame"  # answered without authority for the zone
    BOGUS = "bogus"  # a validating resolver rejected the signatures
    TCP_BLOCKED = "tcp-blocked"  # truncated over UDP, nothing over TCP
    TOO_LARGE = "too-large"  # more strings or names than we read (docs/threat-model.md: hostile DNS answers)
    MALFORMED = "malformed"  # unreadable, wrong id, wrong question
    CNAME_LOOP = "cname-loop"  # a loop, or more than 8 steps
    NO_SERVERS = "no-servers"  # no delegation, or no address for any of its servers
    PRIVATE_SERVERS = "private-servers"  # addresses that are not public, in no network that we may ask
    NOT_HELD = "not-held"  # the zone text that is read instead of the network does not hold the name's zone
    UNREADABLE = "unreadable"  # a line of the zone text that may hold the record can't be read
    NOT_ASKED = "not-asked"  # the check's own limits of packets or time were used up


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found"):
    """The records found; `aliases` are the CNAME targets that led to them.

    `authentic` is the AD bit of a resolver, here and below: it has validated the answer (RFC 4035 3.2.3).
    """

    rrset: RRset
    aliases: tuple[str, ...] = ()
    authentic: bool = False


class Aliased(msgspec.Struct, frozen=True, kw_only=True, tag="aliased"):
    """A CNAME at the name, at whose end, `target`, this server has nothing of the asked type.

    `dangling` is true where the server has authority for the target; otherwise the target's own servers must be asked.
    `hides` is true where the zone's text has a record of the asked type at the same name as the CNAME.
    """

    target: str
    aliases: tuple[str, ...]
    ttl: int
    dangling: bool = False
    hides: bool = False
    authentic: bool = False


class NoData(msgspec.Struct, frozen=True, kw_only=True, tag="no-data"):
    """The name exists without the asked type; caches keep that for `negative_ttl` seconds (RFC 2308 5)."""

    negative_ttl: int
    authentic: bool = False


class NxDomain(msgspec.Struct, frozen=True, kw_only=True, tag="nx-domain"):
    """The name, and all below it, does not exist; caches keep that for `negative_ttl` seconds (RFC 2308 5)."""

    negative_ttl: int
    zone: str | None = None
    authentic: bool = False


class Unanswered(msgspec.Struct, frozen=True, kw_only=True, tag="unanswered"):
    """No answer, and why; `detail` is for a person (with the extended error of RFC 8914)."""

    why: Why
    detail: str = ""


class Nameserver(msgspec.Struct, frozen=True, kw_only=True):
    """One server of a delegation with the addresses found for it."""

    name: str
    addresses: tuple[str, ...]


class Delegated(msgspec.Struct, frozen=True, kw_only=True, tag="delegated"):
    """The zone that holds the name, and the servers of that zone; `negative_ttl` from its SOA, in seconds."""

    zone: str
    servers: tuple[Nameserver, ...]
    negative_ttl: int
    parent_servers: tuple[str, ...] = ()  # the parent's own list, where it was asked


Answer = Found | Aliased | NoData | NxDomain | Unanswered | Delegated


DELEGATION_LOOKUP = "delegation"  # in place of a server's name: the lookup of the zone's servers failed


class Perspective(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered: `server` is a nameserver's name or a resolver's address, `zone` what it has authority for."""

    view: View
    server: str
    address: str = ""
    zone: str | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer and who gave it."""

    perspective: Perspective
    answer: Answer


Seen = Mapping[Question, tuple[Reply, ...]]


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One question with its replies."""

    question: Question
    replies: tuple[Reply, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All replies that one check got, and when."""

    taken_at: datetime
    exchanges: tuple[Exchange, ...]

    def seen(self) -> dict[Question, tuple[Reply, ...]]:
        """Return the exchanges as the mapping that the topics judge."""
        return {exchange.question: exchange.replies for exchange in self.exchanges}


def snapshot_of(seen: Seen, taken_at: datetime) -> Snapshot:
    """Return a snapshot of all replies, sorted by question."""
    exchanges = (Exchange(question=question, replies=seen[question]) for question in sorted(seen))
    return Snapshot(taken_at=taken_at, exchanges=tuple(exchanges))


def answering(replies: Iterable[Reply]) -> list[Reply]:
    """Return the replies that say something about the record."""
    return [reply for reply in replies if not isinstance(reply.answer, Unanswered)]


def fingerprint(answer: Answer) -> bytes | None:
    """Return octets that are equal for answers that say the same; None where there was no answer.

    What counts: the kind of answer, the type and RDATA of the records (with the strings of a TXT as they are split),
    the CNAMEs followed, in order, and their target, the AD bit, and the zone that denies a name or holds it.
    What does not count: TTLs, which run down in caches; the order of records and how often a record comes, since an
    RRset is a set (RFC 2181 5); the owner name, which follows from the question and the CNAMEs, so that what a wildcard
    synthesises has one fingerprint at all names (RFC 4592 2.1); and who gave the answer.
    """
    match answer:
        case Unanswered():
            return None
        case Found(rrset=rrset):
            rdatas = tuple(sorted(set(rrset.rdatas), key=msgspec.json.encode))
            return msgspec.json.encode(replace(answer, rrset=replace(rrset, owner="", ttl=0, rdatas=rdatas)))
        case Aliased():
            return msgspec.json.encode(replace(answer, ttl=0))
        case Delegated():
            servers = tuple(sorted(answer.servers, key=msgspec.json.encode))
            return msgspec.json.encode(replace(answer, negative_ttl=0, servers=servers))
        case NoData() | NxDomain():
            return msgspec.json.encode(replace(answer, negative_ttl=0))
