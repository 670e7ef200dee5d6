"""Knows where a new DKIM key was seen and where not, and whether an old one is still there; knows no steps.

Where the keys lie in the operator's own zone a key is seen where both are: the customer's alias, and the key behind it.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.dkim.key_record import parse_key_record
from letterhead.core.dns.answers import Answer, Found, Question, Reply, Seen, Unanswered, View, answering
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Txt
from letterhead.core.domain.evidence import RecordState
from letterhead.core.plan.plan import PlannedRecord, at_resolvers, rejecting_replies


class Propagation(msgspec.Struct, frozen=True, kw_only=True):
    """Says where one look found the new key missing, and who did not answer; servers by name, resolvers by address."""

    missing_at: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    by_resolvers: bool = False

    @property
    def is_everywhere(self) -> bool:
        """Says whether everybody answered and has it."""
        return not self.missing_at and not self.unreachable


NOBODY = ("nobody was asked",)


def joint_propagation(records: Sequence[PlannedRecord], seen: Seen) -> Propagation | None:
    """Says who serves all that the new key takes: its record, or the alias to our zone and then the key there."""
    each = [propagation_of(record, seen) for record in records]
    if not each:
        return None
    by_resolvers = any(spread.by_resolvers for spread in each)
    first = next(
        (spread for spread in each if not spread.is_everywhere), each[0]
    )  # what is behind it was not asked for
    return replace(first, by_resolvers=by_resolvers)


def propagation_of(record: PlannedRecord, seen: Seen) -> Propagation:
    """Says who serves the new key: each server by at least one of its addresses, and no resolver denies it.

    What resolvers hold otherwise, or reject for its signatures, counts as lacking: receivers ask the like of them.
    """
    at_servers = follow_aliases(seen, Question(name=record.host, rdtype=record.rdtype, view=View.EVERY_SERVER))
    by_resolvers = bool(at_servers) and all(each.perspective.view is View.RECURSIVE for each in at_servers)
    told: dict[str, list[Answer]] = {}
    for reply in at_servers:
        told.setdefault(reply.perspective.server, []).append(reply.answer)
    conclusive = {server: [each for each in said if not isinstance(each, Unanswered)] for server, said in told.items()}
    without = [server for server, said in conclusive.items() if not all(_holds(record, each) for each in said)]
    doubtful = [
        *rejecting_replies(record, seen),
        *(each for each in answering(at_resolvers(record, seen)) if not _has(record, each)),
    ]
    return Propagation(
        missing_at=tuple(dict.fromkeys([*without, *(each.perspective.server for each in doubtful)])),
        unreachable=tuple(server for server, said in conclusive.items() if not said) if told else NOBODY,
        by_resolvers=by_resolvers,
    )


def _has(record: PlannedRecord, reply: Reply) -> bool:
    return _holds(record, reply.answer)


def _holds(record: PlannedRecord, answer: Answer) -> bool:
    return isinstance(answer, Found) and topic.accepts(record, answer.rrset.rdatas)


def old_record_state(host: str, seen: Seen) -> RecordState:
    """Says whether the record of an old key that was asked for still holds one."""
    told = answering(follow_aliases(seen, Question(name=host, rdtype="TXT", view=View.ONE_SERVER)))
    if not told:
        return RecordState.UNANSWERED
    return RecordState.PRESENT if any(_live(reply.answer) for reply in told) else RecordState.MISSING


def _live(answer: Answer) -> bool:
    """Says whether an answer holds a key; an empty `p=` is a revoked one (RFC 6376 3.6.1)."""
    texts = [each.text for each in answer.rrset.rdatas if isinstance(each, Txt)] if isinstance(answer, Found) else []
    return any((record := parse_key_record(text)) is not None and bool(record.get("p")) for text in texts)
