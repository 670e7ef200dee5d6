"""The way from the set-up page to the customer's DNS host, which adds the records, and back (Domain Connect)."""

import asyncio
from dataclasses import dataclass

from starlette.responses import Response

from letterhead.core.check.translated import translate_findings
from letterhead.core.domain.domain import Domain
from letterhead.core.domain_connect.apply_link import ApplyLink, ApplyLinkReason, no_link
from letterhead.core.languages.language import Language
from letterhead.errors import Fault
from letterhead.operations import apply_links, apply_returns
from letterhead.operations.apply_returns import ApplyReturn
from letterhead.operations.domains import DomainView
from letterhead.operations.setup_links import PATH
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import redirect
from letterhead.web.serialize import JSON

RETURNED = "applied"  # the parameter of the set-up page's address that says how it went at the DNS host
PAGE_SECONDS = 0.3  # that a page waits for a DNS host to say whether it can add the records: usually that is kept
# What the set-up page says in place of leading to the DNS host; for every other reason it is "unsupported".
_SAID = {
    ApplyLinkReason.NOTHING_TO_ADD: "nothing",
    ApplyLinkReason.RECORDS_COLLIDE: "collides",
    ApplyLinkReason.HOST_UNREACHABLE: "silent",
    ApplyLinkReason.DNS_UNANSWERED: "silent",
}
COLLIDES = _SAID[ApplyLinkReason.RECORDS_COLLIDE]
LEFT = "left"  # what is missing has no place in the template
NOT_LED = frozenset({*_SAID.values(), LEFT, "unsupported"})
SENTENCES = frozenset({*ApplyReturn, *NOT_LED})  # each with a text `setup.applied_…`


@dataclass(frozen=True, slots=True, kw_only=True)
class WayToHost:
    """The link to the DNS host, if there is one; how a return from there went; whether the host is still being asked.

    `host` is the name of the DNS host, where it is known; `returned` that of a sentence, empty where nobody comes back.
    `detail` says what is in the way, and what to do first.
    """

    link: ApplyLink | None
    host: str | None
    returned: str
    asks: bool
    detail: str | None = None


async def find_apply_link(context: RequestContext, domain: Domain, *, fresh: bool = False) -> ApplyLink | None:
    """Return how the domain's DNS host can add the records; None where it has not answered yet.

    A page does not wait for it: it is asked in the background, and its answer is there for who asks again.
    """
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            return await apply_links.find_apply_link(context.deps, context.state.on_demand, domain, fresh=fresh)
    except TimeoutError:
        return None
    except Fault as fault:  # such as too many requests: the page is of use without the button
        return no_link(ApplyLinkReason.HOST_UNREACHABLE, fault.detail)


def is_to_ask(link: ApplyLink | None) -> bool:
    """Tell whether an open page asks again: there is no answer yet, or nobody gave one."""
    return link is None or link.is_silence


async def show_way(context: RequestContext, view: DomainView, language: Language) -> WayToHost:
    """Return what the set-up page shows of the way to the DNS host; the view's findings are in the language."""
    returned = context.parameter(RETURNED)
    is_refused = returned in NOT_LED  # by a look at DNS a moment ago: the last check may not know why
    link = await find_apply_link(context, view.domain, fresh=is_refused)
    is_added = returned == ApplyReturn.ADDED  # what was just added is watched for, and not asked for again
    return WayToHost(
        link=link if link is not None and link.supported and not is_added else None,
        host=link.host if link is not None else None,
        returned=returned if returned in SENTENCES else "",
        asks=is_to_ask(link) and not is_added and not is_refused,
        detail=_what_collides(link, view, language) if link is not None and returned == COLLIDES else None,
    )


def _what_collides(link: ApplyLink, view: DomainView, language: Language) -> str | None:
    """Return what is in the way of a link, and what to do first; None where nothing is, or not any more."""
    if link.reason is not ApplyLinkReason.RECORDS_COLLIDE or link.detail is None:
        return None
    if link.finding is None:
        return language.phrase(link.detail)
    found_again = view.last_check.findings if view.last_check else ()
    (finding,) = translate_findings((link.finding,), found_again, language)
    return f"{finding.detail} {finding.fix}"


async def lead_to_host(context: RequestContext) -> Response:
    """Redirect to the DNS host, with a signed link that leads back; to the set-up page where there is no such link."""
    token = context.part("token")
    made = await apply_returns.begin_apply(context.deps, context.state.on_demand, token)
    if made.url is None:
        said = _SAID.get(made.reason, "unsupported") if made.reason is not None else "unsupported"
        said = LEFT if said == "nothing" and made.left else said
        return redirect(context, f"{PATH}{token}", **{RETURNED: said})
    return Response(status_code=303, headers={"Location": made.url}, media_type=JSON)


async def take_return(context: RequestContext) -> Response:
    """Accept a return from the DNS host, and redirect to the set-up page, which says how it went."""
    token, given = context.part("token"), context.parameter
    if context.is_preview:  # a state counts once: it is for the person who comes after this
        return redirect(context, f"{PATH}{token}")
    told = await apply_returns.finish_apply(
        context.deps, token, given("state"), given("error"), given("error_description"), context.actor
    )
    return redirect(context, f"{PATH}{token}", **{RETURNED: told.value})


PAGES = (
    Endpoint(method="GET", path="/setup/{token}/apply", serve=lead_to_host, access=Access.OPEN),
    Endpoint(method="GET", path="/setup/{token}/applied", serve=take_return, access=Access.OPEN),
)
