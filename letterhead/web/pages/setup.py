"""Knows the set-up page: one domain's records for whoever publishes them, watched while it is open."""

from urllib.parse import quote

from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.dns.records import zone_line
from letterhead.core.domain.domain import Domain, is_wholly_verified
from letterhead.core.domain.health import HealthState
from letterhead.core.names.domain_names import DomainName
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import setup_links
from letterhead.operations.domains import DomainView
from letterhead.web.pages.cards import Board, board, marked
from letterhead.web.pages.stream import stream
from letterhead.web.pages.view import View, Visitor, Who
from letterhead.web.responses import Answer


async def show_setup(visitor: Visitor) -> Answer:
    """Shows the records of the link's domain; opening the page makes us look."""
    link = await setup_links.find_setup_link(visitor.deps, visitor.part("token"))
    await setup_links.note_page_open(visitor.deps, link)
    view = await setup_links.show_linked_domain(visitor.deps, link)
    laid = board(visitor.deps, view).without_advice()
    url = f"{visitor.desk.house.settings.public_url}{setup_links.PATH}{visitor.part('token')}"
    return visitor.show(
        "setup.html",
        policy=visitor.desk.rendering.framed_policy,
        domain=view.domain,
        unicode=DomainName(view.domain.sender).unicode,
        plan=view.plan,
        board=laid,
        marked=marked,
        checked_at=view.last_check.taken_at if view.last_check else None,
        outcome=outcome(view, laid),
        old_hosts=_removable(view.domain),
        link=link,
        url=url,
        mail=_mail(visitor, view, url),
        news=f"{visitor.desk.rendering.root}{setup_links.PATH}{visitor.part('token')}/news",
    )


def outcome(view: DomainView, laid: Board) -> str:
    """Says in one word how far it is: done, next (a new key waits), provider (looks too), risk, ended, waiting."""
    if is_wholly_verified(view.domain):
        waits = rotation.stage(view.domain) is Stage.WAITING and view.domain.key_delegation is None
        return "next" if waits else "done"
    match view.domain.dkim.state:
        case HealthState.AT_RISK:
            return "risk"
        case HealthState.FAILED if not laid.complete:
            return "ended"
        case _:
            return "provider" if laid.complete else "waiting"


def _removable(domain: Domain) -> list[str]:
    """Names the records of old keys that can be deleted, in full: panels show what is there in several ways."""
    return [f"{selector}._domainkey.{domain.sender}" for selector in rotation.removable_selectors(domain)]


def _mail(visitor: Visitor, view: DomainView, url: str) -> str:
    """Writes the address that opens a message with the link, for a colleague or for later."""
    t = visitor.desk.rendering.texts
    sender = view.domain.sender
    subject = quote(t("setup.mail_subject", domain=sender))
    body = quote(t("setup.mail_body", domain=sender, url=url, brand=visitor.desk.house.settings.brand_name))
    return f"mailto:?subject={subject}&body={body}"


async def zone_file(visitor: Visitor) -> Answer:
    """Gives the records as text for a zone file."""
    link = await setup_links.find_setup_link(visitor.deps, visitor.part("token"))
    return zone_text(await setup_links.show_linked_domain(visitor.deps, link))


def zone_text(view: DomainView) -> Answer:
    """Writes a domain's records as a zone file, to be kept."""
    lines = [zone_line(each.host, each.rdtype, each.value, each.priority) for each in view.plan.records]
    headers = {"Content-Disposition": f'attachment; filename="{view.domain.sender}.zone"'}
    return Answer(body="\n".join([*lines, ""]).encode(), media_type="text/plain; charset=utf-8", headers=headers)


async def news(visitor: Visitor) -> Answer:
    """Streams news of the link's domain, and has it looked at every 5 s while the page is open."""
    link = await setup_links.find_setup_link(visitor.deps, visitor.part("token"))

    async def stays() -> bool:
        held: SetupLink = await setup_links.find_setup_link(visitor.deps, visitor.part("token"))
        await setup_links.note_page_open(visitor.deps, held)
        return True

    return stream(visitor, link.id, link.domain_id, stays)


VIEWS = (
    View(method="GET", path="/setup/{token}", serve=show_setup, who=Who.ANYBODY),
    View(method="GET", path="/setup/{token}/zone", serve=zone_file, who=Who.ANYBODY),
    View(method="GET", path="/setup/{token}/news", serve=news, who=Who.ANYBODY),
)
