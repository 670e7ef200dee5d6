"""Knows how a reminder becomes a mail, at most once: marked as handed over first, then handed over.

Killed in between, it is not sent again. Only a refusal before anybody took it gives it back.
"""

import base64
import hmac

import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule import reminders as rules
from letterhead.core.schedule.reminder_mail import ReminderInput, reminder_email
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import change_account
from letterhead.operations.audit import Actor
from letterhead.ports.deps import Deps
from letterhead.ports.mail import DeliveryResult, SendResult
from letterhead.ports.store.reminders import DueReminder

PATH = "/reminders/opt-out/"

log = structlog.get_logger()


async def send(deps: Deps, owed: DueReminder, owner: str) -> None:
    """Sends one reminder that `owner` has claimed, or says why it is not sent."""
    domain, account = await deps.store.domain_by_id(owed.domain_id), await deps.store.account(owed.account_id)
    if domain is None or account is None or not rules.is_still_due(owed.reminder, domain, deps.now()):
        await deps.store.settle_reminder(owed.id, "moot", "there is nothing to remind of any more", None)
    elif not account.reminders:
        await deps.store.settle_reminder(owed.id, "opted-out", "the account wants no reminders", None)
    elif deps.mailer is None:
        await deps.store.settle_reminder(owed.id, "no-mail-server", "no mail server is set", None)
    elif resolver_outage.is_resolver_outage(await deps.store.resolver_outage()):
        due = deps.now() + rules.WAITS
        await deps.store.postpone_reminder(owed.id, due, "our own resolvers are out: nobody is reminded")
    else:
        await _send(deps, owed, owner, domain, account)


async def _send(deps: Deps, owed: DueReminder, owner: str, domain: Domain, account: Account) -> None:
    mailer, checkup = deps.mailer, (await deps.store.last_checks([domain.id])).get(domain.id)
    occasion = ReminderInput(
        reminder=owed.reminder,
        domain=domain,
        findings=checkup.findings if checkup else (),
        to=account.email,
        name=f"reminder-{owed.id}.{deps.policy.installation}",
        unsubscribe=opt_out_url(deps, account.id),
    )
    written = reminder_email(occasion)
    if mailer is not None and await deps.store.mark_handed_over(owed.id, owner, deps.now()):
        await _close(deps, owed, await mailer.send(written))


async def _close(deps: Deps, owed: DueReminder, handed: SendResult) -> None:
    kind, step = owed.reminder.kind, owed.reminder.step
    log.info("reminder.handed", kind=kind, step=step, post=handed.result, said=handed.said)
    now = deps.now()
    match handed.result:
        case DeliveryResult.LATER:
            await deps.store.postpone_reminder(owed.id, now + rules.retry_in(owed.attempts), handed.said)
        case DeliveryResult.ACCEPTED:
            await deps.store.settle_reminder(owed.id, "sent", handed.said, now)
        case DeliveryResult.REFUSED | DeliveryResult.UNKNOWN:
            await deps.store.settle_reminder(owed.id, handed.result.value, handed.said, None)


def opt_out_url(deps: Deps, account_id: str) -> str:
    """Writes the link that ends an account's reminders without signing in; it holds for ever."""
    return f"{deps.policy.public_url}{PATH}{account_id}.{_signature(deps, account_id)}"


def _signature(deps: Deps, account_id: str) -> str:
    # No API key's text begins so: the two uses of the pepper can't meet.
    return base64.urlsafe_b64encode(deps.digest(f"opt-out|{account_id}")[:18]).decode()


async def opted_by(deps: Deps, token: str) -> Account:
    """Finds the account that an opt-out link is for; Fault `not-found` for a link that we did not write."""
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


async def opt_out(deps: Deps, token: str, actor: Actor) -> Account:
    """Ends the reminders of the account that an opt-out link is for."""
    account = await opted_by(deps, token)
    if not account.reminders:
        return account
    return await change_account(deps, account.id, replace(actor, account_id=account.id), reminders=False)
