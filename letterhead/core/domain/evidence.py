"""What one check has learnt of a domain, from DNS and from the provider; `lifecycle` judges it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, assert_never

import msgspec

from letterhead.core.domain.provider_identity import Identity, IdentityReport, IdentityUnknown, Presence, ProviderStatus
from letterhead.core.plan.plan import RecordResult, Verdict


class RecordState(StrEnum):
    """What one check saw of one watched thing; "divided" is neither for nor against, "unanswered" is nothing."""

    PRESENT = "present"
    MISSING = "missing"
    DIVIDED = "divided"
    UNANSWERED = "unanswered"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check; `mail_from` and `provider` are None where these were not asked.

    `is_selector_of_others`: another account had the claim's selector while it held the name, so that the record in DNS
    may be that account's, left behind, and proves nothing.
    """

    dkim: RecordState
    mail_from: RecordState | None = None
    provider: IdentityReport | None = None
    is_held_elsewhere: bool = False
    is_selector_of_others: bool = False

    @property
    def is_barred(self) -> bool:
        """Whether the claim can't hold the name: another account holds it, or held it with the same selector."""
        return self.is_held_elsewhere or self.is_selector_of_others


def record_state(results: Iterable[RecordResult]) -> RecordState:
    """Sum up the planned records of one watched thing: present if all are, missing if any is by agreement."""
    states = set()
    for result in results:
        match result.verdict:
            case Verdict.UNANSWERED:
                states.add(RecordState.UNANSWERED)
            case Verdict.PRESENT:
                states.add(RecordState.PRESENT if result.agreed else RecordState.DIVIDED)
            case Verdict.WRONG | Verdict.ABSENT:
                states.add(RecordState.MISSING if result.agreed else RecordState.DIVIDED)
            case _:
                assert_never(result.verdict)
    for state in (RecordState.MISSING, RecordState.DIVIDED, RecordState.UNANSWERED, RecordState.PRESENT):
        if state in states:
            return state
    return RecordState.UNANSWERED


class ProviderOpinion(StrEnum):
    """The provider's report, reduced to what matters for one watched thing."""

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
    """Return the provider's opinion on the key at `selector`."""
    match provider:
        case None | IdentityUnknown():
            return ProviderOpinion.NOTHING
        case Identity():
            return _opinion(provider.presence, provider.dkim, provider.selector in (None, selector))


def opinion_on_mail_from(provider: IdentityReport | None, name: str | None) -> ProviderOpinion:
    """Return the provider's opinion on the MAIL FROM domain `name`."""
    match provider:
        case None | IdentityUnknown():
            return ProviderOpinion.NOTHING
        case Identity():
            return _opinion(provider.presence, provider.mail_from, provider.mail_from_name in (None, name))


def _opinion(presence: Presence, status: ProviderStatus, is_as_wished: bool) -> ProviderOpinion:
    if presence is Presence.FOREIGN:
        return ProviderOpinion.FOREIGN
    if presence is Presence.ABSENT and status is not ProviderStatus.REFUSED:
        return ProviderOpinion.MISSING
    match status:
        case ProviderStatus.NOT_STARTED:
            return ProviderOpinion.MISSING
        case ProviderStatus.REFUSED:
            return ProviderOpinion.REFUSED
        case _ if not is_as_wished:  # the status of another one says nothing of ours
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
            assert_never(status)


def is_inconclusive(evidence: Evidence) -> bool:
    """Tell whether a check got no answer to something: from DNS, or from a provider in trouble of its own."""
    provider = evidence.provider
    in_trouble = isinstance(provider, Identity) and provider.dkim is ProviderStatus.TEMPORARY_FAILURE
    unanswered = RecordState.UNANSWERED in (evidence.dkim, evidence.mail_from)
    return unanswered or isinstance(provider, IdentityUnknown) or (in_trouble and evidence.dkim is RecordState.PRESENT)
