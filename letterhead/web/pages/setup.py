"""The page of a set-up link: one domain's records for whoever publishes them, checked while the page is open."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.dns.records import zone_line
from letterhead.core.domain.domain import Domain, is_wholly_verified
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.progress import Progress, Purpose, Step, progress, purpose_of
from letterhead.core.languages.language import Language
from letterhead.core.languages.negotiation import PARAMETER, address_in
from letterhead.core.names.domain_names import DomainName
from letterhead.core.plan import dns_hosts
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import setup_links
from letterhead.operations.domains import DomainView
from letterhead.operations.recent_results import SILENCE_SECONDS
from letterhead.operations.translated_findings import translate_view
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import apply, languages
from letterhead.web.pages.cards import FAULTY, Card, RecordList, advice, new_record_list, plain_text, split_at_span
from letterhead.web.pages.responses import page_response, page_texts, redirect
from letterhead.web.pages.stream import StreamHooks, Watched, page_version, stream_news

WAITING = frozenset({"missing", "unseen"})
ASKS = " asks"  # ends the version of a page while the DNS host is asked whether it can add the records


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupStep:
    """One step of the set-up: the records for one purpose, with the state of the one that needs most attention."""

    purpose: Purpose
    state: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """What to do next: correct a record ("fix") or publish it ("add")."""

    verb: str
    card: Card


async def show_setup(context: RequestContext) -> Response:
    """Show the records of the link's domain, and have them checked."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    if not context.is_preview:
        await setup_links.note_page_open(context.deps, link)
    language = languages.page_language(context)
    view = translate_view(context.deps, await setup_links.show_linked_domain(context.deps, link), language)
    records = new_record_list(context.deps, view, language).without_advice()
    far = progress(view.domain, view.plan, context.deps.now(), language)
    settings, sender, t = context.state.settings, view.domain.sender, page_texts(context)
    no_worker = await context.state.health.is_worker_missing()
    action, host = next_action(records), records.dns_host
    to_host = await apply.show_way(context, view, language)
    link_path = f"{setup_links.PATH}{context.part('token')}"
    url = address_in(f"{settings.public_url}{link_path}", languages.named_language(context))
    subject = quote(t("setup.mail_subject", domain=sender))
    body = quote(t("setup.mail_body", domain=sender, url=url, brand=settings.brand_name))
    context.form_seed = context.part("token")
    return page_response(
        context,
        "setup.html",
        domain=view.domain,
        unicode=DomainName(sender).unicode,
        plan=view.plan,
        records=records,
        split_at_span=split_at_span,
        advice=partial(advice, stop=language.text(".")),
        checked_at=view.last_check.taken_at if view.last_check else None,
        outcome=outcome(view, records, far),
        far=far,
        faulty=records.faulty,
        steps=setup_steps(records, action),
        action=action,
        to_host=to_host,
        flows_until=flows_until(view.domain),
        way=steps_to_form(records, view, language),
        record_page=dns_hosts.record_page(host, view.plan.zone) if host else None,
        copy_all=plain_text(records, language),
        verified=is_wholly_verified(view.domain),
        old_hosts=[f"{each}._domainkey.{sender}" for each in rotation.removable_selectors(view.domain)],
        link=link,
        sends_mail=setup_links.sends_mail(context.deps),
        hand_on_text=hand_on_text(context, view, link_path),
        url=url,
        mail=f"mailto:?subject={subject}&body={body}",
        version=page_version(view.domain.version, no_worker=no_worker) + (ASKS if to_host.asks else ""),
        no_worker=no_worker,
        **frame(context),
        **addresses(context, link_path, to_host.returned),
    )


def steps_to_form(records: RecordList, view: DomainView, language: Language) -> list[list[str]]:
    """Return the ways to the form of the DNS host as steps; what the host's own pages say stays as they say it."""
    ways = dns_hosts.steps_to_form(records.dns_host, view.plan.zone) if records.dns_host else ()
    return [[language.phrase(step) for step in steps] for steps in ways]


def hand_on_text(context: RequestContext, view: DomainView, link_path: str) -> str:
    """Return the text with the records and the link, for a message of one's own."""
    language = languages.named_language(context)
    recipient = setup_links.MailRecipient(address="", language=language or languages.page_language(context).code)
    return setup_links.text_to_copy(context.deps, view, f"{context.state.settings.public_url}{link_path}", recipient)


def frame(context: RequestContext) -> dict[str, object]:
    """Return how the page is shown: in a frame or not, in which theme, and with a button that closes it or not."""
    return {
        "framed": context.request.headers.get("sec-fetch-dest") == "iframe",
        "theme": context.parameter("theme"),
        "closes": context.parameter("close") == "1",
    }


def addresses(context: RequestContext, link_path: str, returned: str) -> dict[str, object]:
    """Return the addresses that the page asks for, and those of the page in each language."""
    own = context.state.templates.root + link_path
    query = {apply.RETURNED: returned} if returned else {}
    return {
        "own": own,
        "own_query": languages.with_language(context, ""),
        "page": languages.with_language(context, own, **query),
        "news": f"{own}/news",
        "languages": languages.switch(context),
    }


async def send(context: RequestContext) -> Response:
    """Mail the link and the records to a colleague of whoever holds the link."""
    token = context.part("token")
    address, named = context.form.get("to", "").strip(), languages.named_language(context)
    recipient = setup_links.MailRecipient(address=address, language=languages.page_language(context).code)
    await setup_links.send_link(context.deps, token, recipient, context.actor)
    query = {PARAMETER: named} if named else {}
    return redirect(context, f"{setup_links.PATH}{token}", done="mail_sent", **query)


def outcome(view: DomainView, records: RecordList, far: Progress) -> str:
    """Return the set-up's progress as a name of texts.

    "done", "ready" (mail can be sent, and something is left), "next" (a new key waits for its record), "provider" (it
    has yet to check), "risk", "fix" (a record is to be corrected), "ended" or "waiting".
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
        case _ if records.faulty:
            return "fix"
        case HealthState.FAILED if not records.complete:
            return "ended"
        case _:
            return "provider" if records.complete else "waiting"


def next_action(records: RecordList) -> NextAction | None:
    """Return the one thing to do next: first correct what is wrong, then publish what is required, then the rest."""
    for verb, states, required in (
        ("fix", FAULTY, True), ("fix", FAULTY, False), ("add", WAITING, True), ("add", WAITING, False),
    ):  # fmt: skip
        for card in records.cards:
            if card.state in states and card.record.required is required:
                return NextAction(verb=verb, card=card)
    return None


def setup_steps(records: RecordList, action: NextAction | None) -> list[SetupStep]:
    """Return the steps of the set-up in the order of the records."""
    steps = []
    for purpose in dict.fromkeys(purpose_of(card.record.id) for card in records.cards):
        cards = [card for card in records.cards if purpose_of(card.record.id) is purpose]
        state = next((card.state for card in cards if card.state in FAULTY), None)
        state = state or next((card.state for card in cards if card.state != "found"), "found")
        steps.append(SetupStep(purpose=purpose, state=state, is_current=action is not None and action.card in cards))
    return steps


def flows_until(domain: Domain) -> datetime | None:
    """Return when sending stops unless the records come back; None where nothing is at risk."""
    return domain.dkim.stops_sending_at if domain.dkim.state is HealthState.AT_RISK else None


async def zone_file(context: RequestContext) -> Response:
    """Respond with the records as a zone file."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    return zone_text(context, await setup_links.show_linked_domain(context.deps, link))


def zone_text(context: RequestContext, view: DomainView) -> Response:
    """Return a response with a domain's records as a zone file (RFC 1035 5.1), to be saved.

    All names are full: it needs no $ORIGIN, which not every DNS host is known to import.
    """
    head = page_texts(context)("setup.zone_head", domain=view.domain.sender, zone=view.plan.zone)
    lines = [zone_line(each.host, each.rdtype, each.value, each.priority) for each in view.plan.records]
    headers = {"Content-Disposition": f'attachment; filename="{view.domain.sender}.zone"'}
    return Response("\n".join([f"; {head}", *lines, ""]), headers=headers, media_type="text/plain; charset=utf-8")


async def news(context: RequestContext) -> Response:
    """Stream an event whenever the link's domain changed, and have it checked while the page is open."""
    link = await setup_links.find_setup_link(context.deps, context.part("token"))
    asks, ask_at = context.parameter("asks") == "1", 0.0

    async def may_continue() -> bool:
        nonlocal asks, ask_at
        await setup_links.find_setup_link(context.deps, context.part("token"))
        if asks and time.monotonic() >= ask_at:
            view = await setup_links.show_linked_domain(context.deps, link)
            found = await apply.find_apply_link(context, view.domain)
            asks = apply.is_to_ask(found)
            ask_at = 0.0 if found is None else time.monotonic() + SILENCE_SECONDS
        return True

    def mark() -> str:
        return ASKS if asks else ""

    async def note_open() -> None:
        await setup_links.note_page_open(context.deps, link)

    watched = Watched(link.account_id, link.id, link.domain_id)
    return stream_news(context, watched, StreamHooks(may_continue, note_open, mark))


PAGES = (
    Endpoint(method="GET", path="/setup/{token}", serve=show_setup, access=Access.OPEN),
    Endpoint(method="POST", path="/setup/{token}/send", serve=send, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/zone", serve=zone_file, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/news", serve=news, access=Access.OPEN),
)
