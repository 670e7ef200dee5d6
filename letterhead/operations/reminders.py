"""Reminders by mail, each sent at most once: marked as handed over first, then handed to the mail server.

A process that is killed in between does not send it again. Only a refusal before the server took it gives it back.
"""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, is_reachable_url
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.core.domain.progress import progress
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.languages.language import ENGLISH
from letterhead.core.languages.negotiation import address_in
from letterhead.core.schedule import reminders as rules
from letterhead.core.schedule.recipients import Recipient, reminder_recipients
from letterhead.core.schedule.reminder_mail import Email, ReminderInput, reminder_email
from letterhead.core.zone import resolver_outage
from letterhead.operations import setup_links
from letterhead.operations.accounts import AccountNeeds
from letterhead.operations.audit import WORKER
from letterhead.operations.confirmed_addresses import reachable_email
from letterhead.operations.domains import list_last_checks, plan_of, view
from letterhead.operations.opt_outs import contact_opt_out_url, opt_out_url
from letterhead.operations.setup_links import SetupLinkNeeds, StoreForSetupLinks
from letterhead.operations.translated_findings import translate_view
from letterhead.ports.mail import DeliveryResult, Mailer, SendResult
from letterhead.ports.store.alerts import AlertStore
from letterhead.ports.store.reminders import DueReminder, ReminderStore
from letterhead.ports.tracing import SpanKind, Tracer

DOMAINS = "/dashboard/domains/"
LINK_DAYS = 14  # the life of a set-up link in a reminder

log = structlog.get_logger()


class StoreForReminders(StoreForSetupLinks, ReminderStore, AlertStore, Protocol):
    """Reminders, and the domains and accounts that they are about."""


class ReminderNeeds(AccountNeeds, SetupLinkNeeds, Protocol):
    """What the operations on reminders need."""

    @property
    def store(self) -> StoreForReminders: ...
    @property
    def mailer(self) -> Mailer | None: ...
    @property
    def tracer(self) -> Tracer: ...


async def send(deps: ReminderNeeds, due: DueReminder, owner: str) -> None:
    """Send one reminder that `owner` has claimed, or settle it with the reason why it is not sent."""
    domain, account = await deps.store.domain_by_id(due.domain_id), await deps.store.account(due.account_id)
    if domain is None or account is None or not rules.is_still_due(due.reminder, domain, deps.now()):
        await deps.store.settle_reminder(due.id, "moot", "there is nothing to remind of any more", None)
    elif resolver_outage.is_resolver_outage(await deps.store.resolver_outage()):
        again = deps.now() + rules.WAITS
        await deps.store.postpone_reminder(due.id, again, "our own resolvers are out: nobody is reminded")
    else:
        await deps.store.queue_alerts(due.id, due.account_id, deps.now())
        await _send_mail(deps, due, domain, account, owner)


async def _send_mail(deps: ReminderNeeds, due: DueReminder, domain: Domain, account: Account, owner: str) -> None:
    """Mail one reminder to those whom it concerns, or settle it with the reason why it is not mailed."""
    # An acceptance is the account's own: its contact can't renew one.
    is_own = due.reminder.kind is rules.ReminderKind.ACCEPTANCE_ENDED
    profile = DomainProfile() if is_own else await deps.store.profile(domain.id)
    recipients = reminder_recipients(account, profile)
    if not recipients:
        outcome, why = "no-address", "the account has no address that mail can reach"
        if not account.reminders:
            outcome, why = "opted-out", "the account wants no reminders"
        await deps.store.settle_reminder(due.id, outcome, why, None)
    elif deps.mailer is None:
        await deps.store.settle_reminder(due.id, "no-mail-server", "no mail server is set", None)
    else:
        findings = await _findings_of(deps, due.reminder, domain)
        if not findings and due.reminder.kind is rules.ReminderKind.ACCEPTANCE_ENDED:
            await deps.store.settle_reminder(due.id, "moot", "what was accepted is there no more", None)
            return
        setup_url = await _setup_url(deps, due.reminder, domain) if is_reachable_url(deps.policy.public_url) else None
        written = ReminderInput(
            reminder=due.reminder,
            domain=domain,
            findings=findings,
            to=account.email,
            name=f"reminder-{due.id}",
            unsubscribe="",
            brand=deps.policy.brand_name,
            progress=progress(domain, plan_of(deps, domain), deps.now()).sentence,
            setup_url=setup_url,
        )
        emails = [
            await _address_contact(deps, written, account, profile.contact)
            if each.is_contact and profile.contact
            else _address(deps, written, account, each)
            for each in recipients
        ]
        if await deps.store.mark_handed_over(due.id, owner, deps.now()):
            await _hand_over(deps, deps.mailer, due, list(zip(recipients, emails, strict=True)))


def _address(deps: ReminderNeeds, written: ReminderInput, account: Account, to: Recipient) -> Email:
    """Write the message to the account: all have one set-up link, and each a link of its own that ends them."""
    reachable = is_reachable_url(deps.policy.public_url)
    domain_url = f"{deps.policy.public_url}{DOMAINS}{quote(written.domain.sender, safe='')}" if reachable else None
    own = replace(written, domain_url=domain_url, unsubscribe=opt_out_url(deps, account.id))
    return reminder_email(replace(own, to=to.email, name=f"{written.name}.{deps.policy.installation}"))


async def _address_contact(deps: ReminderNeeds, written: ReminderInput, account: Account, contact: Contact) -> Email:
    """Write the message to the domain's contact, in the contact's language, which its links carry."""
    language, domain, url = deps.languages(contact.language or ENGLISH.code), written.domain, written.setup_url
    theirs = replace(
        written,
        contact_for=account.name,
        reply_to=reachable_email(account),
        to=contact.email,
        name=f"{written.name}-contact.{deps.policy.installation}",
        unsubscribe=contact_opt_out_url(deps, domain.id, contact),
        setup_url=None if url is None else address_in(url, contact.language),
    )
    if language is not ENGLISH:
        shown = translate_view(deps, await view(deps, domain), language)
        theirs = replace(
            theirs,
            language=language,
            findings=shown.last_check.findings if shown.last_check else (),
            progress=progress(domain, shown.plan, deps.now(), language).sentence,
        )
    return reminder_email(theirs)


async def _hand_over(
    deps: ReminderNeeds, mailer: Mailer, due: DueReminder, messages: Sequence[tuple[Recipient, Email]]
) -> None:
    """Hand the messages over, the contact's first; one that is refused for now comes again if it is the first.

    Those after the first are copies: they are tried once, and what became of them changes nothing but the detail. Where
    the contact's address is refused for good, the account's message is what was sent.
    """
    known: dict[str, str | int] = {
        "letterhead.domain_id": due.domain_id,
        "letterhead.account_id": due.account_id,
        "letterhead.attempts": due.attempts,
    }
    with deps.tracer.span(f"reminder {due.reminder.kind}", SpanKind.CLIENT, known) as span:
        sent, now = await mailer.send(messages[0][1]), deps.now()
        span.set({"letterhead.outcome": sent.result})
        if sent.result is not DeliveryResult.ACCEPTED:
            span.fail(sent.result)
    if sent.result is DeliveryResult.LATER:
        _log(due, sent)
        await deps.store.postpone_reminder(due.id, now + rules.retry_in(due.attempts), sent.said)
        return
    results = [sent]
    for recipient, email in messages[1:]:
        if sent.result is DeliveryResult.REFUSED or not recipient.is_fallback:
            results.append(await mailer.send(email))
    for each in results:
        _log(due, each)
    said = "; ".join(each.said for each in results)
    if any(each.result is DeliveryResult.ACCEPTED for each in results):
        await deps.store.settle_reminder(due.id, "sent", said, now)
    else:
        await deps.store.settle_reminder(due.id, sent.result.value, said, None)


def _log(due: DueReminder, sent: SendResult) -> None:
    log.info("reminder.handed", kind=due.reminder.kind, step=due.reminder.step, post=sent.result, said=sent.said)


async def _findings_of(deps: ReminderNeeds, reminder: rules.Reminder, domain: Domain) -> Sequence[Finding]:
    """Return what a reminder may list of the domain's last check."""
    last = (await list_last_checks(deps, [domain])).get(domain.id)
    found = last.findings if last else ()
    if reminder.kind is rules.ReminderKind.ACCEPTANCE_ENDED:
        return rules.findings_accepted_until(reminder, domain, found)
    return found


async def _setup_url(deps: ReminderNeeds, reminder: rules.Reminder, domain: Domain) -> str | None:
    """Make a link to the domain's set-up page for one reminder; None where nothing is left to do there."""
    if reminder.kind in (rules.ReminderKind.RESTORED, rules.ReminderKind.ACCEPTANCE_ENDED):
        return None
    actor = replace(WORKER, account_id=domain.account_id)
    return (await setup_links.make_uncounted_link(deps, domain, LINK_DAYS, actor)).url
