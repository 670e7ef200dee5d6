"""The page of a set-up link: one domain's records for whoever publishes them, checked while the page is open."""

from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.dns.records import zone_line
from letterhead.core.domain.domain import is_wholly_verified
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.progress import Progress, Step, progress
from letterhead.core.names.domain_names import DomainName
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import setup_links
from letterhead.operations.domains import DomainView
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.cards import RecordList, new_record_list, split_at_span
from letterhead.web.pages.responses import page_response
from letterhead.web.pages.stream import StreamHooks, page_version, stream_news


async def show_setup(context: RequestContext) -> Response:
    """Show the records of the link's domain, and have them checked."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    await setup_links.note_page_open(context.deps, link)
    view = await setup_links.show_linked_domain(context.deps, link)
    records = new_record_list(context.deps, view).without_advice()
    far = progress(view.domain, view.plan, context.deps.now())
    settings, sender, t = context.state.settings, view.domain.sender, context.state.templates.texts
    no_worker = await context.state.health.is_worker_missing()
    url = f"{settings.public_url}{setup_links.PATH}{context.part('token')}"
    subject = quote(t("setup.mail_subject", domain=sender))
    body = quote(t("setup.mail_body", domain=sender, url=url, brand=settings.brand_name))
    return page_response(
        context,
        "setup.html",
        policy=context.state.templates.framed_policy,
        domain=view.domain,
        unicode=DomainName(sender).unicode,
        plan=view.plan,
        records=records,
        split_at_span=split_at_span,
        checked_at=view.last_check.taken_at if view.last_check else None,
        outcome=outcome(view, records, far),
        far=far,
        verified=is_wholly_verified(view.domain),
        old_hosts=[f"{each}._domainkey.{sender}" for each in rotation.removable_selectors(view.domain)],
        link=link,
        url=url,
        mail=f"mailto:?subject={subject}&body={body}",
        version=page_version(view.domain.version, no_worker=no_worker),
        no_worker=no_worker,
        news=f"{context.state.templates.root}{setup_links.PATH}{context.part('token')}/news",
    )


def outcome(view: DomainView, records: RecordList, far: Progress) -> str:
    """Return the set-up's progress as a name of texts.

    "done", "ready" (mail can be sent, and something is left), "next" (a new key waits for its record), "provider" (it
    has yet to check), "risk", "ended" or "waiting".
    """
    domain = view.domain
    waits = rotation.stage(domain) is Stage.WAITING and domain.key_delegation is None
    if waits and is_wholly_verified(domain):
        return "next"
    if far.step is Step.DONE:
        return "done"
    match domain.dkim.state:
        case HealthState.AT_RISK:
            return "risk"
        case HealthState.VERIFIED:
            return "ready"
        case HealthState.FAILED if not records.complete:
            return "ended"
        case _:
            return "provider" if records.complete else "waiting"


async def zone_file(context: RequestContext) -> Response:
    """Respond with the records as a zone file."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    return zone_text(await setup_links.show_linked_domain(context.deps, link))


def zone_text(view: DomainView) -> Response:
    """Return a response with a domain's records as a zone file (RFC 1035 5.1), to be saved."""
    lines = [zone_line(each.host, each.rdtype, each.value, each.priority) for each in view.plan.records]
    headers = {"Content-Disposition": f'attachment; filename="{view.domain.sender}.zone"'}
    return Response("\n".join([*lines, ""]), headers=headers, media_type="text/plain; charset=utf-8")


async def news(context: RequestContext) -> Response:
    """Stream an event whenever the link's domain changed, and have it checked while the page is open."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))

    async def may_continue() -> bool:
        await setup_links.find_setup_link(context.deps, context.part("token"))
        return True

    async def note_open() -> None:
        await setup_links.note_page_open(context.deps, link)

    return stream_news(context, link.id, link.domain_id, StreamHooks(may_continue, note_open))


PAGES = (
    Endpoint(method="GET", path="/setup/{token}", serve=show_setup, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/zone", serve=zone_file, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/news", serve=news, access=Access.OPEN),
)
