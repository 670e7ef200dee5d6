"""Reminders by mail, each sent at most once: marked as handed over first, then handed to the mail server.

A process that is killed in between does not send it again. Only a refusal before the server took it gives it back.
"""

import base64
import hmac
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, is_reachable_address, is_reachable_url
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.progress import progress
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.schedule import reminders as rules
from letterhead.core.schedule.reminder_mail import Email, ReminderInput, reminder_email
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.operations import setup_links
from letterhead.operations.accounts import AccountNeeds, AccountUpdate, change_account
from letterhead.operations.audit import WORKER, Actor
from letterhead.operations.domains import list_last_checks, plan_of
from letterhead.operations.setup_links import SetupLinkNeeds, StoreForSetupLinks
from letterhead.ports.deps import Digest, OperationSettings
from letterhead.ports.mail import DeliveryResult, Mailer
from letterhead.ports.store.alerts import AlertStore
from letterhead.ports.store.reminders import DueReminder, ReminderStore

PATH = "/reminders/opt-out/"
DOMAINS = "/dashboard/domains/"
LINK_DAYS = 14  # the life of a set-up link in a reminder

log = structlog.get_logger()


class OptOutLinkNeeds(Protocol):
    """What writing the link that ends an account's reminders needs."""

    @property
    def digest(self) -> Digest: ...
    @property
    def policy(self) -> OperationSettings: ...


class StoreForReminders(StoreForSetupLinks, ReminderStore, AlertStore, Protocol):
    """Reminders, and the domains and accounts that they are about."""


class ReminderNeeds(AccountNeeds, SetupLinkNeeds, Protocol):
    """What the operations on reminders need."""

    @property
    def store(self) -> StoreForReminders: ...
    @property
    def mailer(self) -> Mailer | None: ...


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
    """Mail one reminder, or settle it with the reason why it is not mailed."""
    if not account.reminders:
        await deps.store.settle_reminder(due.id, "opted-out", "the account wants no reminders", None)
    elif not is_reachable_address(account.email):
        await deps.store.settle_reminder(due.id, "no-address", "the account has no address that mail can reach", None)
    elif deps.mailer is None:
        await deps.store.settle_reminder(due.id, "no-mail-server", "no mail server is set", None)
    else:
        findings = await _findings_of(deps, due.reminder, domain)
        if not findings and due.reminder.kind is rules.ReminderKind.ACCEPTANCE_ENDED:
            await deps.store.settle_reminder(due.id, "moot", "what was accepted is there no more", None)
            return
        reachable = is_reachable_url(deps.policy.public_url)
        email = reminder_email(
            ReminderInput(
                reminder=due.reminder,
                domain=domain,
                findings=findings,
                to=account.email,
                name=f"reminder-{due.id}.{deps.policy.installation}",
                unsubscribe=opt_out_url(deps, account.id),
                brand=deps.policy.brand_name,
                progress=progress(domain, plan_of(deps, domain), deps.now()).sentence,
                domain_url=f"{deps.policy.public_url}{DOMAINS}{quote(domain.sender, safe='')}" if reachable else None,
                setup_url=await _setup_url(deps, due.reminder, domain) if reachable else None,
            )
        )
        if await deps.store.mark_handed_over(due.id, owner, deps.now()):
            await _hand_over(deps, deps.mailer, due, email)


async def _hand_over(deps: ReminderNeeds, mailer: Mailer, due: DueReminder, email: Email) -> None:
    sent, now = await mailer.send(email), deps.now()
    log.info("reminder.handed", kind=due.reminder.kind, step=due.reminder.step, post=sent.result, said=sent.said)
    match sent.result:
        case DeliveryResult.LATER:
            await deps.store.postpone_reminder(due.id, now + rules.retry_in(due.attempts), sent.said)
        case DeliveryResult.ACCEPTED:
            await deps.store.settle_reminder(due.id, "sent", sent.said, now)
        case DeliveryResult.REFUSED | DeliveryResult.UNKNOWN:
            await deps.store.settle_reminder(due.id, sent.result.value, sent.said, None)


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


def opt_out_url(deps: OptOutLinkNeeds, account_id: str) -> str:
    """Return the link that ends an account's reminders without a sign-in; it never expires."""
    return f"{deps.policy.public_url}{PATH}{account_id}.{_signature(deps, account_id)}"


def _signature(deps: OptOutLinkNeeds, account_id: str) -> str:
    # No API key's text begins so: the two uses of the pepper can't meet.
    return base64.urlsafe_b64encode(deps.digest(f"opt-out|{account_id}")[:18]).decode()


async def find_opt_out_account(deps: ReminderNeeds, token: str) -> Account:
    """Find the account that an opt-out link is for; Fault `not-found` for a link that we did not write."""
    account_id, _, signature = token.rpartition(".")
    if signature.isascii() and hmac.compare_digest(signature, _signature(deps, account_id)):
        account = await deps.store.account(account_id)
        if account is not None:
            return account
    raise Fault(
        Kind.NOT_FOUND,
        "This link to end reminders is not whole, or its account is gone.",
        "Take the whole link from the message, or set it with PATCH /account.",
    )


async def opt_out(deps: ReminderNeeds, token: str, actor: Actor) -> Account:
    """End the reminders of the account that an opt-out link is for; Fault `not-found`."""
    account = await find_opt_out_account(deps, token)
    if not account.reminders:
        return account
    actor = replace(actor, account_id=account.id)
    return await change_account(deps, account.id, actor, AccountUpdate(reminders=False))
