"""Knows what one check can learn of a domain, from DNS and from the provider. Knows no states: lifecycle.py judges."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, assert_never

import msgspec

from letterhead.core.domain.provider_identity import Identity, IdentityUnknown, Presence, ProviderWord, Word
from letterhead.core.plan.plan import RecordId, Standing, Verdict

DKIM_RECORDS: Final = frozenset({RecordId.DKIM})
MAIL_FROM_RECORDS: Final = frozenset({RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF})


class Sight(StrEnum):
    """Says what one check saw of one watched thing; "divided" is neither for nor against, "unanswered" is nothing."""

    PRESENT = "present"
    MISSING = "missing"
    DIVIDED = "divided"
    UNANSWERED = "unanswered"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check learnt; `mail_from` and `provider` are None where these were not asked."""

    dkim: Sight
    mail_from: Sight | None = None
    provider: ProviderWord | None = None
    held_elsewhere: bool = False


def sight_of(standings: Iterable[Standing]) -> Sight:
    """Sums up the planned records of one watched thing: present if all are, missing if any is by agreement."""
    sights = {_sight(standing) for standing in standings}
    for sight in (Sight.MISSING, Sight.DIVIDED, Sight.UNANSWERED, Sight.PRESENT):
        if sight in sights:
            return sight
    return Sight.UNANSWERED


def _sight(standing: Standing) -> Sight:
    match standing.verdict:
        case Verdict.UNANSWERED:
            return Sight.UNANSWERED
        case Verdict.PRESENT:
            return Sight.PRESENT if standing.agreed else Sight.DIVIDED
        case Verdict.WRONG | Verdict.ABSENT:
            return Sight.MISSING if standing.agreed else Sight.DIVIDED
        case _:
            assert_never(standing.verdict)


class Says(StrEnum):
    """Reduces the provider's word to what matters for one watched thing."""

    NOTHING = "nothing"  # not asked, not reached, or in trouble of its own
    WORKING = "working"
    AGREES = "agrees"
    OTHERWISE = "otherwise"  # busy or content with another key or another MAIL FROM domain than ours
    MISSING = "missing"
    GAVE_UP = "gave-up"
    REFUSED = "refused"
    FOREIGN = "foreign"


LOST: Final = frozenset({Says.MISSING, Says.GAVE_UP, Says.REFUSED, Says.FOREIGN})


def says_of_key(provider: ProviderWord | None, selector: str) -> Says:
    """Reads what the provider says of the key at `selector`."""
    match provider:
        case None | IdentityUnknown():
            return Says.NOTHING
        case Identity():
            return _says(provider.presence, provider.dkim, provider.selector in (None, selector))


def says_of_mail_from(provider: ProviderWord | None, name: str | None) -> Says:
    """Reads what the provider says of the MAIL FROM domain `name`."""
    match provider:
        case None | IdentityUnknown():
            return Says.NOTHING
        case Identity():
            return _says(provider.presence, provider.mail_from, provider.mail_from_name in (None, name))


def _says(presence: Presence, word: Word, as_wished: bool) -> Says:
    if presence is Presence.FOREIGN:
        return Says.FOREIGN
    if presence is Presence.ABSENT and word is not Word.REFUSED:
        return Says.MISSING
    match word:
        case Word.NOT_STARTED:
            return Says.MISSING
        case Word.REFUSED:
            return Says.REFUSED
        case _ if not as_wished:  # how far it is with another one says nothing of ours
            return Says.OTHERWISE
        case Word.PENDING:
            return Says.WORKING
        case Word.SUCCESS:
            return Says.AGREES
        case Word.TEMPORARY_FAILURE:
            return Says.NOTHING
        case Word.GAVE_UP:
            return Says.GAVE_UP
        case _:
            assert_never(word)


def inconclusive(evidence: Evidence) -> bool:
    """Says whether a check left something open that it asked: DNS silent, or the provider in trouble of its own."""
    provider = evidence.provider
    waiting = isinstance(provider, Identity) and provider.dkim is Word.TEMPORARY_FAILURE
    silent = Sight.UNANSWERED in (evidence.dkim, evidence.mail_from)
    return silent or isinstance(provider, IdentityUnknown) or (waiting and evidence.dkim is Sight.PRESENT)
