"""Links to a domain's set-up page: make, list, revoke, follow; whoever opens one can see this one domain."""

import base64
from datetime import timedelta
from typing import Protocol

import msgspec
import structlog

from letterhead.core.accounts.accounts import is_reachable_address, is_reachable_url
from letterhead.core.accounts.setup_links import MOST_LIVE, TOKEN_OCTETS, WATCHED_FOR, SetupLink, is_valid
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.progress import Step, progress
from letterhead.core.languages.language import ENGLISH, LanguageReader
from letterhead.core.languages.negotiation import address_in
from letterhead.core.plan import dns_hosts
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.schedule.setup_mail import SetupEmailInput, setup_email, setup_text
from letterhead.errors import Fault, Kind
from letterhead.operations import mail_limits
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.daily_limits import LINKS_A_DAY, count_daily
from letterhead.operations.domains import DomainView, DomainViewNeeds, find_domain, plan_of, view
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.ports.deps import Digest, OperationSettings
from letterhead.ports.mail import DeliveryResult, Mailer
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.sessions import SessionStore

PATH = "/setup/"
BY_LINK = 5  # mails that whoever holds a link may send at once, and then in a day
AGAIN = timedelta(seconds=5)  # between two checks of a domain whose page is open

log = structlog.get_logger()


class StoreForSetupLinks(SessionStore, DomainStore, LeaseStore, AccountStore, Protocol):
    """Set-up links, their domains and accounts, when each domain is checked next, and how often mail is sent."""


class SetupLinkNeeds(DomainViewNeeds, IdNeeds, AuditNeeds, Protocol):
    """What the operations on set-up links need."""

    @property
    def store(self) -> StoreForSetupLinks: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def mailer(self) -> Mailer | None: ...
    @property
    def hosts(self) -> tuple[DnsHost, ...]: ...
    @property
    def languages(self) -> LanguageReader: ...


class MailRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Who is sent a link, and in which language; the page is in that language too. None: English, and the page asks."""

    address: str
    language: str | None = None


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """A new link with its URL, which is shown only this once."""

    link: SetupLink
    url: str
    sent_to: str | None = None  # whom the mail server took a mail for
    problem: str | None = None  # why no mail was sent
    ended: tuple[str, ...] = ()  # the ids of the links that ended, since it would be one too many


async def make_link(deps: SetupLinkNeeds, account_id: str, raw: str, days: int, actor: Actor) -> NewLink:
    """Make a link that somebody asked for; Faults `not-found`, `too-many-requests` for too many a day."""
    domain = await find_domain(deps, account_id, raw)
    await count_daily(deps, account_id, "set-up links", LINKS_A_DAY)
    return await make_uncounted_link(deps, domain, days, actor)


async def make_uncounted_link(deps: SetupLinkNeeds, domain: Domain, days: int, actor: Actor) -> NewLink:
    """Make a link to a domain's set-up page that works for some days.

    At most MOST_LIVE of a domain live: a further one ends the link that was not opened, or made, for longest.
    """
    token = base64.urlsafe_b64encode(deps.random_octets(TOKEN_OCTETS)).decode().rstrip("=")
    now = deps.now()
    link = SetupLink(
        id=new_id(deps, "link"),
        account_id=domain.account_id,
        domain_id=domain.id,
        created_at=now,
        ends_at=now + timedelta(days=days),
    )
    row = audit_row(deps, actor, "setup-link.make", f"{domain.sender} {link.id}")
    ended = await deps.store.add_setup_link(link, _digest(deps, token), MOST_LIVE, row)
    return NewLink(link=link, url=f"{deps.policy.public_url}{PATH}{token}", ended=tuple(ended))


def _digest(deps: SetupLinkNeeds, token: str) -> bytes:
    # No API key's text begins so: the uses of the pepper can't meet.
    return deps.digest(f"setup|{token}")


async def make_and_send_link(
    deps: SetupLinkNeeds, account_id: str, raw: str, days: int, recipient: MailRecipient, actor: Actor
) -> NewLink:
    """Make a link and mail it with the records; where the mail fails, the link is there and `problem` says why.

    Faults: `not-found`, `parameter-invalid` for the address, `conflict` where no mail server is set,
    `too-many-requests`.
    """
    await find_domain(deps, account_id, raw)
    mailer = mail_limits.find_mailer(deps)
    to = mail_limits.parse_recipient(recipient.address)
    recipient = msgspec.structs.replace(recipient, address=to)
    await mail_limits.count_mail(deps, account_id, to)
    made = await make_link(deps, account_id, raw, days, actor)
    problem = await _mail(deps, mailer, made.link, made.url, recipient, actor)
    return msgspec.structs.replace(made, sent_to=None if problem else to, problem=problem)


async def send_link(deps: SetupLinkNeeds, token: str, recipient: MailRecipient, actor: Actor) -> str:
    """Mail an existing link with the records, for whoever holds it, and return the address.

    Faults: `not-found`, `parameter-invalid` for the address, `conflict` where no mail server is set,
    `too-many-requests`, `provider-failed` where the mail server did not take it.
    """
    link = await find_setup_link(deps, token)
    mailer = mail_limits.find_mailer(deps)
    to = mail_limits.parse_recipient(recipient.address)
    recipient = msgspec.structs.replace(recipient, address=to)
    # The link's limit comes first, so that whoever holds one link can't use up what its account may send.
    await mail_limits.count_mail(deps, link.account_id, to, (f"setup mail by {link.id}", BY_LINK))
    actor = msgspec.structs.replace(actor, name=link.id, account_id=link.account_id)
    problem = await _mail(deps, mailer, link, f"{deps.policy.public_url}{PATH}{token}", recipient, actor)
    if problem:
        raise Fault(
            Kind.PROVIDER_FAILED, f"The message to {to} was not sent.", "Copy the text instead, or try again later."
        )
    return to


def sends_mail(deps: SetupLinkNeeds) -> bool:
    """Tell whether a mail server is set, by which links can be sent."""
    return deps.mailer is not None


async def _mail(
    deps: SetupLinkNeeds, mailer: Mailer, link: SetupLink, url: str, recipient: MailRecipient, actor: Actor
) -> str | None:
    """Send the mail, audit it, and return why it was not sent, or None."""
    to = recipient.address
    shown = await show_linked_domain(deps, link)
    account = await deps.store.account(link.account_id)
    reply_to = account.email if account is not None and is_reachable_address(account.email) else None
    given = _email_input(deps, shown, url, recipient, reply_to)
    sent = await mailer.send(setup_email(given))
    row = audit_row(deps, actor, "setup-link.send", f"{shown.domain.sender} {link.id} to {to}: {sent.result}")
    await deps.store.audit(row)
    log.info("setup-link.sent", link=link.id, post=sent.result, said=sent.said)
    taken = sent.result in (DeliveryResult.ACCEPTED, DeliveryResult.UNKNOWN)
    return None if taken else f"The mail server did not take the message to {to}."


def _email_input(
    deps: SetupLinkNeeds, shown: DomainView, url: str, recipient: MailRecipient, reply_to: str | None
) -> SetupEmailInput:
    seen = shown.last_check.snapshot.seen() if shown.last_check else {}
    delegated = dns_hosts.delegation(shown.plan.sender, seen)
    servers = tuple(each.name for each in delegated.servers) if delegated else ()
    return SetupEmailInput(
        to=recipient.address,
        name=f"{new_id(deps, 'setup')}.{deps.policy.installation}",
        reply_to=reply_to,
        brand=deps.policy.brand_name,
        plan=shown.plan,
        dns_host=dns_hosts.host_of(servers, deps.hosts),
        url=address_in(url, recipient.language) if is_reachable_url(url) else None,
        language=deps.languages(recipient.language or ENGLISH.code),
    )


def text_to_copy(deps: SetupLinkNeeds, shown: DomainView, url: str, recipient: MailRecipient) -> str:
    """Return the mail's text, for a person who passes it on."""
    return setup_text(_email_input(deps, shown, url, recipient, None))


async def list_links(deps: SetupLinkNeeds, account_id: str, raw: str) -> list[SetupLink]:
    """List the links of one of the account's domains that work, without their URLs; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await deps.store.setup_links(domain.id, deps.now())


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
