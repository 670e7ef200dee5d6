"""Changes of a zone as values: one for each planned record, and the RRsets to write for them."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from letterhead.core.dns.records import Address, Mx, Other, Rdata, RRset, Soa, Target, Txt
from letterhead.core.plan.plan import RecordId


class Action(StrEnum):
    """What is done about one planned record; only undoing deletes."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    REFUSE = "refuse"
    DELETE = "delete"


WRITTEN = (Action.CREATE, Action.CHANGE, Action.DELETE)


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One planned record: what stands at its name and type at the DNS host, what will stand there, and why.

    `after` is what the whole RRset will be; where nothing is changed it equals `before`. `code` is that of the finding
    for which it is refused, and `fix` what to do then.
    """

    id: RecordId
    owner: str
    rdtype: str
    action: Action
    before: RRset | None
    after: RRset | None
    reason: str
    code: str | None = None
    fix: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The name and type that it is about."""
        return self.owner, self.rdtype


class RRsetChange(msgspec.Struct, frozen=True, kw_only=True):
    """One RRset to write: None before where it is to be created, None after where it is to be deleted."""

    before: RRset | None
    after: RRset | None

    @property
    def rrset(self) -> RRset:
        """The RRset that is written or deleted, which has the owner and the type of both."""
        rrset = self.after or self.before
        assert rrset is not None  # noqa: S101 a change has at least one side
        return rrset


def rrset_changes(changes: Iterable[PlannedChange]) -> tuple[RRsetChange, ...]:
    """Return the RRsets to write for planned changes; none where all is kept or refused."""
    return tuple(RRsetChange(before=each.before, after=each.after) for each in changes if each.action in WRITTEN)


def is_same(one: RRset | None, other: RRset | None) -> bool:
    """Tell whether two RRsets say the same, or neither is there.

    What hosts change by themselves does not count: TTLs, the order of records, the case of host names, and where a text
    is split into strings.
    """
    if one is None or other is None:
        return one is other
    return one.key == other.key and contents(one) == contents(other)


def contents(rrset: RRset) -> frozenset[tuple[object, ...]]:
    """Return the records of an RRset, which is a set (RFC 2181 5), as values that are equal where they say the same."""
    return frozenset(_content(rdata) for rdata in rrset.rdatas)


def _content(rdata: Rdata) -> tuple[object, ...]:
    match rdata:
        case Txt():
            return ("text", rdata.text)
        case Mx():
            return ("mx", rdata.preference, rdata.exchange.lower().rstrip("."))
        case Target():
            return ("name", rdata.name.lower().rstrip("."))
        case Address():
            return ("address", rdata.ip.lower())
        case Soa():
            return ("soa", rdata.primary, rdata.serial, rdata.minimum)
        case Other():
            return ("other", " ".join(rdata.text.split()))
