"""Pages of proofs: how a receiver sees one message of a domain."""

from starlette.responses import Response

from letterhead.core.domain.domain import Domain
from letterhead.core.names.domain_names import DomainName
from letterhead.operations import domains, proofs
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent, ReceivedMessage
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import HOME, domain_path, page_response, redirect
from letterhead.web.rate_limits import take_proof


async def show(context: RequestContext) -> Response:
    """Shows the form to give a message, or to have one sent."""
    return _shown(context, await _domain(context))


async def judge(context: RequestContext) -> Response:
    """Judges the message that was given."""
    domain, form = await _domain(context), context.form
    given = ReceivedMessage(
        octets=form.get("raw", "").encode("utf-8", "replace"),
        client_ip=form.get("clientIp", "").strip()[:45] or None,
        mail_from=form.get("mailFrom", "").strip()[:320] or None,
    )
    take_proof(context.state.proof_rates, domain)
    found = await proofs.judge(context.deps, context.account_id, domain.sender, given, context.actor)
    return _shown(context, domain, found=found)


async def send(context: RequestContext) -> Response:
    """Send a message, and lead to where it is waited for."""
    sent = await proofs.send(context.deps, context.account_id, context.part("sender"), context.actor)
    return redirect(context, f"{domain_path(sent.sender)}/proof/{sent.id}")


async def look(context: RequestContext) -> Response:
    """Looks for a message that was sent, and shows the verdict once it has arrived."""
    domain = await _domain(context)
    found = await proofs.find_proof(context.deps, context.account_id, domain.sender, context.part("proofId"))
    return _shown(context, domain, found=found)


async def _domain(context: RequestContext) -> Domain:
    return await domains.find_domain(context.deps, context.account_id, context.part("sender"))


def _shown(
    context: RequestContext, domain: Domain, *, found: ProofSent | AuthenticatedMessage | None = None
) -> Response:
    return page_response(
        context,
        "proof.html",
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        sent=found if isinstance(found, ProofSent) else None,
        proof=found.proof if isinstance(found, AuthenticatedMessage) else None,
        may_send=context.deps.proofs is not None,
    )


ONE = f"{HOME}/domains/{{sender}}/proof"
PAGES = (
    Endpoint(method="GET", path=ONE, serve=show, access=Access.READ),
    Endpoint(method="POST", path=ONE, serve=judge, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/send", serve=send, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/{{proofId}}", serve=look, access=Access.READ),
)
