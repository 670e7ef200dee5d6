"""The set-up page: one domain's records for whoever publishes them, checked again and again while it is open."""

from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.dns.records import zone_line
from letterhead.core.domain.domain import Domain, is_wholly_verified
from letterhead.core.domain.health import HealthState
from letterhead.core.names.domain_names import DomainName
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import setup_links
from letterhead.operations.domains import DomainView
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.cards import Board, board, marked
from letterhead.web.pages.responses import page_response
from letterhead.web.pages.stream import stream_news


async def show_setup(context: RequestContext) -> Response:
    """Shows the records of the link's domain; opening the page makes us look."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    await setup_links.note_page_open(context.deps, link)
    view = await setup_links.show_linked_domain(context.deps, link)
    laid = board(context.deps, view).without_advice()
    url = f"{context.state.settings.public_url}{setup_links.PATH}{context.part('token')}"
    return page_response(
        context,
        "setup.html",
        policy=context.state.templates.framed_policy,
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
        mail=_mail(context, view, url),
        news=f"{context.state.templates.root}{setup_links.PATH}{context.part('token')}/news",
    )


def outcome(view: DomainView, laid: Board) -> str:
    """Return how far the set-up is: done, next (a new key waits), provider (checks too), risk, ended, waiting."""
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


def _mail(context: RequestContext, view: DomainView, url: str) -> str:
    """Writes the address that opens a message with the link, for a colleague or for later."""
    t = context.state.templates.texts
    sender = view.domain.sender
    subject = quote(t("setup.mail_subject", domain=sender))
    body = quote(t("setup.mail_body", domain=sender, url=url, brand=context.state.settings.brand_name))
    return f"mailto:?subject={subject}&body={body}"


async def zone_file(context: RequestContext) -> Response:
    """Return the records as text for a zone file."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    return zone_text(await setup_links.show_linked_domain(context.deps, link))


def zone_text(view: DomainView) -> Response:
    """Writes a domain's records as a zone file, to be kept."""
    lines = [zone_line(each.host, each.rdtype, each.value, each.priority) for each in view.plan.records]
    headers = {"Content-Disposition": f'attachment; filename="{view.domain.sender}.zone"'}
    return Response("\n".join([*lines, ""]), headers=headers, media_type="text/plain; charset=utf-8")


async def news(context: RequestContext) -> Response:
    """Streams news of the link's domain, and has it looked at every 5 s while the page is open."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))

    async def stays() -> bool:
        held: SetupLink = await setup_links.find_setup_link(context.deps, context.part("token"))
        await setup_links.note_page_open(context.deps, held)
        return True

    return stream_news(context, link.id, link.domain_id, stays)


PAGES = (
    Endpoint(method="GET", path="/setup/{token}", serve=show_setup, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/zone", serve=zone_file, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/news", serve=news, access=Access.OPEN),
)
