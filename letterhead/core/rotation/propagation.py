"""The propagation of a new DKIM key over the servers, and whether an old key is still there.

Where the keys are in the operator's own zone, a server has a key that has both: the customer's CNAME, and the key at
its target.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.dkim.key_record import parse_key_record
from letterhead.core.dns.answers import Answer, Found, Question, Seen, Unanswered, View, answering
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Txt
from letterhead.core.domain.evidence import RecordState
from letterhead.core.plan.plan import PlannedRecord, at_resolvers, rejecting_replies


class Propagation(msgspec.Struct, frozen=True, kw_only=True):
    """The servers without the new key, and those that did not answer; servers by name, resolvers by address."""

    missing_at: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    by_resolvers: bool = False

    @property
    def is_everywhere(self) -> bool:
        """Whether every server answered and has it."""
        return not self.missing_at and not self.unreachable


NOT_ASKED = ("nobody was asked",)


def joint_propagation(records: Sequence[PlannedRecord], seen: Seen) -> Propagation | None:
    """Return the propagation of all that the new key takes: its record, or the CNAME to our zone and the key there."""
    found = [propagation_of(record, seen) for record in records]
    if not found:
        return None
    by_resolvers = any(each.by_resolvers for each in found)
    first = next((each for each in found if not each.is_everywhere), found[0])  # what is behind it was not asked for
    return replace(first, by_resolvers=by_resolvers)


def propagation_of(record: PlannedRecord, seen: Seen) -> Propagation:
    """Return the propagation of one record: each server must answer from one address at least, and no resolver deny it.

    A resolver that has another value, or rejects its signatures, lacks the record: receivers ask such resolvers.
    """
    at_servers = follow_aliases(seen, Question(name=record.host, rdtype=record.rdtype, view=View.EVERY_SERVER))
    by_resolvers = bool(at_servers) and all(each.perspective.view is View.RECURSIVE for each in at_servers)
    conclusive: dict[str, list[Answer]] = {}
    for reply in at_servers:
        answers = conclusive.setdefault(reply.perspective.server, [])
        if not isinstance(reply.answer, Unanswered):
            answers.append(reply.answer)
    without = [server for server, answers in conclusive.items() if not all(_has(record, each) for each in answers)]
    denying = [each for each in answering(at_resolvers(record, seen)) if not _has(record, each.answer)]
    doubtful = [each.perspective.server for each in (*rejecting_replies(record, seen), *denying)]
    return Propagation(
        missing_at=tuple(dict.fromkeys([*without, *doubtful])),
        unreachable=tuple(server for server, answers in conclusive.items() if not answers) if conclusive else NOT_ASKED,
        by_resolvers=by_resolvers,
    )


def _has(record: PlannedRecord, answer: Answer) -> bool:
    return isinstance(answer, Found) and topic.accepts(record, answer.rrset.rdatas)


def old_record_state(host: str, seen: Seen) -> RecordState:
    """Return whether the record of an old key still has a key in it; an empty `p=` is revoked (RFC 6376 3.6.1)."""
    replies = answering(follow_aliases(seen, Question(name=host, rdtype="TXT", view=View.ONE_SERVER)))
    if not replies:
        return RecordState.UNANSWERED
    rdatas = [rdata for each in replies if isinstance(each.answer, Found) for rdata in each.answer.rrset.rdatas]
    records = [parse_key_record(rdata.text) for rdata in rdatas if isinstance(rdata, Txt)]
    has_key = any(record is not None and record.get("p") for record in records)
    return RecordState.PRESENT if has_key else RecordState.MISSING
