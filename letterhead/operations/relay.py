"""Knows what the signing relay does with a message: takes it from who may send it, signs it, hands it over, reports.

A message is signed when it is handed over, not when it is taken: with the key that DNS serves then. So a change of keys
in between, or days of waiting for the smart host, never lead to a signature that nobody can verify.
"""

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final, assert_never

import msgspec
import structlog

from letterhead.core.accounts.accounts import Caller, Scope, allows
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.names.email_addresses import Mailbox, parse_path
from letterhead.core.relay import dsn, submission
from letterhead.core.relay import queue as relayed
from letterhead.core.relay.queue import AttemptResult, Envelope, QueuedMessage, RecipientReply, ReplyClass
from letterhead.core.relay.submission import SubmissionRefused, Trace
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.domains import key_purpose
from letterhead.operations.ids import new_id
from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps

RELAY: Final = "relay"
_ADDRESS: Final = re.compile(r"[^\s<>\"'@,;:]+@")
log = structlog.get_logger()


class SmtpEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a client said before its message: addresses without angle brackets, the null path as no text."""

    sender: str
    recipients: tuple[str, ...]
    utf8: bool
    helo: str
    address: str
    protocol: str


class RelayOutcome(StrEnum):
    """Says how a try ended, as it is counted."""

    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    UNREACHED = "unreached"  # the smart host never heard of it: no try was made


class RelayAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Holds how a try ended; `owed` is what is in the queue because of it: the message itself, a report on it."""

    outcome: RelayOutcome
    owed: tuple[QueuedMessage, ...] = ()
    said: str = ""


async def caller_of(deps: Deps, user: str, key: str) -> Caller:
    """Says whose API key it is that a client signs in with; Fault `unauthorized` for every reason alike.

    Any user name will do, but an account's id must be that of the key.
    """
    return _may_submit(await accounts.caller_of(deps, key), user)


async def is_caller_still_valid(deps: Deps, digest: bytes) -> Caller:
    """Asks again whose key it is, by its digest: it may have been revoked; Fault `unauthorized`."""
    return _may_submit(await accounts.caller_behind(deps, digest), "")


def _may_submit(caller: Caller, user: str) -> Caller:
    if not allows(caller.scope, Scope.WRITE) or (user.startswith("acc_") and user != caller.account_id):
        raise accounts.new_unauthorized()
    return caller


async def accept(deps: Deps, relaying: RelayDeps, caller: Caller, given: SmtpEnvelope, content: bytes) -> QueuedMessage:
    """Takes a message into the queue: it is on the disk when this returns.

    Raises Refused with the reply where it may not be sent; Faults `storage-unavailable`.
    """
    message = submission.read(content)
    author = submission.author(message)
    domain = await _permitted(deps, caller.account_id, author.domain, "From")
    sender = submission.mailbox_in(message, "sender")  # programs show it beside From: it may not name others either
    if sender is not None and sender.domain != author.domain:
        await _permitted(deps, caller.account_id, sender.domain, "Sender")
    now = deps.now()
    envelope = Envelope(
        id=new_id(deps, "msg"),
        account_id=caller.account_id,
        key_id=caller.key_id,
        author=domain.sender,
        sender=given.sender,
        reports_to=await _reports_to(deps, caller.account_id, given.sender, author),
        recipients=given.recipients,
        accepted_at=now,
        utf8=given.utf8,
    )
    trace = Trace(
        id=envelope.id, helo=given.helo, address=given.address, host=relaying.host, protocol=given.protocol, at=now
    )
    queued = relayed.new_queued(envelope)
    try:
        await relaying.queue.put(queued, submission.complete_message(message, trace, author.domain))
    except Fault as full:
        log.warning("queue.unwritable", kind=full.kind, detail=full.detail)
        said = "We have no room for the message now."
        raise submission.new_refusal(said, "Send it again in some minutes.", code=452, status="4.3.1") from full
    log.info(
        "message.accepted", message=envelope.id, account=caller.account_id, domain=domain.sender,
        recipients=len(given.recipients), octets=len(content),
    )  # fmt: skip
    return queued


async def _permitted(deps: Deps, account_id: str, name: str, field: str) -> Domain:
    """Finds the account's own domain that mail may be sent from now; raises Refused with the reason and the fix."""
    domain = await deps.store.domain(account_id, name)
    if domain is not None and lifecycle.may_send(domain, deps.now()):
        return domain
    page = deps.policy.public_url
    if domain is None:  # whoever else may have it is nobody's business
        detail = f"The {field} domain {name} is not among the sender domains of this account."
        fix = f"Add it, publish its records, and send again: letterhead domains add {name} (or {page})"
    else:
        detail = f"The {field} domain {name} may not send mail now: {_why_not(domain)}"
        fix = f"See what is missing: letterhead domains show {name} (or {page}/dashboard/domains/{name})"
    raise submission.new_refusal(detail, fix, status="5.7.1")


def _why_not(domain: Domain) -> str:
    state, since = domain.dkim.state, f"{domain.dkim.since:%Y-%m-%d %H:%M} UTC"
    match state:
        case HealthState.DRAFT:
            return "its verification was never started."
        case HealthState.PENDING:
            return f"its DKIM record is not verified yet, since {since}."
        case HealthState.FAILED:
            return f"it failed, {since}: its DKIM record is not in DNS."
        case HealthState.AT_RISK | HealthState.VERIFIED:
            return f"its DKIM record went missing, or the mail provider lost it; at risk since {since}."
        case _:
            assert_never(state)


async def _reports_to(deps: Deps, account_id: str, sender: str, author: Mailbox) -> str:
    """Says who hears of a failure: the envelope's sender where it is at a domain of the account, else the author.

    A report to anybody else would be mail that a stranger did not ask for. The null path wants none (RFC 5321 4.5.5).
    """
    if not sender:
        return ""
    try:
        domain = parse_path(sender).domain
    except ValueError:
        return author.address
    at_home = domain == author.domain or domain.endswith(f".{author.domain}")
    return sender if at_home or await deps.store.domain(account_id, domain) is not None else author.address


async def hand_over(deps: Deps, relaying: RelayDeps, queued: QueuedMessage) -> RelayAttempt:
    """Signs a message with the key that DNS serves now, and hands it to the smart host.

    Fault `storage-unavailable` where the database or the queue's disk is out of reach: nothing was done, or it is done
    again.
    """
    envelope = queued.envelope
    content = await relaying.queue.content(envelope.id)
    if content is None:
        return RelayAttempt(outcome=RelayOutcome.SENT)
    domain = await deps.store.domain(envelope.account_id, envelope.author)
    if domain is None and not envelope.is_report:
        return await _failed(deps, relaying, queued, content, f"5.7.1 the sender domain {envelope.author} was deleted")
    if domain is not None and lifecycle.may_send(domain, deps.now()):
        content = await _signed(deps, relaying, domain, content)
    elif not envelope.is_report:
        said = f"4.7.1 the sender domain {envelope.author} may not send mail now"
        return await _concluded(deps, relaying, queued, content, relayed.for_all(queued, ReplyClass.LATER, said))
    path = relayed.return_path(domain, envelope.sender) if domain is not None else ""
    handover = await relaying.smart_host.hand_over(path, queued.progress.recipients, content, utf8=envelope.utf8)
    if not handover.reached:
        if deps.now() - envelope.accepted_at < relaying.keep:
            return RelayAttempt(outcome=RelayOutcome.UNREACHED, owed=(queued,), said=handover.said)
        answers = relayed.for_all(queued, ReplyClass.LATER, handover.said)
        return await _concluded(deps, relaying, queued, content, answers)
    return await _concluded(deps, relaying, queued, content, handover.answers)


async def _signed(deps: Deps, relaying: RelayDeps, domain: Domain, content: bytes) -> bytes:
    sealed = await deps.store.sealed_key(domain.id, domain.selector)
    if sealed is None:  # it was deleted between the two looks, or its key rotated out a week ago
        raise Fault(
            Kind.STORAGE_UNAVAILABLE, f"The key of {domain.sender} is not there.", "Nothing: it is tried again."
        )
    if (domain.id, domain.selector) not in relaying.opened:  # one row for each key and process, not for each message
        actor = Actor(name=RELAY, account_id=domain.account_id)
        await deps.store.audit(audit_row(deps, actor, "private-key.open", f"{domain.selector} of {domain.sender}"))
        relaying.opened.add((domain.id, domain.selector))
    key = deps.keyring.unseal(sealed, key_purpose(domain))
    return await asyncio.to_thread(relaying.signer.sign, content, domain.sender, domain.selector, key, deps.now())


async def _failed(deps: Deps, relaying: RelayDeps, queued: QueuedMessage, content: bytes, said: str) -> RelayAttempt:
    return await _concluded(deps, relaying, queued, content, relayed.for_all(queued, ReplyClass.REFUSED, said))


async def _concluded(
    deps: Deps, relaying: RelayDeps, queued: QueuedMessage, content: bytes, answers: Mapping[str, RecipientReply]
) -> RelayAttempt:
    """Writes down what follows from a try: the report first, then the end of what it reports on."""
    after = relayed.apply_replies(queued, answers, deps.now(), relaying.keep, jitter := deps.random_octets(1)[0] / 255)
    try:
        report = await _reported(deps, relaying, queued, after, content)
    except Fault as fault:  # no room for it: whoever refused is asked again, and nobody who took it
        log.warning("report.unwritten", message=queued.envelope.id, kind=fault.kind, detail=fault.detail)
        report, answers = (), relayed.as_temporary(answers)
        after = relayed.apply_replies(queued, answers, deps.now(), timedelta.max, jitter)
    await _noted(relaying, queued, after)
    left = () if after.progress is None else (msgspec.structs.replace(queued, progress=after.progress),)
    _told(queued, after, answers)
    return RelayAttempt(outcome=_outcome(after), owed=left + report)


async def _noted(relaying: RelayDeps, queued: QueuedMessage, after: AttemptResult) -> None:
    if after.progress is None:
        await relaying.queue.remove(queued.envelope.id)
        return
    try:
        await relaying.queue.save_progress(queued.envelope.id, after.progress)
    except Fault as fault:  # this process remembers; only its death would make us begin anew
        log.warning("progress.unwritten", message=queued.envelope.id, kind=fault.kind, detail=fault.detail)


def _told(queued: QueuedMessage, after: AttemptResult, answers: Mapping[str, RecipientReply]) -> None:
    envelope, left = queued.envelope, after.progress.recipients if after.progress else ()
    said = next(iter(answers.values())).said if answers else ""
    log.info(
        f"message.{_outcome(after)}", message=envelope.id, account=envelope.account_id, domain=envelope.author,
        taken=after.taken, failed=len(after.failed), left=len(left), attempts=queued.progress.attempts + 1,
        said=without_locals(said),
    )  # fmt: skip


def _outcome(after: AttemptResult) -> RelayOutcome:
    if after.failed:
        return RelayOutcome.BOUNCED
    return RelayOutcome.SENT if after.progress is None else RelayOutcome.DEFERRED


async def _reported(
    deps: Deps, relaying: RelayDeps, queued: QueuedMessage, after: AttemptResult, content: bytes
) -> tuple[QueuedMessage, ...]:
    """Queues the report of a failure; its id follows from the message, so that a crash makes no second one."""
    envelope = queued.envelope
    if not after.failed or not envelope.reports_to:
        return ()
    now = deps.now()
    about = msgspec.structs.replace(
        envelope,
        id=f"{envelope.id}-r{queued.progress.attempts}",
        sender="",
        reports_to="",
        recipients=(envelope.reports_to,),
        accepted_at=now,
        utf8=not envelope.reports_to.isascii(),
        is_report=True,
    )
    report = relayed.new_queued(about)
    text = dsn.report(envelope, after.failed, content, name=about.id, host=relaying.host, now=now)
    await relaying.queue.put(report, text)
    return (report,)


def without_locals(said: str) -> str:
    """Cuts the local parts of addresses out of what a server said, for logs."""
    return _ADDRESS.sub("…@", said)


def refused_by(fault: Fault) -> SubmissionRefused:
    """Says a fault of ours as SMTP does: something that may be better later."""
    if fault.kind is Kind.UNAUTHORIZED:
        return submission.new_refusal(
            "The API key is not valid any more.", "Sign in again with one that is.", code=535, status="5.7.8"
        )
    return submission.new_refusal("We cannot take mail now.", "Send it again in a minute.", code=451, status="4.3.0")
