"""Knows the page of one domain and its forms; each form is one operation of the API."""

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.setup_links import USUAL_DAYS, is_valid
from letterhead.core.domain import lifecycle, statistics
from letterhead.core.domain.domain import Domain, mail_from_status, status
from letterhead.core.names.domain_names import DomainName
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.operations import checks, domains, rotations, setup_links
from letterhead.operations.setup_links import NewLink
from letterhead.web.pages import pictures
from letterhead.web.pages.cards import board, marked
from letterhead.web.pages.overview import MOVES
from letterhead.web.pages.setup import outcome, zone_text
from letterhead.web.pages.stream import stream
from letterhead.web.pages.view import HOME, View, Visitor, domain_path
from letterhead.web.responses import Answer

EVENTS = 500
LONGEST_DAYS = 90


async def show(visitor: Visitor) -> Answer:
    """Shows one domain."""
    return await _shown(visitor)


async def _shown(visitor: Visitor, made: NewLink | None = None) -> Answer:
    deps, now = visitor.deps, visitor.deps.now()
    view = await domains.show_domain(deps, visitor.account_id, visitor.part("sender"))
    domain, laid = view.domain, board(deps, view)
    events = await deps.store.events(visitor.account_id, domain.id, None, EVENTS)
    moves = [each for each in await deps.store.state_changes(visitor.account_id, MOVES) if each.domain_id == domain.id]
    spans = statistics.state_periods(moves, now)
    t = visitor.desk.rendering.texts
    return visitor.show(
        "domain.html",
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        status=status(domain),
        mail_from_status=mail_from_status(domain),
        may_send=lifecycle.may_send(domain, now),
        plan=view.plan,
        board=laid,
        marked=marked,
        outcome=outcome(view, laid),
        checked_at=view.checkup.taken_at if view.checkup else None,
        provider=deps.provider.name,
        timeline=pictures.timeline(spans, t("picture.timeline", domain=domain.sender)),
        begins=spans[0].begins if spans else None,
        states=dict.fromkeys(span.state for span in spans),
        events=list(reversed(events)),
        links=[(each, is_valid(each, now)) for each in reversed(await deps.store.setup_links(domain.id))],
        made=made,
        days=USUAL_DAYS,
        keys=_keys(domain),
        news=f"{visitor.desk.rendering.root}{domain_path(domain.sender)}/news",
    )


def _keys(domain: Domain) -> dict[str, object]:
    """Gathers what is shown of the domain's DKIM keys: those before the one in use, the coming one, what is next."""
    coming = domain.rotation
    return {
        "stage": rotation.stage(domain).value,
        "waits_for": rotation.waits_for(domain),
        "switches_at": rotation.switches_at(domain),
        "coming": coming,
        "old": [(old, rotation.safe_at(old)) for old in domain.old_keys],
        "free": delegated_keys.is_selector_free(domain),
        "may_start": coming is None
        and delegated_keys.is_selector_free(domain)
        and domain.dkim.state in rotation.MAY_START,
    }


async def news(visitor: Visitor) -> Answer:
    """Streams news of the domain."""
    domain = await domains.find_domain(visitor.deps, visitor.account_id, visitor.part("sender"))

    async def stays() -> bool:
        return True

    return stream(visitor, visitor.account_id, domain.id, stays)


async def zone_file(visitor: Visitor) -> Answer:
    """Gives the records as text for a zone file."""
    return zone_text(await domains.show_domain(visitor.deps, visitor.account_id, visitor.part("sender")))


async def check(visitor: Visitor) -> Answer:
    """Looks at the domain now."""
    await checks.check_now(visitor.deps, visitor.account_id, visitor.part("sender"))
    return _back(visitor, "checked")


async def start(visitor: Visitor) -> Answer:
    """Starts verification."""
    await domains.start_verification(visitor.deps, visitor.account_id, visitor.caller.limits, visitor.part("sender"))
    return _back(visitor, "started")


def _back(visitor: Visitor, done: str) -> Answer:
    return visitor.go(domain_path(visitor.part("sender")), done=done)


async def start_rotation(visitor: Visitor) -> Answer:
    """Starts a change of DKIM keys."""
    sender = visitor.part("sender")
    domain = await rotations.start(visitor.deps, visitor.account_id, sender, rotations.NOTHING, visitor.actor)
    return _back(visitor, "rotation_started_delegated" if domain.slots else "rotation_started")


async def abandon_rotation(visitor: Visitor) -> Answer:
    """Abandons the change of DKIM keys that is under way."""
    domain = await rotations.abandon(visitor.deps, visitor.account_id, visitor.part("sender"), visitor.actor)
    return _back(visitor, "rotation_abandoned_delegated" if domain.slots else "rotation_abandoned")


async def ask_delete(visitor: Visitor) -> Answer:
    """Asks once more before a domain is deleted."""
    domain = await domains.find_domain(visitor.deps, visitor.account_id, visitor.part("sender"))
    return visitor.show("delete.html", domain=domain)


async def delete(visitor: Visitor) -> Answer:
    """Deletes the domain."""
    await domains.delete_domain(visitor.deps, visitor.account_id, visitor.part("sender"), visitor.actor)
    return visitor.go(HOME, done="deleted")


async def make_link(visitor: Visitor) -> Answer:
    """Makes a set-up link and shows its address, this once."""
    typed = visitor.form.get("days", "")
    days = min(LONGEST_DAYS, max(1, int(typed))) if typed.isdecimal() and len(typed) < 4 else USUAL_DAYS
    sender = visitor.part("sender")
    return await _shown(
        visitor, await setup_links.make_link(visitor.deps, visitor.account_id, sender, days, visitor.actor)
    )


async def revoke_link(visitor: Visitor) -> Answer:
    """Revokes a set-up link."""
    sender, link_id = visitor.part("sender"), visitor.part("linkId")
    await setup_links.revoke_link(visitor.deps, visitor.account_id, sender, link_id, visitor.actor)
    return _back(visitor, "revoked")


ONE = f"{HOME}/domains/{{sender}}"
VIEWS = (
    View(method="GET", path=ONE, serve=show),
    View(method="GET", path=f"{ONE}/news", serve=news),
    View(method="GET", path=f"{ONE}/zone", serve=zone_file),
    View(method="POST", path=f"{ONE}/check", serve=check, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/start", serve=start, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/dkim-rotation", serve=start_rotation, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/dkim-rotation/abandon", serve=abandon_rotation, needs=Scope.WRITE),
    View(method="GET", path=f"{ONE}/delete", serve=ask_delete, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/delete", serve=delete, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/setup-links", serve=make_link, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/setup-links/{{linkId}}/revoke", serve=revoke_link, needs=Scope.WRITE),
)
