"""How far the set-up of a domain is: which of its records are published, what that allows, and what is left.

Every face counts by this one function and has its words from here, so that none calls done what another one waits for.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, EventKind, Transition, is_wholly_verified
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.lifecycle import may_send
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.plan.plan import Plan, PlannedRecord, RecordId, Verdict


class Purpose(StrEnum):
    """What a planned record is for."""

    SIGN = "sign"
    BOUNCE = "bounce"
    POLICY = "policy"


_PURPOSES: Final = {
    RecordId.DKIM: Purpose.SIGN,
    RecordId.DKIM_NEXT: Purpose.SIGN,
    RecordId.DKIM_ED25519: Purpose.SIGN,
    RecordId.DKIM_ED25519_NEXT: Purpose.SIGN,
    RecordId.MAIL_FROM_MX: Purpose.BOUNCE,
    RecordId.MAIL_FROM_SPF: Purpose.BOUNCE,
    RecordId.DMARC: Purpose.POLICY,
}


# A record as the sentence names it; of the two for bounces, each is named by what it shares with the other.
_BOUNCE: Final = "the bounce records"
_BOUNCE_RECORDS: Final = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)
_NAMES: Final = {
    RecordId.DKIM: "the signing key",
    RecordId.DKIM_NEXT: "the next signing key",
    RecordId.DKIM_ED25519: "the Ed25519 key",
    RecordId.DKIM_ED25519_NEXT: "the next Ed25519 key",
    RecordId.MAIL_FROM_MX: "the MX record for bounces",
    RecordId.MAIL_FROM_SPF: "the SPF record for bounces",
}
# By whether they were there before, and whether it is one.
_CLAUSES: Final = {
    (True, True): "{names} is missing",
    (True, False): "{names} are missing",
    (False, True): "{names} is left",
    (False, False): "{names} are left",
}
_DMARC_CLAUSES: Final = {True: "DMARC is recommended and missing", False: "DMARC is recommended and left"}
TEXTS: Final = (_BOUNCE, *_NAMES.values(), *_CLAUSES.values(), *_DMARC_CLAUSES.values())  # to translate

_STATE_EVENTS: Final = frozenset(
    (
        EventKind.DOMAIN_VERIFIED,
        EventKind.DOMAIN_AT_RISK,
        EventKind.DOMAIN_RESTORED,
        EventKind.DOMAIN_LOST,
        EventKind.DOMAIN_FAILED,
    )
)


class Step(StrEnum):
    """The step of the set-up: nothing can be sent, mail can be sent and something is left, all is done."""

    WAITING = "waiting"
    READY = "ready"
    DONE = "done"


class PurposeProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the records for one purpose are published."""

    purpose: Purpose
    published: int
    planned: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The planned records that are published and those that are left, each as last found; `step` follows from them.

    `sentence` says the same for a person, without a final stop: "3 of 4 published: you can send now; …".
    """

    step: Step
    published: tuple[PlannedRecord, ...]
    left: tuple[PlannedRecord, ...]
    sentence: str

    @property
    def planned(self) -> int:
        """Return the number of planned records."""
        return len(self.published) + len(self.left)

    @property
    def purposes(self) -> tuple[PurposeProgress, ...]:
        """Return the count for each purpose that the plan has records for."""
        there = [_PURPOSES[record.id] for record in self.published]
        planned = there + [_PURPOSES[record.id] for record in self.left]
        return tuple(
            PurposeProgress(purpose=each, published=there.count(each), planned=planned.count(each))
            for each in Purpose
            if each in planned
        )

    @property
    def purposes_left(self) -> tuple[Purpose, ...]:
        """Return the purposes for which a record is left."""
        return tuple(dict.fromkeys(purpose_of(record.id) for record in self.left))


def purpose_of(record_id: RecordId) -> Purpose:
    """Return what a planned record is for."""
    return _PURPOSES[record_id]


def is_required(record: PlannedRecord) -> bool:
    """Tell whether nothing can be sent without the record, as `required` says in the API: the key that signs, alone."""
    return record.id is RecordId.DKIM


def progress(domain: Domain, plan: Plan, now: datetime, language: Language = ENGLISH) -> Progress:
    """Return the progress of a domain by the last conclusive verdict on each of its planned records."""
    verdicts = dict(domain.verdicts)
    published = tuple(each for each in plan.records if verdicts.get(each.id) is Verdict.PRESENT)
    left = tuple(each for each in plan.records if verdicts.get(each.id) is not Verdict.PRESENT)
    problems = sum(each.raised_at is not None for each in domain.raised)
    step = Step.READY if may_send(domain, now) else Step.WAITING
    if is_wholly_verified(domain) and not left and not problems:
        step = Step.DONE
    clauses = [_sending_clause(domain, step, language), *_waiting_clauses(domain, left, language)]
    if problems:
        clauses.append(language.count("{number} problem is to be fixed", "{number} problems are to be fixed", problems))
    sentence = language.text(
        "{published} of {planned} published: {clauses}",
        published=len(published),
        planned=len(plan.records),
        clauses="; ".join(clauses),
    )
    return Progress(step=step, published=published, left=left, sentence=sentence)


def add_progress(transition: Transition, plan: Plan, now: datetime) -> Transition:
    """Add to each event of the domain's state how far its set-up is, so that none sounds like more than happened."""
    if not any(each.kind in _STATE_EVENTS for each in transition.events):
        return transition  # nearly every check: the sentence is for nobody
    sentence = progress(transition.domain, plan, now).sentence
    events = (
        replace(each, detail=f"{each.detail}; {sentence}") if each.kind in _STATE_EVENTS else each
        for each in transition.events
    )
    return replace(transition, events=tuple(events))


def _sending_clause(domain: Domain, step: Step, language: Language) -> str:
    stops, state = domain.dkim.stops_sending_at, domain.dkim.state
    if step is Step.DONE:
        return language.text("you can send, and nothing is left")
    if step is Step.READY:
        if state is HealthState.AT_RISK and stops is not None:
            until = f"{stops:%Y-%m-%d %H:%M}"
            return language.text("you can send until {time} UTC", time=until)
        return language.text("you can send now")
    if state is HealthState.DRAFT:
        return language.text("verification is not started")
    return language.text("you can't send yet") if state is HealthState.PENDING else language.text("you can't send")


def _waiting_clauses(domain: Domain, left: Sequence[PlannedRecord], language: Language) -> list[str]:
    """Say what is to be published, what is to come back since it was there before, and what is not confirmed yet."""
    clauses = []
    for is_gone in (True, False):
        group = [each.id for each in left if (each.id in domain.published) is is_gone]
        names = [_NAMES[each] for each in group if _PURPOSES[each] is Purpose.SIGN]
        both = all(each in group for each in _BOUNCE_RECORDS)
        names += [_BOUNCE] if both else [_NAMES[each] for each in group if each in _BOUNCE_RECORDS]
        if names:
            listed = language.formats.listing([language.text(each) for each in names])
            is_one = len(names) == 1 and names != [_BOUNCE]
            clauses.append(language.text(_CLAUSES[is_gone, is_one], names=listed))
        if RecordId.DMARC in group:
            clauses.append(language.text(_DMARC_CLAUSES[is_gone]))
    # What is published may wait for the provider, or for another account's claim to the name to end.
    lacking, unconfirmed = {each.id for each in left}, (HealthState.PENDING, HealthState.FAILED)
    if RecordId.DKIM not in lacking and domain.dkim.state in unconfirmed:
        clauses.append(language.text("the signing key is not confirmed yet"))
    bounce = domain.mail_from_health
    if lacking.isdisjoint(_BOUNCE_RECORDS) and bounce is not None and bounce.state in unconfirmed:
        clauses.append(language.text("the bounce records are not confirmed yet"))
    return clauses
