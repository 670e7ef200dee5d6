"""Pages of proofs: how a receiver authenticates one message of a domain."""

from starlette.responses import Response

from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.names.domain_names import DomainName
from letterhead.operations import domains, proofs
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent, ReceivedMessage
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import HOME, domain_path, page_response, redirect
from letterhead.web.rate_limits import take_proof


async def show(context: RequestContext) -> Response:
    """Show the form to submit a message, or to have one sent."""
    return _proof_response(context, await _find_domain(context))


async def judge(context: RequestContext) -> Response:
    """Authenticate the submitted message and show the result."""
    domain, form = await _find_domain(context), context.form
    given = ReceivedMessage(
        octets=form.get("raw", "").encode("utf-8", "replace"),
        client_ip=form.get("clientIp", "").strip()[:45] or None,
        mail_from=form.get("mailFrom", "").strip()[:320] or None,
    )
    take_proof(context.state.proof_rates, domain)
    found = await proofs.judge(context.deps, context.account_id, domain.sender, given, context.actor)
    return _proof_response(context, domain, found=found)


async def send(context: RequestContext) -> Response:
    """Send a message, and redirect to the page of its proof."""
    sent = await proofs.send(context.deps, context.account_id, context.part("sender"), context.actor)
    return redirect(context, f"{domain_path(sent.sender)}/proof/{sent.id}")


async def show_sent(context: RequestContext) -> Response:
    """Show the proof of a sent message, with the verdict once the message has arrived."""
    domain, found = await proofs.look_for_proof(
        context.deps, context.state.on_demand, context.account_id, context.part("sender"), context.part("proofId")
    )
    return _proof_response(context, domain, found=found)


async def _find_domain(context: RequestContext) -> Domain:
    return await domains.find_domain(context.deps, context.account_id, context.part("sender"))


def _proof_response(
    context: RequestContext, domain: Domain, *, found: ProofSent | AuthenticatedMessage | None = None
) -> Response:
    return page_response(
        context,
        "proof.html",
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        sent=found if isinstance(found, ProofSent) else None,
        proof=found.proof if isinstance(found, AuthenticatedMessage) else None,
        may_send=context.deps.proofs is not None and lifecycle.may_send(domain, context.deps.now()),
    )


ONE = f"{HOME}/domains/{{sender}}/proof"
PAGES = (
    Endpoint(method="GET", path=ONE, serve=show, access=Access.READ),
    Endpoint(method="POST", path=ONE, serve=judge, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/send", serve=send, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/{{proofId}}", serve=show_sent, access=Access.READ),
)
