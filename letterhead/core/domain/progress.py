"""How far the set-up of a domain is: which of its records are published, what that allows, and what is left.

Every face counts by this one function, so that none calls done what another one waits for.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.domain.domain import Domain, is_wholly_verified
from letterhead.core.domain.lifecycle import may_send
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


class Step(StrEnum):
    """The step of the set-up: nothing can be sent, mail can be sent and records are left, all is done."""

    WAITING = "waiting"
    READY = "ready"
    DONE = "done"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The planned records that are published and those that are left, each as last found; `step` follows from them."""

    step: Step
    published: tuple[PlannedRecord, ...]
    left: tuple[PlannedRecord, ...]

    @property
    def planned(self) -> int:
        """Return the number of planned records."""
        return len(self.published) + len(self.left)

    @property
    def purposes_left(self) -> tuple[Purpose, ...]:
        """Return the purposes for which a record is left."""
        return tuple(dict.fromkeys(purpose_of(record.id) for record in self.left))


def progress(domain: Domain, plan: Plan, now: datetime) -> Progress:
    """Return the progress of a domain by the last conclusive verdict on each of its planned records."""
    verdicts = dict(domain.verdicts)
    published = tuple(each for each in plan.records if verdicts.get(each.id) is Verdict.PRESENT)
    left = tuple(each for each in plan.records if verdicts.get(each.id) is not Verdict.PRESENT)
    step = Step.READY if may_send(domain, now) else Step.WAITING
    if is_wholly_verified(domain) and not left:
        step = Step.DONE
    return Progress(step=step, published=published, left=left)


def purpose_of(record_id: RecordId) -> Purpose:
    """Return what a planned record is for."""
    return _PURPOSES[record_id]
