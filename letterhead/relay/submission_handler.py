"""The replies to each step of a submission: AUTH, MAIL FROM, RCPT TO, and the message."""

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
SIGN_IN_FIX = "Sign in with AUTH: any user name, and an API key of scope write or full as the password."


@dataclass(slots=True)
class SmtpClientSession:
    """Who signed in over one connection; `seen_at` is when the key was last checked, in seconds of the clock."""

    caller: Caller
    digest: bytes
    seen_at: float


class SubmissionHandler:
    """The steps of a submission, for all connections."""

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
        """The relay's host name."""
        return self._relaying.host

    async def sign_in(self, user: str, key: str, address: str) -> SmtpClientSession:
        """Return the session of who signs in.

        Raise `SubmissionRefused`: with one text for every failure, and with another where there were too many.
        """
        asked_at = self._clock()
        try:
            caller = await operation.caller_of(self._deps, user, key)
        except Fault as fault:
            if fault.kind is not Kind.UNAUTHORIZED:
                raise new_refusal("We cannot look keys up now.", "Try again.", code=454, status="4.7.0") from fault
            log.info("sign-in.failed", address=address)
            try:
                await self._failures.count(address)
            except Fault as excess:
                wait = f"Wait {excess.retry_after} s."
                raise new_refusal(excess.detail, wait, code=421, status="4.7.0") from fault
            text = "The API key is missing or not valid."
            raise new_refusal(text, SIGN_IN_FIX, code=535, status="5.7.8") from fault
        return SmtpClientSession(caller, self._deps.digest(key), asked_at)

    async def sender(self, client: SmtpClientSession | None, address: str) -> str:
        """Return the address of MAIL FROM, empty for the null path; raise `SubmissionRefused`."""
        if client is None:
            raise new_refusal("Nobody is signed in.", SIGN_IN_FIX, code=530, status="5.7.0")
        await self._check_caller(client)
        left = self._messages.take(client.caller.key_id)
        if left < 0:
            wait = self._messages.wait(left)
            raise new_refusal("Too many messages with this API key.", f"Wait {wait} s.", code=451, status="4.7.1")
        return _parse_address(address, "MAIL FROM") if address != "<>" else ""

    async def _check_caller(self, client: SmtpClientSession) -> None:
        """Check the key again, unless that was done within `remember_callers`; raise `SubmissionRefused`."""
        ends_at, now = client.caller.ends_at, self._clock()
        try:
            if now - client.seen_at > self._settings.remember_callers or ends_at is not None:
                client.caller = await operation.caller_by_digest(self._deps, client.caller, client.digest)
                client.seen_at = now
        except Fault as fault:
            raise operation.refusal_from_fault(fault) from fault

    def recipient(self, address: str, number: int) -> str:
        """Return one address of RCPT TO; raise `SubmissionRefused`."""
        if number >= MOST_RECIPIENTS:
            text = f"A message has at most {MOST_RECIPIENTS} recipients."
            raise new_refusal(text, "Send it to the others in another one.", code=452, status="4.5.3")
        return _parse_address(address, "RCPT TO")

    async def message(self, client: SmtpClientSession, given: SmtpEnvelope, content: bytes) -> SmtpReply:
        """Accept a message, which is on the disk when this returns 250; return the reply, whatever it is."""
        try:
            await self._check_caller(client)
            # A task of its own: where the client disconnects now, the message is still queued and delivered.
            accepted = asyncio.ensure_future(self._accept(client.caller, given, content))
            return await asyncio.shield(accepted)
        except SubmissionRefused as refusal:
            reply = refusal.reply
        except Fault as fault:
            log.warning("message.interrupted", kind=fault.kind, detail=fault.detail)
            reply = operation.refusal_from_fault(fault).reply
        except Exception:
            log.exception("message.broken")
            reply = operation.refusal_from_fault(Fault(Kind.INTERNAL, "our own fault")).reply
        self._deps.meter.count_relayed("refused")
        account = client.caller.account_id
        log.info("message.refused", account=account, code=reply.code, status=reply.status, detail=reply.detail)
        return reply

    async def _accept(self, caller: Caller, given: SmtpEnvelope, content: bytes) -> SmtpReply:
        queued = await operation.accept(self._deps, self._relaying, caller, given, content)
        self._deps.meter.count_relayed("accepted")
        self._outgoing.add(queued)
        return SmtpReply(code=250, status="2.0.0", detail=f"taken as {queued.envelope.id}")


def _parse_address(text: str, where: str) -> str:
    try:
        return parse_path(text).address
    except ValueError as error:
        detail = f"The address in {where} {error}."
        raise new_refusal(detail, "Write it as name@domain.", code=553, status="5.1.3") from error
