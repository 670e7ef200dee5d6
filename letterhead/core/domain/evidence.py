"""Knows what one check can learn of a domain, from DNS and from the provider. Knows no states: lifecycle.py judges."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, assert_never

import msgspec

from letterhead.core.domain.provider_identity import Identity, IdentityReport, IdentityUnknown, Presence, ProviderStatus
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict

DKIM_RECORDS: Final = frozenset({RecordId.DKIM})
MAIL_FROM_RECORDS: Final = frozenset({RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF})


class RecordState(StrEnum):
    """Says what one check saw of one watched thing; "divided" is neither for nor against, "unanswered" is nothing."""

    PRESENT = "present"
    MISSING = "missing"
    DIVIDED = "divided"
    UNANSWERED = "unanswered"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check learnt; `mail_from` and `provider` are None where these were not asked."""

    dkim: RecordState
    mail_from: RecordState | None = None
    provider: IdentityReport | None = None
    is_held_elsewhere: bool = False


def record_state(standings: Iterable[RecordResult]) -> RecordState:
    """Sums up the planned records of one watched thing: present if all are, missing if any is by agreement."""
    sights = {_sight(standing) for standing in standings}
    for sight in (RecordState.MISSING, RecordState.DIVIDED, RecordState.UNANSWERED, RecordState.PRESENT):
        if sight in sights:
            return sight
    return RecordState.UNANSWERED


def _sight(standing: RecordResult) -> RecordState:
    match standing.verdict:
        case Verdict.UNANSWERED:
            return RecordState.UNANSWERED
        case Verdict.PRESENT:
            return RecordState.PRESENT if standing.agreed else RecordState.DIVIDED
        case Verdict.WRONG | Verdict.ABSENT:
            return RecordState.MISSING if standing.agreed else RecordState.DIVIDED
        case _:
            assert_never(standing.verdict)


class ProviderOpinion(StrEnum):
    """Reduces the provider's word to what matters for one watched thing."""

    NOTHING = "nothing"  # not asked, not reached, or in trouble of its own
    WORKING = "working"
    AGREES = "agrees"
    OTHERWISE = "otherwise"  # busy or content with another key or another MAIL FROM domain than ours
    MISSING = "missing"
    GAVE_UP = "gave-up"
    REFUSED = "refused"
    FOREIGN = "foreign"


LOST: Final = frozenset(
    {ProviderOpinion.MISSING, ProviderOpinion.GAVE_UP, ProviderOpinion.REFUSED, ProviderOpinion.FOREIGN}
)


def opinion_on_key(provider: IdentityReport | None, selector: str) -> ProviderOpinion:
    """Reads what the provider says of the key at `selector`."""
    match provider:
        case None | IdentityUnknown():
            return ProviderOpinion.NOTHING
        case Identity():
            return _says(provider.presence, provider.dkim, provider.selector in (None, selector))


def opinion_on_mail_from(provider: IdentityReport | None, name: str | None) -> ProviderOpinion:
    """Reads what the provider says of the MAIL FROM domain `name`."""
    match provider:
        case None | IdentityUnknown():
            return ProviderOpinion.NOTHING
        case Identity():
            return _says(provider.presence, provider.mail_from, provider.mail_from_name in (None, name))


def _says(presence: Presence, word: ProviderStatus, as_wished: bool) -> ProviderOpinion:
    if presence is Presence.FOREIGN:
        return ProviderOpinion.FOREIGN
    if presence is Presence.ABSENT and word is not ProviderStatus.REFUSED:
        return ProviderOpinion.MISSING
    match word:
        case ProviderStatus.NOT_STARTED:
            return ProviderOpinion.MISSING
        case ProviderStatus.REFUSED:
            return ProviderOpinion.REFUSED
        case _ if not as_wished:  # how far it is with another one says nothing of ours
            return ProviderOpinion.OTHERWISE
        case ProviderStatus.PENDING:
            return ProviderOpinion.WORKING
        case ProviderStatus.SUCCESS:
            return ProviderOpinion.AGREES
        case ProviderStatus.TEMPORARY_FAILURE:
            return ProviderOpinion.NOTHING
        case ProviderStatus.GAVE_UP:
            return ProviderOpinion.GAVE_UP
        case _:
            assert_never(word)


def is_inconclusive(evidence: Evidence) -> bool:
    """Says whether a check left something open that it asked: DNS silent, or the provider in trouble of its own."""
    provider = evidence.provider
    waiting = isinstance(provider, Identity) and provider.dkim is ProviderStatus.TEMPORARY_FAILURE
    silent = RecordState.UNANSWERED in (evidence.dkim, evidence.mail_from)
    return silent or isinstance(provider, IdentityUnknown) or (waiting and evidence.dkim is RecordState.PRESENT)
