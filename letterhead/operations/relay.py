"""The signing relay: accept a message from those who may send it, sign it, hand it over, report failures.

A message is signed when it is handed over, not when it is accepted: with the key that DNS serves then. So neither a
rotation in between nor days of waiting for the smart host lead to a signature that nobody can verify.
"""

import asyncio
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, assert_never

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller, Scope, allows
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.names.domain_names import NameRules
from letterhead.core.names.email_addresses import Mailbox, parse_path
from letterhead.core.relay import dsn, submission
from letterhead.core.relay import queue as mail_queue
from letterhead.core.relay.queue import Envelope, QueuedMessage, RecipientReply, ReplyClass
from letterhead.core.relay.submission import SubmissionRefused, Trace
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts
from letterhead.operations.accounts import AccountNeeds
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.ids import new_id
from letterhead.operations.subdomain_covers import decide_cover
from letterhead.ports.deps import Digest, OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.relay import RelayDeps
from letterhead.ports.tracing import SpanKind, Tracer

RELAY: Final = "relay"
PROOFS: Final = "proofs"  # in place of a key's id, for mail of our own
_ADDRESS: Final = re.compile(r"[^\s<>\"'@,;:]+@")
log = structlog.get_logger()


class RelayNeeds(AccountNeeds, Protocol):
    """What the relay needs besides `RelayDeps`."""

    @property
    def names(self) -> NameRules: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def tracer(self) -> Tracer: ...


class ProofPasswordNeeds(Protocol):
    """What the password of proofs needs."""

    @property
    def digest(self) -> Digest: ...


class SmtpEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sent before its message: addresses without angle brackets, the null path as an empty text."""

    sender: str
    recipients: tuple[str, ...]
    utf8: bool
    helo: str
    address: str
    protocol: str


class RelayOutcome(StrEnum):
    """How an attempt ended, as it is counted."""

    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    UNREACHED = "unreached"  # the smart host was not reached: this counts as no attempt


class RelayAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; `pending` is what is in the queue after it: the message itself, a report on it."""

    outcome: RelayOutcome
    pending: tuple[QueuedMessage, ...] = ()
    said: str = ""


async def caller_of(deps: RelayNeeds, user: str, key: str, address: str) -> Caller:
    """Find the owner of the API key that a client signs in with; the same Fault `unauthorized` for every reason.

    Any user name will do, but an account's id must be that of the key. Our own proofs sign in as the account they are
    for, with `proof_password` in place of a key.
    """
    if user.startswith("acc_"):
        given, hour = key.encode("utf-8", "replace"), timedelta(hours=1)
        passwords = [reveal(proof_password(deps, user, at)) for at in (deps.now(), deps.now() - hour)]
        account = (
            await deps.store.account(user) if any(hmac.compare_digest(given, each) for each in passwords) else None
        )
        if account is not None:
            return Caller(account_id=user, key_id=PROOFS, scope=Scope.WRITE, limits=account.limits)
    return _may_submit(await accounts.caller_of(deps, key, address), user)


def proof_password(deps: ProofPasswordNeeds, account_id: str, at: datetime) -> Secret:
    """Return the password by which this installation signs in to its own relay, to send a proof of an account's domain.

    All processes of an installation share the pepper it is made with, so nobody has to store or set it. It is another
    one each hour: where PROOF_SMTP_URL names a wrong server by mistake, that server has little of it.
    """
    return Secret(deps.digest(f"relay-proof|{account_id}|{at:%Y-%m-%dT%H}").hex().encode())


async def caller_by_digest(deps: RelayNeeds, caller: Caller, digest: bytes, address: str) -> Caller:
    """Find the owner of an API key again, by its digest; Fault `unauthorized`, since it may have been revoked."""
    if caller.key_id == PROOFS:
        return caller
    return _may_submit(await accounts.caller_by_digest(deps, digest, address), "")


def _may_submit(caller: Caller, user: str) -> Caller:
    if not allows(caller.scope, Scope.WRITE) or (user.startswith("acc_") and user != caller.account_id):
        raise accounts.new_unauthorized()
    return caller


async def accept(
    deps: RelayNeeds, relaying: RelayDeps, caller: Caller, given: SmtpEnvelope, content: bytes
) -> QueuedMessage:
    """Put a message into the queue: it is on the disk when this returns.

    Raises `SubmissionRefused` with the reply where it may not be sent; Fault `storage-unavailable`.
    """
    message = submission.read(content)
    author = submission.author(message)
    domain = await _sending_domain(deps, caller.account_id, author.domain, "From")
    sender = submission.mailbox_in(message, "sender")  # programs show it beside From: it may not name others either
    if sender is not None and sender.domain != author.domain:
        await _sending_domain(deps, caller.account_id, sender.domain, "Sender")
    now = deps.now()
    envelope = Envelope(
        id=new_id(deps, "msg"),
        account_id=caller.account_id,
        key_id=caller.key_id,
        author=domain.sender,
        from_domain=author.domain,
        sender=given.sender,
        reports_to=await _report_address(deps, caller.account_id, given.sender, author),
        recipients=given.recipients,
        accepted_at=now,
        utf8=given.utf8,
    )
    trace = Trace(
        id=envelope.id, helo=given.helo, address=given.address, host=relaying.host, protocol=given.protocol, at=now
    )
    relayed = submission.complete_message(message, trace, author.domain)
    queued = mail_queue.new_queued(envelope, len(relayed))
    check_room(relaying, caller.account_id, len(relayed))
    relaying.usage.add(caller.account_id, queued.octets)
    try:
        await relaying.queue.put(queued, relayed)
    except BaseException as error:
        relaying.usage.remove(caller.account_id, queued.octets)
        if not isinstance(error, Fault):
            raise
        full = error
        log.warning("queue.unwritable", kind=full.kind, detail=full.detail)
        said = "We have no room for the message now."
        raise submission.new_refusal(said, "Send it again in some minutes.", code=452, status="4.3.1") from full
    log.info(
        "message.accepted", message=envelope.id, account=caller.account_id, domain=domain.sender,
        recipients=len(given.recipients), octets=len(content),
    )  # fmt: skip
    return queued


def check_room(relaying: RelayDeps, account_id: str, octets: int = 0) -> None:
    """Refuse for now a message of so many octets where the account has too much in the queue; `SubmissionRefused`."""
    usage = relaying.usage
    if usage.has_room(account_id, octets):
        return
    detail = (
        f"This account has {usage.messages(account_id)} messages ({usage.octets(account_id) // 1_000_000} MB) waiting "
        f"here; {usage.most_messages} and {usage.most_octets // 1_000_000} MB may wait."
    )
    fix = "Send it again in some minutes, once others were handed on, or ask the operator for more room."
    raise submission.new_refusal(detail, fix, code=452, status="4.3.1")


async def _sending_domain(deps: RelayNeeds, account_id: str, name: str, field: str) -> Domain:
    """Return the account's domain that signs mail from a name now; `SubmissionRefused` with the reason and the fix.

    It is the name itself or, where that is no verified domain of the account, one above it that covers it.
    """
    domain = await deps.store.domain(account_id, name)
    if domain is not None and lifecycle.may_send(domain, deps.now()):
        return domain
    cover = await decide_cover(deps, account_id, name)
    if cover.decision.is_covered and cover.signer is not None:
        return cover.signer
    page, decided = deps.policy.public_url, cover.decision
    if domain is None and decided.own is not None:
        detail, fix = f"The {field} domain {name} may not send mail: {decided.why}", decided.fix
    elif domain is None:  # whether another account has it is not disclosed
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


async def _report_address(deps: RelayNeeds, account_id: str, sender: str, author: Mailbox) -> str:
    """Return who gets reports: the envelope's sender where its domain is the account's, else the author.

    A report to anybody else would be backscatter. For the null path there is none (RFC 5321 4.5.5).
    """
    if not sender:
        return ""
    try:
        domain = parse_path(sender).domain
    except ValueError:
        return author.address
    is_own = domain == author.domain or domain.endswith(f".{author.domain}")
    return sender if is_own or await deps.store.domain(account_id, domain) is not None else author.address


async def hand_over(deps: RelayNeeds, relaying: RelayDeps, queued: QueuedMessage) -> RelayAttempt:
    """Sign a message with the key that DNS serves now, and hand it to the smart host.

    Fault `storage-unavailable` where the database or the queue's disk can't be used: nothing was done, or it is done
    again.
    """
    envelope = queued.envelope
    content = await relaying.queue.content(envelope.id)
    if content is None:
        return RelayAttempt(outcome=RelayOutcome.SENT)
    domain, why_none = await _signer_of(deps, envelope)
    replies: Mapping[str, RecipientReply]
    if domain is not None and lifecycle.may_send(domain, deps.now()):
        content = await _sign(deps, relaying, domain, content)
    elif not envelope.is_report:
        if domain is None:
            said = f"5.7.1 {why_none}"
            replies = mail_queue.for_all(queued, ReplyClass.REFUSED, said)
        else:
            said = f"4.7.1 the sender domain {domain.sender} may not send mail now"
            replies = mail_queue.for_all(queued, ReplyClass.LATER, said)
        return await _conclude(deps, relaying, queued, content, replies)
    path = mail_queue.return_path(domain, envelope.sender) if domain is not None else ""
    account = relaying.account_field(deps.policy.installation, envelope.account_id).encode()
    known: dict[str, str | int] = {
        "letterhead.account_id": envelope.account_id,
        "letterhead.message_id": envelope.id,
        "letterhead.attempts": queued.progress.attempts,
    }
    with deps.tracer.span("relay hand-over", SpanKind.CLIENT, known) as span:
        result = await relaying.smart_host.hand_over(
            path, queued.progress.recipients, account + content, utf8=envelope.utf8
        )
        if not result.reached:
            span.fail("unreached")
    replies = result.answers
    if not result.reached:
        if deps.now() - envelope.accepted_at < relaying.keep:
            return RelayAttempt(outcome=RelayOutcome.UNREACHED, pending=(queued,), said=result.said)
        replies = mail_queue.for_all(queued, ReplyClass.LATER, result.said)
    return await _conclude(deps, relaying, queued, content, replies)


async def _signer_of(deps: RelayNeeds, envelope: Envelope) -> tuple[Domain | None, str]:
    """Return the domain that signs a queued message, found anew, and why there is none.

    It need not be the one of its acceptance: since then the name may have been added, deleted or taken out of a cover.
    """
    name = envelope.author if envelope.is_report else envelope.from_domain or envelope.author
    domain = await deps.store.domain(envelope.account_id, name)
    if envelope.is_report or (domain is not None and lifecycle.may_send(domain, deps.now())):
        return domain, ""
    cover = await decide_cover(deps, envelope.account_id, name)
    if cover.decision.is_covered or (domain is None and cover.decision.rule.code == "parent-may-not-send-now"):
        return cover.signer, ""
    return domain, cover.decision.why if cover.decision.own is not None else f"the sender domain {name} was deleted"


async def _sign(deps: RelayNeeds, relaying: RelayDeps, domain: Domain, content: bytes) -> bytes:
    sealed = await deps.store.sealed_key(domain.id, domain.selector)
    if sealed is None:  # it was deleted between the two reads, or its key rotated out a week ago
        raise Fault(
            Kind.STORAGE_UNAVAILABLE, f"The key of {domain.sender} is not there.", "Nothing: it is tried again."
        )
    if (domain.id, domain.selector) not in relaying.opened:  # one row for each key and process, not for each message
        actor = Actor(name=RELAY, account_id=domain.account_id)
        await deps.store.audit(audit_row(deps, actor, "private-key.open", f"{domain.selector} of {domain.sender}"))
        relaying.opened.add((domain.id, domain.selector))
    key = deps.keyring.unseal(sealed, key_purpose(domain))
    return await asyncio.to_thread(relaying.signer.sign, content, domain.sender, domain.selector, key, deps.now())


async def _conclude(
    deps: RelayNeeds, relaying: RelayDeps, queued: QueuedMessage, content: bytes, replies: Mapping[str, RecipientReply]
) -> RelayAttempt:
    """Write what follows from an attempt: the report first, then the end of the message that it reports on."""
    envelope, jitter = queued.envelope, deps.random_octets(1)[0] / 255
    after = mail_queue.apply_replies(queued, replies, deps.now(), relaying.keep, jitter)
    reports: tuple[QueuedMessage, ...] = ()
    try:
        if after.failed and envelope.reports_to:
            now = deps.now()
            about = _report_envelope(queued, now)
            text = dsn.report(envelope, after.failed, content, name=about.id, host=relaying.host, now=now)
            report = mail_queue.new_queued(about, len(text))
            await relaying.queue.put(report, text)
            reports = (report,)
    except Fault as fault:  # no room for it: those who refused are asked again, and those who accepted are not
        log.warning("report.unwritten", message=envelope.id, kind=fault.kind, detail=fault.detail)
        replies = mail_queue.as_temporary(replies)
        after = mail_queue.apply_replies(queued, replies, deps.now(), timedelta.max, jitter)
    left: tuple[QueuedMessage, ...] = ()
    if after.progress is None:
        await relaying.queue.remove(envelope.id)
    else:
        left = (replace(queued, progress=after.progress),)
        try:
            await relaying.queue.save_progress(envelope.id, after.progress)
        except Fault as fault:  # this process remembers it; only after its end would all recipients be tried again
            log.warning("progress.unwritten", message=envelope.id, kind=fault.kind, detail=fault.detail)
    outcome = RelayOutcome.SENT if after.progress is None else RelayOutcome.DEFERRED
    if after.failed:
        outcome = RelayOutcome.BOUNCED
    said = next(iter(replies.values())).said if replies else ""
    log.info(
        f"message.{outcome}", message=envelope.id, account=envelope.account_id, domain=envelope.author,
        taken=after.taken, failed=len(after.failed), left=len(after.progress.recipients) if after.progress else 0,
        attempts=queued.progress.attempts + 1, said=without_locals(said),
    )  # fmt: skip
    return RelayAttempt(outcome=outcome, pending=left + reports)


def _report_envelope(queued: QueuedMessage, now: datetime) -> Envelope:
    """Make the envelope of a report of failure; its id follows from the message, so a crash makes no second one."""
    envelope = queued.envelope
    return replace(
        envelope,
        id=f"{envelope.id}-r{queued.progress.attempts}",
        sender="",
        reports_to="",
        recipients=(envelope.reports_to,),
        accepted_at=now,
        utf8=not envelope.reports_to.isascii(),
        is_report=True,
    )


def without_locals(said: str) -> str:
    """Remove the local parts of addresses from a server's reply, for logs."""
    return _ADDRESS.sub("…@", said)


def refusal_from_fault(fault: Fault) -> SubmissionRefused:
    """Return the SMTP reply for a Fault of ours: a temporary one, unless the API key is no longer valid."""
    if fault.kind is Kind.UNAUTHORIZED:
        return submission.new_refusal(
            "The API key is not valid any more.", "Sign in again with one that is.", code=535, status="5.7.8"
        )
    return submission.new_refusal("We cannot take mail now.", "Send it again in a minute.", code=451, status="4.3.0")
