"""Knows the pages of proofs: how a receiver sees one message of a domain."""

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.domain import Domain
from letterhead.core.names.domain_names import DomainName
from letterhead.operations import domains, proofs
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent, ReceivedMessage
from letterhead.web.pages.view import HOME, View, Visitor, domain_path
from letterhead.web.proving import judged
from letterhead.web.responses import Answer


async def show(visitor: Visitor) -> Answer:
    """Shows the form to give a message, or to have one sent."""
    return _shown(visitor, await _domain(visitor))


async def judge(visitor: Visitor) -> Answer:
    """Judges the message that was given."""
    domain, form = await _domain(visitor), visitor.form
    given = ReceivedMessage(
        octets=form.get("raw", "").encode("utf-8", "replace"),
        client_ip=form.get("clientIp", "").strip()[:45] or None,
        mail_from=form.get("mailFrom", "").strip()[:320] or None,
    )
    found = await judged(visitor.desk.house, visitor.account_id, domain.sender, given, visitor.actor)
    return _shown(visitor, domain, found=found)


async def send(visitor: Visitor) -> Answer:
    """Has a message sent, and leads to where it is waited for."""
    sent = await proofs.send(visitor.deps, visitor.account_id, visitor.part("sender"), visitor.actor)
    return visitor.go(f"{domain_path(sent.sender)}/proof/{sent.id}")


async def look(visitor: Visitor) -> Answer:
    """Looks for a message that was sent, and shows the verdict once it has arrived."""
    domain = await _domain(visitor)
    found = await proofs.find_proof(visitor.deps, visitor.account_id, domain.sender, visitor.part("proofId"))
    return _shown(visitor, domain, found=found)


async def _domain(visitor: Visitor) -> Domain:
    return await domains.find_domain(visitor.deps, visitor.account_id, visitor.part("sender"))


def _shown(visitor: Visitor, domain: Domain, *, found: ProofSent | AuthenticatedMessage | None = None) -> Answer:
    return visitor.show(
        "proof.html",
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        sent=found if isinstance(found, ProofSent) else None,
        proof=found.proof if isinstance(found, AuthenticatedMessage) else None,
        may_send=visitor.deps.proofs is not None,
    )


ONE = f"{HOME}/domains/{{sender}}/proof"
VIEWS = (
    View(method="GET", path=ONE, serve=show),
    View(method="POST", path=ONE, serve=judge, needs=Scope.WRITE),
    View(method="POST", path=f"{ONE}/send", serve=send, needs=Scope.WRITE),
    View(method="GET", path=f"{ONE}/{{proofId}}", serve=look),
)
