"""Knows the operator's endpoints on what the mail provider holds."""

from letterhead.errors import Kind
from letterhead.operations import reconcile
from letterhead.operations.reconcile import Adoption, Difference
from letterhead.web import telling, wire
from letterhead.web.answers import Answer, json
from letterhead.web.endpoints import Access, Call, Endpoint

TOPIC = "Identities (operator)"
PROVIDER = (Kind.PROVIDER_FAILED, Kind.PROVIDER_THROTTLED, Kind.PROVIDER_REFUSED)


async def compare(call: Call) -> Answer:
    """Compares what the mail provider holds with all domains, and with `apply` mends what differs."""
    asked = await call.body(wire.Apply)
    found = await reconcile.reconcile(call.deps, call.actor, apply=asked.apply)
    differences = tuple(_difference(each) for each in found.differences)
    return json(
        wire.ReconciliationOut(held=found.held, listed=found.listed, unread=found.unread, differences=differences)
    )


def _difference(each: Difference) -> wire.DifferenceOut:
    return wire.DifferenceOut(
        sender=each.sender,
        account_id=telling.given(each.account_id),
        differs=each.differs.value,
        detail=each.detail,
        repair=each.repair,
        mended=each.mended,
    )


async def adopt(call: Call) -> Answer:
    """Shows what would change at an identity that is not ours, and with `apply` makes it ours.

    Only for a domain whose DKIM record proves it: the provider then signs its mail with the domain's own key.
    """
    asked = await call.body(wire.Apply)
    return json(_adoption(await reconcile.adopt(call.deps, call.actor, call.part("sender"), apply=asked.apply)))


def _adoption(done: Adoption) -> wire.AdoptionOut:
    there = done.holding
    return wire.AdoptionOut(
        sender=done.sender,
        account_id=done.account_id,
        owner=wire.Change(now=telling.given(there.owner), then=done.owner),
        selector=wire.Change(now=telling.given(there.selector), then=done.selector),
        mail_from=wire.Change(now=telling.given(there.mail_from), then=telling.given(done.mail_from)),
        adopted=done.adopted,
    )


ENDPOINTS = (
    Endpoint(
        method="POST", path="/identities/reconcile", serve=compare, access=Access.OPERATOR, topic=TOPIC,
        answer=wire.ReconciliationOut, body=wire.Apply, faults=(Kind.PARAMETER_INVALID, *PROVIDER),
    ),
    Endpoint(
        method="POST", path="/identities/{sender}/adopt", serve=adopt, access=Access.OPERATOR, topic=TOPIC,
        answer=wire.AdoptionOut, body=wire.Apply, faults=(Kind.NOT_FOUND, *PROVIDER),
    ),
)  # fmt: skip
