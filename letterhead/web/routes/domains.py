"""Endpoints of sender domains."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from urllib.parse import urlencode

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse

from letterhead.core.accounts.accounts import Scope
from letterhead.core.check.catalogue import DIAGNOSES, similar_codes
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import parse_labels
from letterhead.errors import Fault, Kind
from letterhead.operations import domains, on_demand_checks, private_keys
from letterhead.ports.store.domains import DomainQuery, SealedKeys
from letterhead.web import etags, long_polls, schemas, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.list_cache import CachedList
from letterhead.web.serialize import JSON, json_response

# Domains. Longer lists are encoded in pieces, between which others are served, and one at a time for each account; over
# LONG, the whole list is encoded while it is sent.
LONG, PIECE = 500, 64


async def list_domains(context: RequestContext) -> Response:
    """Gets all sender domains of the account.

    Without parameters it is the whole array, from what is stored. With any it comes in pages of `limit` domains, whose
    `Link` header (RFC 8288) leads to the next one. `If-None-Match` with the last `ETag` is answered by 304 while
    nothing changed. An account's lists of over 64 domains are made one after the other.
    """
    query = context.query(schemas.DomainsQuery)
    if not context.request.url.query:
        return await list_all(context)
    if query.limit > PIECE:
        await context.take_place(context.state.long_answers)
    listed, link = await _page(context, query)
    if query.refresh:
        await on_demand_checks.refresh(context.deps, context.state.on_demand, context.account_id, listed)
        listed, link = await _page(context, query)
    return _tagged_response(context, await _encode_list(context, listed, health=bool(query.expand)), link=link)


async def list_all(context: RequestContext) -> Response:
    """Respond with the whole list, encoded anew only where a domain changed since the last time."""
    secret, lists = _may_see_keys(context), context.state.lists
    is_account = context.caller.binding is None  # the cache has one list for each account, of all its domains
    cached = lists.get(context.account_id) if is_account and not secret else None
    if cached is not None or "if-none-match" in context.request.headers:
        versions = await domains.list_versions(context.deps, context.account_id)
        is_current = cached is not None and cached.versions == versions
        tag = cached.tag if cached is not None and is_current else _tag_of(context, versions)
        if etags.is_known(context.request, tag):
            return Response(status_code=304, headers=etags.headers(tag, secret=secret))
        if cached is not None and is_current:
            return cached.response
    listed, sealed = await _read_up_to_long(context, secret=secret)
    if len(listed) > LONG:  # the audit is written and the tag made before the first octet is sent
        versions = await domains.list_versions(context.deps, context.account_id)
        headers = etags.headers(_tag_of(context, versions), secret=secret)
        keys = secret and await private_keys.may_open(context.deps, f"{len(versions)} domains", context.actor)
        return await _stream(
            context, _encode_pieces(context, {domain_id for domain_id, _ in versions}, keys=keys), headers
        )
    body = await _encode_list(context, listed, keys=await _private_keys(context, listed, sealed))
    versions = [(each.id, each.version) for each in listed]
    tag = _tag_of(context, versions)
    response = Response(body, headers=etags.headers(tag, secret=secret), media_type=JSON)
    if is_account and not secret:
        lists.keep(context.account_id, CachedList(versions, tag, response))
    return response


async def _read_up_to_long(context: RequestContext, *, secret: bool) -> tuple[list[Domain], SealedKeys | None]:
    """Read the account's domains, one over LONG at most; take the account's place where they are many.

    Where they are few and `secret`, their sealed keys come along.
    """
    sealed = None
    if secret:
        read, sealed = await private_keys.list_with_sealed_keys(context.deps, context.account_id, PIECE + 1)
    else:
        read = await domains.list_domains(context.deps, context.account_id, DomainQuery(limit=PIECE + 1))
    if len(read) <= PIECE:
        return read, sealed
    await context.take_place(context.state.long_answers)
    left = DomainQuery(limit=LONG + 1 - len(read), after=read[-1].sender)
    return [*read, *await _read_in_pieces(context, left)], None


async def _read_in_pieces(context: RequestContext, query: DomainQuery) -> list[Domain]:
    """Read a page of domains in pieces, between which others are served."""
    read, wanted = list[Domain](), query.limit or LONG
    while len(read) < wanted:
        piece = replace(query, limit=min(PIECE, wanted - len(read)), after=read[-1].sender if read else query.after)
        found = await domains.list_domains(context.deps, context.account_id, piece)
        read += found
        if len(found) < PIECE:
            break
    return read


async def _stream(context: RequestContext, pieces: AsyncGenerator[bytes, None], headers: dict[str, str]) -> Response:
    """Respond piece by piece; at once to HTTP/1.0, where a list cut short would look complete (RFC 9112 6.3)."""
    if context.request.scope["http_version"] == "1.0":
        return Response(b"".join([piece async for piece in pieces]), headers=headers, media_type=JSON)
    return StreamingResponse(pieces, headers=headers, media_type=JSON)


async def _encode_pieces(
    context: RequestContext, wanted: Collection[str], *, keys: bool
) -> AsyncGenerator[bytes, None]:
    """Encode the wanted domains, each as it is when its piece is read; those deleted by then are left out.

    The tag is made before. At worst the list is newer than its tag, and the next request gets another tag.
    """
    opening, after = b"[", ""
    while True:
        read = await domains.list_domains(context.deps, context.account_id, DomainQuery(limit=PIECE, after=after))
        listed = [each for each in read if each.id in wanted]
        shown = await private_keys.open_keys(context.deps, context.account_id, listed) if keys else {}
        if listed:
            encoded = serialize.encode([serialize.domain(context.deps, each, shown.get(each.id)) for each in listed])
            yield opening + encoded[1:-1]
            opening = b","
        if len(read) < PIECE:
            yield b"]" if opening == b"," else b"[]"
            return
        after = read[-1].sender


async def _encode_list(
    context: RequestContext,
    listed: Sequence[Domain],
    *,
    health: bool = False,
    keys: Mapping[str, private_keys.PrivateKeys] | None = None,
) -> bytes:
    """Encode a list of domains in pieces, between which others are served.

    Their private keys are in it where the caller may see them, unless `keys` says which are.
    """
    if keys is None:
        keys = await _private_keys(context, listed)
    pieces = []
    for begin in range(0, len(listed), PIECE):
        piece, shown = listed[begin : begin + PIECE], dict[str, schemas.Health]()
        if health:
            checkups = await domains.list_last_checks(context.deps, piece)
            now = context.deps.now()
            shown = {each.id: serialize.health(each, checkups.get(each.id), now) for each in piece}
        elif begin:
            await asyncio.sleep(0)
        encoded = [serialize.domain(context.deps, each, keys.get(each.id), shown.get(each.id)) for each in piece]
        pieces.append(serialize.encode(encoded)[1:-1])
    return b"[%b]" % b",".join(pieces)


def _tag_of(context: RequestContext, versions: Sequence[tuple[str, int]]) -> str:
    """Return the ETag of the whole list, made of its domains' versions."""
    return etags.of_versions(context.state.edition(), versions, secret=_may_see_keys(context))


def _may_see_keys(context: RequestContext) -> bool:
    """Whether private keys are shown to this caller."""
    return context.caller.scope is Scope.FULL and context.deps.policy.expose_private_dkim


async def _page(context: RequestContext, query: schemas.DomainsQuery) -> tuple[list[Domain], str | None]:
    """Return the wanted domains, and the Link header to the next page if there is one (RFC 8288).

    Fault `parameter-invalid` for a cursor or the code of a finding that we do not know.
    """
    after = _parse_cursor(query.cursor) if query.cursor else None
    if query.problem and query.problem not in DIAGNOSES:  # an empty list would look like good news
        near = ", ".join(similar_codes(query.problem))
        fix = f"Do you mean {near}?" if near else "docs/findings lists all codes, and so does letterhead explain."
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The query parameter 'problem' is {query.problem!r}: there is no finding with this code.",
            fix,
        )
    limit = query.limit
    page = DomainQuery(
        limit=limit + 1,  # one more shows whether there is a next page
        after=after,
        status=query.status or None,
        contains=query.q.lower() if query.q else None,
        problem=query.problem or None,
        labels=parse_labels(query.label),
    )
    listed = await _read_in_pieces(context, page)
    if len(listed) <= limit:
        return listed, None
    cursor = base64.urlsafe_b64encode(listed[limit - 1].sender.encode()).decode()
    kept = {"status": query.status, "q": query.q, "problem": query.problem, "expand": query.expand}
    parameters = {"limit": limit, "cursor": cursor} | {name: value for name, value in kept.items() if value}
    asked = urlencode(parameters | {"label": page.labels}, doseq=True)
    return listed[:limit], f'<{context.state.settings.public_url}/domains?{asked}>; rel="next"'


def _parse_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as bad:
        raise Fault(
            Kind.PARAMETER_INVALID,
            "The query parameter 'cursor' is none that we gave out.",
            "Take it from a Link header, or leave it away to begin at the first page.",
        ) from bad


async def _private_keys(
    context: RequestContext, listed: Sequence[Domain], sealed: SealedKeys | None = None
) -> dict[str, private_keys.PrivateKeys]:
    """Decrypt the domains' private keys; none where the caller may not see them."""
    if not _may_see_keys(context):
        return {}
    return await private_keys.private_keys(context.deps, context.account_id, listed, context.actor, sealed)


def _tagged_response(context: RequestContext, body: bytes, *, link: str | None = None) -> Response:
    """Respond with a strong ETag over the octets, or by 304 where the client has them already (RFC 9110 13.1.2)."""
    tag = etags.of_octets(body)
    headers = etags.headers(tag, secret=_may_see_keys(context))
    if link:
        headers["Link"] = link
    if etags.is_known(context.request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=JSON)


async def add_domain(context: RequestContext) -> Response:
    """Adds a sender domain, starts its verification, and answers with the whole list.

    The same name again changes nothing. Nobody waits for DNS or for the provider. An `Idempotency-Key` (up to 255
    visible ASCII characters) makes a repeated request harmless for other fields too.
    """
    wish = domain_request(await context.body(schemas.NewDomain))
    account_id, limits = context.account_id, context.caller.limits
    async with context.reading_key(wish.private_key):
        await domains.add_domain(context.deps, account_id, limits, wish, context.idempotency_key())
    return await _respond_with_all(context)


def domain_request(asked: schemas.NewDomain) -> domains.DomainRequest:
    """Return what is asked for as the operation reads it."""
    return domains.DomainRequest(
        sender=asked.sender,
        selector=None if asked.selector is UNSET else asked.selector,
        mail_from=None if asked.mail_from is UNSET else asked.mail_from,
        private_key=None if isinstance(asked.private_key, UnsetType) else asked.private_key,
        start=asked.start_verification,
        delegated=asked.dkim_mode == "delegated",
        accept_short_key=asked.accept_short_key,
        covers_subdomains=None if isinstance(asked.covers_subdomains, UnsetType) else asked.covers_subdomains,
    )


async def _respond_with_all(context: RequestContext) -> Response:
    """Respond with all domains of the account, without private keys."""
    try:
        listed, _ = await _read_up_to_long(context, secret=False)
    except Fault as fault:
        if fault.kind is not Kind.TOO_MANY_REQUESTS:
            raise
        fix = "What was asked for is done. Wait until the account's other lists are sent, then GET /domains."
        raise Fault(fault.kind, fault.detail, fix, retry_after=fault.retry_after) from fault
    if len(listed) <= LONG:
        return Response(await _encode_list(context, listed, keys={}), media_type=JSON)
    versions = await domains.list_versions(context.deps, context.account_id)
    return await _stream(context, _encode_pieces(context, {domain_id for domain_id, _ in versions}, keys=False), {})


async def show_domain(context: RequestContext) -> Response:
    """Shows one sender domain: how each record stands, what was found, what comes next, what was seen.

    With `wait` (seconds) it answers once the domain changes: with `If-None-Match`, since the answer that had this ETag,
    and by 304 where the time is over; else since the request.
    """
    query, sender = context.query(schemas.DomainDetailQuery), context.part("sender")
    view = await domains.show_domain(context.deps, context.account_id, sender)
    if query.wait:
        if "if-none-match" in context.request.headers:
            response = await _respond_with_detail(context, view)
            if response.status_code != 304:
                return response
        await long_polls.wait_for_change(context, view.domain, query.wait)
        view = await domains.show_domain(context.deps, context.account_id, sender)
    return await _respond_with_detail(context, view)


async def _respond_with_detail(context: RequestContext, view: domains.DomainView) -> Response:
    keys = await _private_keys(context, [view.domain])
    body = serialize.encode(serialize.detail(context.deps, view, keys.get(view.domain.id)))
    return _tagged_response(context, body)


async def delete_domain(context: RequestContext) -> Response:
    """Deletes a sender domain: its identity is withdrawn, its private key destroyed, its selector never used again."""
    await domains.delete_domain(context.deps, context.account_id, context.part("sender"), context.actor)
    return json_response(schemas.Done(success=True))


async def start_verification(context: RequestContext) -> Response:
    """Starts verification, or brings the next look forward; answers with the whole list. Never makes a state worse."""
    await domains.start_verification(context.deps, context.account_id, context.caller.limits, context.part("sender"))
    return await _respond_with_all(context)


PROVIDER = (Kind.PROVIDER_FAILED,)
ONE = (Kind.NOT_FOUND,)
NAMES = tuple(kind for kind in Kind if kind.startswith("domain-"))

ENDPOINTS = (
    Endpoint(
        method="GET", path="/domains", serve=list_domains, access=Access.READ, for_bound=True, topic="Sender domains",
        answer=list[schemas.SenderDomain], query=schemas.DomainsQuery, headers=("If-None-Match",), statuses=(304,),
        faults=(Kind.PARAMETER_INVALID, Kind.LABEL_INVALID, *PROVIDER),
    ),
    Endpoint(
        method="POST", path="/domains", serve=add_domain, access=Access.WRITE, for_bound=True, topic="Sender domains",
        answer=list[schemas.SenderDomain], body=schemas.NewDomain, headers=("Idempotency-Key",),
        faults=(
            *NAMES, Kind.SELECTOR_INVALID, Kind.MAIL_FROM_INVALID, Kind.KEY_INVALID, Kind.PARAMETER_INVALID,
            Kind.USAGE_LIMIT_EXCEEDED, Kind.SELECTOR_USED, Kind.IDEMPOTENCY_KEY_REUSED, Kind.KEY_BOUND,
        ),
    ),
    Endpoint(
        method="GET", path="/domains/{sender}", serve=show_domain, access=Access.READ, topic="Sender domains",
        answer=schemas.DomainDetail, query=schemas.DomainDetailQuery, headers=("If-None-Match",), statuses=(304,),
        faults=(*ONE, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="DELETE", path="/domains/{sender}", serve=delete_domain, access=Access.WRITE, topic="Sender domains",
        answer=schemas.Done, faults=(*ONE, Kind.CONFLICT), free=True,
    ),
    Endpoint(
        method="POST", path="/domains/{sender}/start-verification", serve=start_verification, access=Access.WRITE,
        topic="Sender domains", answer=list[schemas.SenderDomain], faults=(*ONE, Kind.CONFLICT),
    ),
)  # fmt: skip
