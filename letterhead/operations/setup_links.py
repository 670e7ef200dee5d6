"""Links to a domain's set-up page: make, list, revoke, follow; whoever opens one can see this one domain."""

import base64
from datetime import timedelta
from typing import Protocol

import msgspec

from letterhead.core.accounts.setup_links import TOKEN_OCTETS, WATCHED_FOR, SetupLink, is_valid
from letterhead.core.domain.progress import Step, progress
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.domains import DomainView, DomainViewNeeds, find_domain, plan_of, view
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.ports.deps import Digest, OperationSettings
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.sessions import SessionStore

PATH = "/setup/"
AGAIN = timedelta(seconds=5)  # between two checks of a domain whose page is open


class StoreForSetupLinks(SessionStore, DomainStore, LeaseStore, Protocol):
    """Set-up links, their domains, and when each domain is checked next."""


class SetupLinkNeeds(DomainViewNeeds, IdNeeds, AuditNeeds, Protocol):
    """What the operations on set-up links need."""

    @property
    def store(self) -> StoreForSetupLinks: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def policy(self) -> OperationSettings: ...


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """A new link with its URL, which is shown only this once."""

    link: SetupLink
    url: str


async def make_link(deps: SetupLinkNeeds, account_id: str, raw: str, days: int, actor: Actor) -> NewLink:
    """Make a link to a domain's set-up page that works for some days; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    token = base64.urlsafe_b64encode(deps.random_octets(TOKEN_OCTETS)).decode().rstrip("=")
    now = deps.now()
    link = SetupLink(
        id=new_id(deps, "link"),
        account_id=account_id,
        domain_id=domain.id,
        created_at=now,
        ends_at=now + timedelta(days=days),
    )
    row = audit_row(deps, actor, "setup-link.make", f"{domain.sender} {link.id}")
    await deps.store.add_setup_link(link, _digest(deps, token), row)
    return NewLink(link=link, url=f"{deps.policy.public_url}{PATH}{token}")


def _digest(deps: SetupLinkNeeds, token: str) -> bytes:
    # No API key's text begins so: the uses of the pepper can't meet.
    return deps.digest(f"setup|{token}")


async def list_links(deps: SetupLinkNeeds, account_id: str, raw: str) -> list[SetupLink]:
    """List the links of one of the account's domains, without their URLs; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await deps.store.setup_links(domain.id)


async def revoke_link(deps: SetupLinkNeeds, account_id: str, raw: str, link_id: str, actor: Actor) -> None:
    """End a link at once; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    row = audit_row(deps, actor, "setup-link.revoke", f"{domain.sender} {link_id[:80]}")
    if not await deps.store.end_setup_link(domain.id, link_id, deps.now(), row):
        raise Fault(
            Kind.NOT_FOUND,
            f"{domain.sender} has no set-up link {link_id[:80]!r}.",
            "Look at GET /domains/{sender}/setup-links for those it has.",
        )


async def find_setup_link(deps: SetupLinkNeeds, token: str) -> SetupLink:
    """Find the link of a token; Fault `not-found` for one that never was, has run out or was revoked."""
    link = await deps.store.setup_link(_digest(deps, token))
    if link is None:
        raise Fault(
            Kind.NOT_FOUND,
            "There is no set-up page at this address.",
            "Take the whole link from the message you were sent, or ask its sender for a new one.",
        )
    if not is_valid(link, deps.now()):
        raise Fault(
            Kind.NOT_FOUND,
            "This link has ended: it ran out, or it was revoked.",
            "Ask whoever sent it to you for a new one. What is published in DNS already stays as it is.",
        )
    return link


async def show_linked_domain(deps: SetupLinkNeeds, link: SetupLink) -> DomainView:
    """Show the link's domain; Fault `not-found` where it was deleted meanwhile."""
    domain = await deps.store.domain_by_id(link.domain_id)
    if domain is None:
        raise Fault(Kind.NOT_FOUND, "The domain of this link was deleted.", "Ask whoever sent it to you for a new one.")
    return await view(deps, domain)


async def note_page_open(deps: SetupLinkNeeds, link: SetupLink) -> None:
    """Note that the link's page is open, so that its domain is checked soon and every 5 s."""
    now = deps.now()
    domain = await deps.store.domain_by_id(link.domain_id)
    if domain is None:
        return
    await deps.store.note_page_open(domain.id, link.id, now, now + WATCHED_FOR)
    if domain.next_check_at is None or domain.next_check_at > now + AGAIN:
        last = (await deps.store.last_checks([domain.id])).get(domain.id)
        if last is None or progress(domain, plan_of(deps, domain), now).step is not Step.DONE:
            await deps.store.check_sooner(domain.id, now if last is None else max(now, last.taken_at + AGAIN))
