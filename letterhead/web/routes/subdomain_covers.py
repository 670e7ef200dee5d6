"""Endpoints of who may send from a name: by a claim to it, or to a name above it that covers it."""

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from letterhead.core.domain.cover_notes import CoverDmarc
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.subdomain_cover import CoverDecision
from letterhead.errors import Kind
from letterhead.operations import subdomain_covers
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.routes.domains import NAMES
from letterhead.web.schemas_covers import (
    CanSendOut,
    CanSendQuery,
    CoverDmarcOut,
    CoveringDomainOut,
    CoverNoteOut,
    CoversQuery,
    SignatureOut,
)
from letterhead.web.serialize import given, json_response

TOPIC = "Names below a domain"


async def can_send(context: RequestContext) -> Response:
    """Decides whether the account may send mail from a name or an address now, who signs it, and why not.

    The most specific verified domain of the account decides; docs/subdomains.md has the rules. For a name that is
    covered by a domain above it, DNS is asked for the DMARC policy, once in 5 s, unless `dns=false`.
    """
    query = context.query(CanSendQuery)
    name = subdomain_covers.parse_from(context.deps, query.sent_from)
    found = await subdomain_covers.decide_cover(context.deps, context.account_id, name)
    decision, signer = found.decision, found.signer
    if query.dns and decision.is_covered and signer is not None:
        decision = subdomain_covers.with_dmarc(found, await _dmarc(context, name, signer))
    return json_response(
        CanSendOut(
            name=name,
            can_send=decision.can_send,
            reason=decision.rule.code,
            detail=decision.why,
            fix=decision.fix or UNSET,
            covered_by=given(decision.own if found.decision.is_covered else None),
            taken_out=given(decision.taken),
            signature=(
                SignatureOut(domain=signer.sender, selector=signer.selector)
                if decision.can_send and signer is not None
                else UNSET
            ),
            dmarc=_dmarc_out(decision),
            checked_at=context.deps.now(),
        )
    )


async def _dmarc(context: RequestContext, name: str, signer: Domain) -> CoverDmarc:
    """Ask DNS, within the account's budget of checks on request; what was seen a moment ago is seen again."""

    async def make() -> CoverDmarc:
        return await subdomain_covers.read_cover_dmarc(context.deps, context.account_id, name, signer)

    # By the version of the domain too: whether its MAIL FROM is verified is part of the result. Keys of the account
    # share it: one that is bound to domains comes here with a name and a signer of its own alone.
    asked = f"can-send {name} {signer.id} {signer.version}"
    return (await context.state.on_demand.looks.once(context.account_id, asked, make, octets=lambda _: 0)).value


def _dmarc_out(decision: CoverDecision) -> CoverDmarcOut | UnsetType:
    dmarc = decision.dmarc
    if dmarc is None:
        return UNSET
    return CoverDmarcOut(
        policy=dmarc.policy,
        host=given(dmarc.host),
        aligned=dmarc.is_aligned if dmarc.answered else UNSET,
        notes=tuple(
            CoverNoteOut(code=each.code, severity="warning" if each.is_warning else "tip", text=each.text)
            for each in decision.notes
        ),
    )


async def list_covers(context: RequestContext) -> Response:
    """Lists the verified domains whose key signs for the names below them, each with the names that are taken out.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one. Signing tables are made from it.
    """
    query = context.query(CoversQuery)
    after = "" if isinstance(query.cursor, UnsetType) else query.cursor
    found = await subdomain_covers.list_covering(context.deps, context.account_id, after, query.limit)
    headers = {}
    if len(found) == query.limit:
        headers = context.link_to_next(limit=query.limit, cursor=found[-1].sender)
    listed = [CoveringDomainOut(sender=each.sender, taken_out=each.taken_out, whole=each.is_whole) for each in found]
    return json_response(listed, headers)


ENDPOINTS = (
    Endpoint(
        method="GET", path="/can-send", serve=can_send, access=Access.READ, topic=TOPIC, answer=CanSendOut,
        query=CanSendQuery, for_bound=True, faults=(Kind.PARAMETER_INVALID, *NAMES),
    ),
    Endpoint(
        method="GET", path="/covers", serve=list_covers, access=Access.READ, topic=TOPIC,
        answer=list[CoveringDomainOut], query=CoversQuery, for_bound=True, faults=(Kind.PARAMETER_INVALID,),
    ),
)  # fmt: skip
