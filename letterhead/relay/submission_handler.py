"""The replies to each step of a submission: AUTH, MAIL FROM, RCPT TO, and the message."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from letterhead.core.accounts.accounts import Caller
from letterhead.core.names.email_addresses import parse_path
from letterhead.core.relay.submission import SmtpReply, SubmissionRefused, new_refusal
from letterhead.errors import Fault, Kind
from letterhead.operations import relay as operation
from letterhead.operations.bound_keys import bind
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
# Messages are in memory until they are queued: so many times the size of the largest one, of an account and of all.
RECEIVED_EACH, RECEIVED_IN_ALL = 4, 16
SIGN_IN_FIX = "Sign in with AUTH: any user name, and an API key of scope write or full as the password."


@dataclass(slots=True)
class SmtpClientSession:
    """Who signed in over one connection; `seen_at` is when the key was last checked, in seconds of the clock."""

    caller: Caller
    digest: bytes
    address: str
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
        self._receiving = Counter[str]()  # octets of messages that are not queued yet, by account

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
            caller = await operation.caller_of(self._deps, user, key, address)
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
        return SmtpClientSession(caller, self._deps.digest(key), address, asked_at)

    async def sender(self, client: SmtpClientSession | None, address: str) -> str:
        """Return the address of MAIL FROM, empty for the null path; raise `SubmissionRefused`."""
        if client is None:
            raise new_refusal("Nobody is signed in.", SIGN_IN_FIX, code=530, status="5.7.0")
        await self._check_caller(client)
        account_id = client.caller.account_id
        left = self._messages.take(account_id)
        if left < 0:
            wait = self._messages.wait(left + 1.0)
            raise new_refusal("Too many messages of this account.", f"Wait {wait} s.", code=451, status="4.7.1")
        operation.check_room(self._relaying, account_id)
        return _parse_address(address, "MAIL FROM") if address != "<>" else ""

    async def _check_caller(self, client: SmtpClientSession) -> None:
        """Check the key again, unless that was done within `remember_callers`; raise `SubmissionRefused`."""
        ends_at, now = client.caller.ends_at, self._clock()
        try:
            if now - client.seen_at > self._settings.remember_callers or ends_at is not None:
                client.caller = await operation.caller_by_digest(
                    self._deps, client.caller, client.digest, client.address
                )
                client.seen_at = now
        except Fault as fault:
            raise operation.refusal_from_fault(fault) from fault

    def recipient(self, address: str, number: int) -> str:
        """Return one address of RCPT TO; raise `SubmissionRefused`."""
        if number >= MOST_RECIPIENTS:
            text = f"A message has at most {MOST_RECIPIENTS} recipients."
            raise new_refusal(text, "Send it to the others in another one.", code=452, status="4.5.3")
        return _parse_address(address, "RCPT TO")

    def receive(self, client: SmtpClientSession | None, octets: int) -> bool:
        """Count octets of a message that is being received; return whether the account may send us more at once."""
        account_id = client.caller.account_id if client is not None else ""
        self._receiving[account_id] += octets
        size = self._settings.max_size
        each, in_all = self._receiving[account_id], self._receiving.total()
        return each <= RECEIVED_EACH * size and in_all <= RECEIVED_IN_ALL * size

    def end_receiving(self, client: SmtpClientSession | None, octets: int) -> None:
        """Forget octets that were counted: the message is queued, refused or given up."""
        account_id = client.caller.account_id if client is not None else ""
        self._receiving[account_id] -= octets
        if not self._receiving[account_id]:
            del self._receiving[account_id]

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
        queued = await operation.accept(bind(self._deps, caller), self._relaying, caller, given, content)
        self._deps.meter.count_relayed("accepted")
        self._outgoing.add(queued)
        return SmtpReply(code=250, status="2.0.0", detail=f"taken as {queued.envelope.id}")


def _parse_address(text: str, where: str) -> str:
    try:
        return parse_path(text).address
    except ValueError as error:
        detail = f"The address in {where} {error}."
        raise new_refusal(detail, "Write it as name@domain.", code=553, status="5.1.3") from error
