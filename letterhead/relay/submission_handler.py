"""Knows what is said to each step of a client: who it is, from where to where, and the message. Knows no sockets."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from letterhead.core.accounts.accounts import Caller
from letterhead.core.names.email_addresses import parse_path
from letterhead.core.relay.submission import SmtpReply, SubmissionRefused, new_refusal
from letterhead.errors import Fault, Kind
from letterhead.operations import relay as operation
from letterhead.operations.relay import SmtpEnvelope
from letterhead.operations.sign_in_throttle import SignInThrottle
from letterhead.operations.token_buckets import TokenBuckets
from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps
from letterhead.relay.delivery_loop import DeliveryLoop

if TYPE_CHECKING:
    from letterhead.relay import RelaySettings

log = structlog.get_logger()
MOST_RECIPIENTS = 100  # of one message: RFC 5321 4.5.3.1.8
BEHIND = "Sign in with AUTH: any user name, and an API key of scope write or full as the password."


@dataclass(slots=True)
class SmtpClientSession:
    """Holds who signed in over one connection, and when that was last seen to be so."""

    caller: Caller
    digest: bytes
    seen_at: float


class SubmissionHandler:
    """Takes mail from those who may send it."""

    def __init__(
        self,
        deps: Deps,
        relaying: RelayDeps,
        settings: "RelaySettings",
        outgoing: DeliveryLoop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deps, self._relaying, self._settings, self._outgoing = deps, relaying, settings, outgoing
        self._clock = clock
        self._failures = SignInThrottle(deps, settings, clock)
        self._messages = TokenBuckets(settings.rate, settings.burst, clock)

    @property
    def host(self) -> str:
        """Says what the relay calls itself."""
        return self._relaying.host

    async def sign_in(self, user: str, key: str, address: str) -> SmtpClientSession:
        """Says who signs in; raises Refused, for every failure with the same words until there are too many."""
        asked_at = self._clock()
        try:
            caller = await operation.caller_of(self._deps, user, key)
        except Fault as fault:
            if fault.kind is not Kind.UNAUTHORIZED:
                raise new_refusal("We cannot look keys up now.", "Try again.", code=454, status="4.7.0") from fault
            raise await self._failed(address) from fault
        return SmtpClientSession(caller, self._deps.digest(key), asked_at)

    async def _failed(self, address: str) -> SubmissionRefused:
        log.info("sign-in.failed", address=address)
        try:
            await self._failures.count(address)
        except Fault as fault:
            return new_refusal(fault.detail, f"Wait {fault.retry_after} s.", code=421, status="4.7.0")
        return new_refusal("The API key is missing or not valid.", BEHIND, code=535, status="5.7.8")

    async def sender(self, visitor: SmtpClientSession | None, address: str) -> str:
        """Takes the address of MAIL FROM, empty for the null path; raises Refused."""
        if visitor is None:
            raise new_refusal("Nobody is signed in.", BEHIND, code=530, status="5.7.0")
        await self._still(visitor)
        left = self._messages.take(visitor.caller.key_id)
        if left < 0:
            wait = self._messages.wait(left)
            raise new_refusal("Too many messages with this API key.", f"Wait {wait} s.", code=451, status="4.7.1")
        return _address(address, "MAIL FROM") if address != "<>" else ""

    async def _still(self, visitor: SmtpClientSession) -> None:
        """Sees that the key still holds; looked up again when that was last seen a moment ago."""
        ends_at, now = visitor.caller.ends_at, self._clock()
        try:
            if now - visitor.seen_at > self._settings.remember_callers or ends_at is not None:
                visitor.caller = await operation.caller_by_digest(self._deps, visitor.digest)
                visitor.seen_at = now
        except Fault as fault:
            raise operation.refusal_from_fault(fault) from fault

    def recipient(self, address: str, already: int) -> str:
        """Takes one address of RCPT TO; raises Refused."""
        if already >= MOST_RECIPIENTS:
            said = f"A message has at most {MOST_RECIPIENTS} recipients."
            raise new_refusal(said, "Send it to the others in another one.", code=452, status="4.5.3")
        return _address(address, "RCPT TO")

    async def message(self, visitor: SmtpClientSession, given: SmtpEnvelope, content: bytes) -> SmtpReply:
        """Takes a message: on the disk when this returns. Gives the reply, whatever it is."""
        try:
            await self._still(visitor)
            # On its own: a client that goes now has its message in the queue, and the queue has it in mind.
            taken = asyncio.ensure_future(self._take(visitor.caller, given, content))
            return await asyncio.shield(taken)
        except SubmissionRefused as refusal:
            reply = refusal.reply
        except Fault as fault:
            log.warning("message.interrupted", kind=fault.kind, detail=fault.detail)
            reply = operation.refusal_from_fault(fault).reply
        except Exception:
            log.exception("message.broken")
            reply = operation.refusal_from_fault(Fault(Kind.INTERNAL, "our own fault")).reply
        self._deps.meter.count_relayed("refused")
        account = visitor.caller.account_id
        log.info("message.refused", account=account, code=reply.code, status=reply.status, detail=reply.detail)
        return reply

    async def _take(self, caller: Caller, given: SmtpEnvelope, content: bytes) -> SmtpReply:
        queued = await operation.accept(self._deps, self._relaying, caller, given, content)
        self._deps.meter.count_relayed("accepted")
        self._outgoing.add(queued)
        return SmtpReply(code=250, status="2.0.0", detail=f"taken as {queued.envelope.id}")


def _address(text: str, where: str) -> str:
    try:
        return parse_path(text).address
    except ValueError as error:
        said = f"The address in {where} {error}."
        raise new_refusal(said, "Write it as name@domain.", code=553, status="5.1.3") from error
