"""Links by which the customer's DNS host adds a domain's records (Domain Connect), or why there is none.

DNS decides first: nobody is sent to a page that would overwrite what others need.
"""

import base64
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from letterhead.core.check.check import CheckJudgement
from letterhead.core.dns.answers import Seen
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Txt
from letterhead.core.domain.domain import Domain
from letterhead.core.domain_connect.apply_link import ApplyLink, ApplyLinkReason, no_link
from letterhead.core.domain_connect.apply_query import ApplyRequest, apply_query, signed_url, template_path
from letterhead.core.domain_connect.choice import choose_records
from letterhead.core.domain_connect.collisions import (
    ExaminedZone,
    collision_questions,
)
from letterhead.core.domain_connect.host_settings import (
    LABEL,
    ApiAddress,
    DomainConnectHost,
    HostSettings,
    SettingsRefused,
    host_by_text,
    parse_settings,
)
from letterhead.core.domain_connect.template import ServiceProvider
from letterhead.core.plan.dns_hosts import delegation
from letterhead.core.public.webhooks import WebhookTarget
from letterhead.errors import Fault, Kind
from letterhead.operations.checks import CheckNeeds
from letterhead.operations.dns_questions import (
    DnsRequest,
    allowance,
    ask_until_answered,
    ask_within,
    domain_allowance,
    examine_within,
    load_check_context,
    load_history,
)
from letterhead.operations.domain_connect_keys import SigningKeyNeeds, StoreForSigningKeys, find_signing_key, sign
from letterhead.operations.domains import plan_of
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.outbound import Fetched, Fetcher
from letterhead.ports.store.domains import DomainStore

SECONDS: Final = 5.0  # for the question that finds the DNS host
STATE_OCTETS: Final = 16
LONGEST_STATE: Final = 200
NO_TEMPLATE: Final = "The operator of this installation has no Domain Connect template. Add the records by hand."
NO_KEY: Final = (
    "DNS serves no public key that would prove a link of this installation. Add the records by hand; the operator is "
    "told what to publish by `letterhead domain-connect key`."
)
NO_PLACE: Final = "What is missing has no place in the operator's template. Add it by hand."
ALL_THERE: Final = "All records are there already. There is nothing to do."


class StoreForApplyLinks(DomainStore, StoreForSigningKeys, Protocol):
    """Domains with their last checks, and the keys that sign links."""


class ApplyLinkNeeds(CheckNeeds, SigningKeyNeeds, Protocol):
    """What making a link needs."""

    @property
    def store(self) -> StoreForApplyLinks: ...
    @property
    def domain_connect_hosts(self) -> tuple[DomainConnectHost, ...]: ...
    @property
    def fetcher(self) -> Fetcher | None: ...


async def find_apply_link(
    deps: ApplyLinkNeeds,
    on_demand: OnDemand,
    domain: Domain,
    *,
    redirect: str | None = None,
    state: str | None = None,
    fresh: bool = True,
) -> ApplyLink:
    """Return a signed link, or why there is none.

    The browser comes back to `redirect` with `state`, made where none is given. Where not `fresh`, the last check is
    believed: enough to show a button, never to hand out the link. Faults: `parameter-invalid`, `too-many-requests`.
    """
    provider, account_id = deps.service_provider, domain.account_id
    if provider is None:
        return no_link(ApplyLinkReason.NOT_CONFIGURED, NO_TEMPLATE)
    check_redirect(provider, redirect, state)
    discoveries = on_demand.discoveries
    key = await discoveries.once(account_id, "domain-connect key", lambda: find_signing_key(deps), lambda _: 0)
    if key.value is None:
        return no_link(ApplyLinkReason.NOT_CONFIGURED, NO_KEY)
    zone = await _examine(deps, on_demand, domain, fresh=fresh)
    choice = choose_records(provider, plan_of(deps, domain), zone)
    if not choice.missing and choice.collision is None:
        nothing = no_link(ApplyLinkReason.NOTHING_TO_ADD, NO_PLACE if choice.left else ALL_THERE)
        return replace(nothing, left=choice.left)
    find = partial(discover, deps, provider, zone.zone)
    found = await discoveries.once(account_id, f"domain-connect {zone.zone}", find, lambda _: 1000, _is_silence)
    settings, collision = found.value, choice.collision
    if isinstance(settings, ApplyLink):
        return settings
    if collision is not None:
        return no_link(collision.reason, collision.detail, settings.name, collision.code, collision.finding)
    state = state or base64.urlsafe_b64encode(deps.random_octets(STATE_OCTETS)).decode().rstrip("=")
    request = ApplyRequest(sender=domain.sender, zone=zone.zone, records=choice.applied, redirect=redirect, state=state)
    query = apply_query(request)
    signed = await sign(deps, key.value, query)
    if signed is None:
        return no_link(ApplyLinkReason.NOT_CONFIGURED, NO_KEY)
    return ApplyLink(
        supported=True,
        host=settings.name,
        url=signed_url(settings, provider, query, *signed),
        width=settings.width,
        height=settings.height,
        state=state,
        records=tuple(each.id for each in choice.applied),
        left=choice.left,
    )


def check_redirect(provider: ServiceProvider, redirect: str | None, state: str | None) -> None:
    """Refuse a redirect to other origins than the operator's: with our signature a DNS host would follow any."""
    if state is not None and (len(state) > LONGEST_STATE or not state.isascii() or not state.isprintable()):
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The parameter 'state' is longer than {LONGEST_STATE} characters, or not of printable ASCII.",
            "Send a random text, such as one of `openssl rand -hex 16`.",
        )
    if redirect is None:
        return
    parts = urlsplit(redirect)
    origin = f"{parts.scheme}://{parts.netloc}"
    plain = len(redirect) < 500 and redirect.isascii() and redirect.isprintable() and " " not in redirect
    if not plain or "\\" in redirect or parts.fragment or origin not in provider.redirect_origins:
        raise Fault(
            Kind.PARAMETER_INVALID,
            "The parameter 'redirectUri' leads to another place than this service's own pages, or is no plain URL.",
            f"Use an address that begins with one of: {', '.join(provider.redirect_origins)}; the operator adds others "
            "by LETTERHEAD_EMBED_ORIGINS.",
        )


# --- what is in DNS ---------------------------------------------------------------------------------------------------


async def _examine(deps: ApplyLinkNeeds, on_demand: OnDemand, domain: Domain, *, fresh: bool) -> ExaminedZone:
    """Return what DNS has, of the last seconds; of the last check where that is enough."""
    if not fresh:
        last = (await deps.store.last_checks([domain.id])).get(domain.id)
        if last is not None:
            seen = last.snapshot.seen()
            return _zone_of(domain, CheckJudgement(results=last.results, findings=last.findings), seen)

    async def make() -> ExaminedZone:
        plan = plan_of(deps, domain)
        history = load_history(deps, domain, await load_check_context(deps, domain))
        request, allowed = DnsRequest(plan=plan, history=history), domain_allowance(deps, domain)
        seen = await ask_until_answered(deps.resolver, request, allowed=allowed)
        answers, judgement = examine_within(allowed, request, seen, deps.hosts)
        if more := collision_questions(domain.sender, judgement.results, answers):
            answers = {**answers, **await ask_within(deps.resolver, more, allowed)}
        return _zone_of(domain, judgement, answers)

    name = f"apply-link {domain.id} {domain.version}"
    found = await on_demand.looks.once(
        domain.account_id, name, make, octets=lambda zone: len(msgspec.json.encode(zone.results)) * 8
    )
    return found.value


def _zone_of(domain: Domain, judgement: CheckJudgement, seen: Seen) -> ExaminedZone:
    delegated = delegation(domain.sender, seen)
    return ExaminedZone(
        zone=delegated.zone if delegated is not None else "",
        results=judgement.results,
        findings=judgement.findings,
        seen=seen,
    )


def _is_silence(found: HostSettings | ApplyLink) -> bool:
    return isinstance(found, ApplyLink) and found.is_silence


# --- the DNS host -----------------------------------------------------------------------------------------------------


async def discover(deps: ApplyLinkNeeds, provider: ServiceProvider, zone: str) -> HostSettings | ApplyLink:
    """Find the zone's DNS host, and whether it has the template; or why not. An unknown zone is an empty text."""
    if not zone:
        said = "Which zone holds the domain is not known: DNS did not say."
        return no_link(ApplyLinkReason.DNS_UNANSWERED, f"{said} Ask again when its nameservers answer.")
    asked = txt_question(f"{LABEL}.{zone}")
    found = seen_records(await deps.resolver.ask([asked], allowance(SECONDS)), asked)
    by_hand = "Add the records by hand."
    if found is NoRecords.UNKNOWN:
        said = f"DNS did not say whether the DNS host of {zone} takes part in Domain Connect ({asked.name})."
        return no_link(ApplyLinkReason.DNS_UNANSWERED, f"{said} Ask again, or add the records by hand.")
    if isinstance(found, NoRecords):
        said = f"The DNS host of {zone} does not take part in Domain Connect: there is no {asked.name}."
        return no_link(ApplyLinkReason.HOST_NOT_ON_DOMAIN_CONNECT, f"{said} {by_hand}")
    texts = [each.text for each in found if isinstance(each, Txt)]
    known = host_by_text(texts, deps.domain_connect_hosts)
    if known is None:
        said = f"{asked.name} names a Domain Connect API that is not known here: it was not asked."
        return no_link(ApplyLinkReason.HOST_NOT_KNOWN, f"{said} {by_hand}")
    host, api = known
    answered = await _fetch(deps, api, f"/v2/{zone}/settings")
    if answered.status == 404:
        said = f"{host.name} does not have the zone {zone}, though {LABEL}.{zone} names it."
        return no_link(ApplyLinkReason.ZONE_DELEGATED_ELSEWHERE, f"{said} {by_hand}", host.name)
    if answered.status is None or not 200 <= answered.status < 300:
        return _unreachable(host, answered)
    try:
        settings = parse_settings(answered.body, host, deps.names.any_suffix)
    except SettingsRefused as refused:
        return no_link(refused.reason, f"{host.name} {refused}. {by_hand}", host.name)
    support = await _fetch(deps, settings.api, template_path(provider))
    if support.status == 404:
        said = f"{settings.name} does not have the template {provider.provider_id}/{provider.service_id}."
        return no_link(ApplyLinkReason.TEMPLATE_NOT_THERE, f"{said} {by_hand}", settings.name)
    if support.status is None or not 200 <= support.status < 300:
        return _unreachable(host, support)
    return settings


async def _fetch(deps: ApplyLinkNeeds, api: ApiAddress, path: str) -> Fetched:
    if deps.fetcher is None:
        return Fetched(status=None, said="nothing is fetched here")
    return await deps.fetcher.fetch(
        WebhookTarget(scheme=api.scheme, host=api.host, port=api.port, path=f"{api.path}{path}")
    )


def _unreachable(host: DomainConnectHost, found: Fetched) -> ApplyLink:
    said = found.said or f"it answered {found.status}"
    detail = f"{host.name} could not be asked whether it has the template: {said}."
    return no_link(
        ApplyLinkReason.HOST_UNREACHABLE, f"{detail} Ask again later, or add the records by hand.", host.name
    )
