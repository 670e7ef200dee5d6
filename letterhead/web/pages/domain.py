"""The page of one domain and its forms; each form is one operation of the API."""

from urllib.parse import quote

from msgspec import UNSET
from starlette.responses import Response

from letterhead.core.accounts.setup_links import USUAL_DAYS
from letterhead.core.domain import lifecycle, statistics
from letterhead.core.domain.domain import Domain, mail_from_status, status
from letterhead.core.domain.progress import progress
from letterhead.core.languages.negotiation import NAMES, address_in, known_language
from letterhead.core.names.domain_names import DomainName
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.operations import domains, hosted_zones, on_demand_checks, overview, rotations, sessions, setup_links
from letterhead.operations.domain_settings import DomainSettings, change_domain
from letterhead.operations.domains import DomainView
from letterhead.operations.setup_links import MailRecipient, NewLink
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import pictures
from letterhead.web.pages.accepted_findings import accepted_values
from letterhead.web.pages.cards import advice, new_record_list, split_at_span
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import HOME, SESSION, domain_path, page_response, read_cookie, redirect
from letterhead.web.pages.setup import zone_text
from letterhead.web.pages.stream import StreamHooks, Watched, page_version, stream_news

LONGEST_DAYS = 90


async def show(context: RequestContext) -> Response:
    """Show one domain."""
    return await _show(context)


async def _show(context: RequestContext, made: NewLink | None = None, made_url: str = "") -> Response:
    view = await domains.show_domain(context.deps, context.account_id, context.part("sender"))
    path = domain_path(view.domain.sender)
    news = f"{context.state.templates.root}{path}/news"
    return await show_view(context, view, path, made=made, made_url=made_url, news=news)


async def show_view(context: RequestContext, view: DomainView, path: str, **values: object) -> Response:
    """Show a domain at a path; what it says of changes is there for those who may make them.

    `values` are `news` where the page updates by itself, `made` and `made_url` of a new link, the operator's `account`.
    """
    deps, now = context.deps, context.deps.now()
    domain, records = view.domain, new_record_list(deps, view)
    history = await overview.show_history(deps, domain)
    no_worker = await context.state.health.is_worker_missing()
    spans = statistics.state_periods(history.changes, now)
    lasted: dict[str, float] = {}
    for span in spans:
        lasted[span.state] = lasted.get(span.state, 0.0) + (span.ends - span.begins).total_seconds()
    t = context.state.templates.texts
    return page_response(
        context,
        "domain.html",
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        status=status(domain),
        mail_from_status=mail_from_status(domain),
        plan=view.plan,
        profile=view.profile,
        records=records,
        split_at_span=split_at_span,
        advice=advice,
        checked_at=view.last_check.taken_at if view.last_check else None,
        provider=domains.provider_name(deps),
        far=progress(domain, view.plan, now),
        timeline=pictures.draw_timeline(spans, t("picture.timeline", domain=domain.sender)),
        begins=spans[0].begins if spans else None,
        states={state: pictures.format_duration(t, seconds) for state, seconds in lasted.items()},
        events=list(reversed(history.events)),
        sends_mail=setup_links.sends_mail(context.deps),
        links=list(reversed(history.links)),
        days=USUAL_DAYS,
        keys=_describe_keys(domain),
        covers=view.covers_subdomains,
        writes_dns=bool(hosted_zones.list_dns_hosts(deps)),
        version=page_version(domain.version, no_worker=no_worker),
        no_worker=no_worker,
        here=f"{context.state.templates.root}{path}",
        acceptance=await accepted_values(context, view),
        made=values.get("made"),
        made_url=values.get("made_url"),
        languages=[(code.value, name) for code, name in NAMES.items()],
        news=values.get("news"),
        account=values.get("account"),
    )


def _describe_keys(domain: Domain) -> dict[str, object]:
    """Return the values that the template shows of the domain's DKIM keys: the old, the coming, and the next step."""
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


async def news(context: RequestContext) -> Response:
    """Stream an event whenever the domain changed."""
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))

    async def may_continue() -> bool:
        return await sessions.find_session(context.deps, read_cookie(context, SESSION)) is not None

    watched = Watched(context.account_id, context.caller.key_id, domain.id)
    return stream_news(context, watched, StreamHooks(may_continue))


async def zone_file(context: RequestContext) -> Response:
    """Respond with the records as a zone file."""
    return zone_text(context, await domains.show_domain(context.deps, context.account_id, context.part("sender")))


async def check(context: RequestContext) -> Response:
    """Check the domain now."""
    standing = await on_demand_checks.check_now(
        context.deps, context.state.on_demand, context.account_id, context.part("sender")
    )
    return _redirect_back(context, "checked" if standing is None else "checked_before")


async def change_settings(context: RequestContext) -> Response:
    """Set the note, the labels and the contact as the form has them; a link is mailed to a new contact."""
    sender, form = context.part("sender"), context.form
    lines = [line.strip() for line in form.get("labels", "").splitlines() if line.strip()]
    wanted = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    present = (await domains.show_domain(context.deps, context.account_id, sender)).profile
    chosen = form.get("contact_language") if form.get("contact", "").strip() else None
    language = UNSET if chosen is None else known_language(chosen)
    settings = DomainSettings(
        note=form.get("note", ""),
        labels={**dict.fromkeys(present.labels), **wanted},
        contact=form.get("contact", "").strip(),
        contact_language=language,
        copy_account=form.get("copy") == "on" if form.get("contact", "").strip() else present.copy_account,
    )
    await change_domain(context.deps, context.account_id, sender, settings, context.actor)
    after = (await domains.show_domain(context.deps, context.account_id, sender)).profile
    is_asked = after.contact is not None and after.contact.confirmed_at is None
    return _redirect_back(context, "contact_asked" if is_asked else "saved")


async def start(context: RequestContext) -> Response:
    """Start verification."""
    await domains.start_verification(context.deps, context.account_id, context.caller.limits, context.part("sender"))
    return _redirect_back(context, "started")


def _redirect_back(context: RequestContext, done: str) -> Response:
    return redirect(context, domain_path(context.part("sender")), done=done)


async def switch_cover(context: RequestContext) -> Response:
    """Let the domain cover the names below it, or not."""
    settings = DomainSettings(covers_subdomains=context.form.get("covers") == "on")
    await change_domain(context.deps, context.account_id, context.part("sender"), settings, context.actor)
    return _redirect_back(context, "saved")


async def start_rotation(context: RequestContext) -> Response:
    """Start a rotation of the DKIM key."""
    sender = context.part("sender")
    domain = await rotations.start(context.deps, context.account_id, sender, rotations.NOTHING, context.actor)
    return _redirect_back(context, "rotation_started_delegated" if domain.key_delegation else "rotation_started")


async def ask_abandon(context: RequestContext) -> Response:
    """Ask before the rotation that is under way is abandoned."""
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    return ask(context, _abandonment(domain))


def _abandonment(domain: Domain) -> ConfirmationPage:
    path = domain_path(domain.sender)
    return ConfirmationPage(
        title="confirm.abandon_title",
        button="confirm.abandon_button",
        action=f"{path}/dkim-rotation/abandon",
        back=path,
        stops=("confirm.abandon_key", "confirm.abandon_mail"),
        places={"domain": domain.sender, "selector": domain.rotation.selector if domain.rotation else ""},
    )


async def abandon_rotation(context: RequestContext) -> Response:
    """Abandon the rotation that is under way, once that was confirmed."""
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    if not is_confirmed(context, page := _abandonment(domain)):
        return ask(context, page)
    domain = await rotations.abandon(context.deps, context.account_id, context.part("sender"), context.actor)
    return _redirect_back(context, "rotation_abandoned_delegated" if domain.key_delegation else "rotation_abandoned")


async def ask_delete(context: RequestContext) -> Response:
    """Ask before a domain is deleted."""
    return ask(context, await _deletion(context))


async def _deletion(context: RequestContext) -> ConfirmationPage:
    """Return what is asked before a domain is deleted: where it may send, its name has to be typed."""
    deps, now = context.deps, context.deps.now()
    domain = await domains.find_domain(deps, context.account_id, context.part("sender"))
    links = (await overview.show_history(deps, domain)).links
    path, may_send = domain_path(domain.sender), lifecycle.may_send(domain, now)
    stops = ["confirm.delete_mail"] if may_send else []
    stops.append("confirm.delete_key")
    if links:
        stops.append("confirm.delete_links")
    return ConfirmationPage(
        title="confirm.delete_title",
        button="confirm.delete_button",
        action=f"{path}/delete",
        back=path,
        stops=(*stops, "confirm.for_good"),
        word=domain.sender if may_send else None,
        places={"domain": domain.sender},
    )


async def delete(context: RequestContext) -> Response:
    """Delete the domain, once that was confirmed."""
    if not is_confirmed(context, page := await _deletion(context)):
        return ask(context, page)
    await domains.delete_domain(context.deps, context.account_id, context.part("sender"), context.actor)
    return redirect(context, HOME, done="deleted")


async def make_link(context: RequestContext) -> Response:
    """Make a set-up link and show its address, this once; mail it with the records where an address is given."""
    typed = context.form.get("days", "")
    days = min(LONGEST_DAYS, max(1, int(typed))) if typed.isdecimal() and len(typed) < 4 else USUAL_DAYS
    sender, to = context.part("sender"), context.form.get("to", "").strip()
    language = known_language(context.form.get("language"))
    if to:
        recipient = MailRecipient(address=to, language=language)
        made = await setup_links.make_and_send_link(
            context.deps, context.account_id, sender, days, recipient, context.actor
        )
    else:
        made = await setup_links.make_link(context.deps, context.account_id, sender, days, context.actor)
    return await _show(context, made, address_in(made.url, language))


async def ask_revoke(context: RequestContext) -> Response:
    """Ask before a set-up link is revoked."""
    await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    return ask(context, _revocation(context))


def _revocation(context: RequestContext) -> ConfirmationPage:
    path = domain_path(context.part("sender"))
    action = f"{path}/setup-links/{quote(context.part('linkId'), safe='')}/revoke"
    return ConfirmationPage(
        title="confirm.revoke_title",
        button="confirm.revoke_button",
        action=action,
        back=path,
        stops=("confirm.revoke_page", "confirm.revoke_dns"),
        places={"domain": context.part("sender")[:253]},
    )


async def revoke_link(context: RequestContext) -> Response:
    """Revoke a set-up link, once that was confirmed."""
    sender, link_id = context.part("sender"), context.part("linkId")
    if not is_confirmed(context, page := _revocation(context)):
        return ask(context, page)
    await setup_links.revoke_link(context.deps, context.account_id, sender, link_id, context.actor)
    return _redirect_back(context, "revoked")


ONE = f"{HOME}/domains/{{sender}}"
PAGES = (
    Endpoint(method="GET", path=ONE, serve=show, access=Access.READ),
    Endpoint(method="GET", path=f"{ONE}/news", serve=news, access=Access.READ),
    Endpoint(method="GET", path=f"{ONE}/zone", serve=zone_file, access=Access.READ),
    Endpoint(method="POST", path=f"{ONE}/check", serve=check, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/start", serve=start, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/settings", serve=change_settings, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/cover", serve=switch_cover, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/dkim-rotation", serve=start_rotation, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/dkim-rotation/abandon", serve=ask_abandon, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/dkim-rotation/abandon", serve=abandon_rotation, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/delete", serve=ask_delete, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/delete", serve=delete, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/setup-links", serve=make_link, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/setup-links/{{linkId}}/revoke", serve=ask_revoke, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/setup-links/{{linkId}}/revoke", serve=revoke_link, access=Access.WRITE),
)
