"""Alert channels: add, list, delete, test; and the alerts that go there, each at most once, like reminders by mail."""

from typing import Final, Protocol
from urllib.parse import quote

import msgspec
import structlog

from letterhead.core.accounts.accounts import is_reachable_url
from letterhead.core.accounts.alert_channels import MOST_CHANNELS, AlertChannel, channel_scheme, parse_channel_name
from letterhead.core.schedule import reminders as rules
from letterhead.core.schedule.alert_text import alert_line
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.daily_limits import count_daily
from letterhead.operations.domains import LastCheckNeeds, list_last_checks
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.operations.leases import LEASE
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.alerts import AlertResult, AlertSender
from letterhead.ports.deps import OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.mail import DeliveryResult
from letterhead.ports.store.alerts import AlertStore, DueAlert, StoredAlertChannel
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore

ADDED_A_DAY: Final = 500  # channels: each leaves a row in the audit for ever
TESTS_A_DAY: Final = 200
MOST_ATTEMPTS: Final = 8  # of one alert, over some four hours
DOMAINS: Final = "/dashboard/domains/"

log = structlog.get_logger()


class StoreForAlerts(AlertStore, DomainStore, LeaseStore, Protocol):
    """Channels and alerts, the domains that they are about, and how often a day an account does something."""


class AlertNeeds(IdNeeds, AuditNeeds, LastCheckNeeds, Protocol):
    """What the operations on alerts need."""

    @property
    def store(self) -> StoreForAlerts: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def alerts(self) -> AlertSender | None: ...
    @property
    def policy(self) -> OperationSettings: ...


class AlertTest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test: whether the service took it, and what happened."""

    channel: AlertChannel
    result: AlertResult

    @property
    def is_taken(self) -> bool:
        """Return whether the service took it."""
        return self.result.result is DeliveryResult.ACCEPTED


def address_purpose(channel: AlertChannel) -> str:
    """Return what an address is sealed for: its channel, so that in another row it does not open."""
    return f"alert-channel|{channel.account_id}|{channel.id}"


async def list_channels(deps: AlertNeeds, account_id: str) -> list[AlertChannel]:
    """List an account's channels, the oldest first, without their addresses."""
    return await deps.store.alert_channels(account_id)


async def list_failing(deps: AlertNeeds, limit: int) -> list[AlertChannel]:
    """List channels of all accounts that no alert gets through to, those that have failed longest first."""
    return await deps.store.failing_alert_channels(limit)


async def find_channel(deps: AlertNeeds, account_id: str, channel_id: str) -> StoredAlertChannel:
    """Find one channel; Fault `not-found`."""
    stored = await deps.store.alert_channel(account_id, channel_id)
    if stored is None:
        raise _not_found(channel_id)
    return stored


def _not_found(channel_id: str) -> Fault:
    detail = f"This account has no alert channel {channel_id[:80]!r}."
    return Fault(Kind.NOT_FOUND, detail, "Look at GET /alert-channels for those it has.")


def _sender(deps: AlertNeeds) -> AlertSender:
    if deps.alerts is None:
        raise Fault(
            Kind.CONFLICT,
            "This installation can't send alerts: what that needs is not installed.",
            "Ask whoever runs it to install the extra `alerts` (docs/install/pip.md). Webhooks and mail work without.",
        )
    return deps.alerts


async def add_channel(deps: AlertNeeds, account_id: str, name: str, url: str, actor: Actor) -> AlertChannel:
    """Add a channel, which gets alerts from now on; nothing is sent yet.

    Faults: `parameter-invalid` for the name, `alert-url-invalid`, `conflict` where the account has too many or nothing
    can be sent, `too-many-requests`.
    """
    sender = _sender(deps)
    address = url.strip()
    channel = AlertChannel(
        id=new_id(deps, "alert"),
        account_id=account_id,
        name=parse_channel_name(name),
        scheme=channel_scheme(address),
        created_at=deps.now(),
    )
    secret = Secret(address.encode())
    sender.check(secret)
    await count_daily(deps, account_id, "alert channels", ADDED_A_DAY)
    stored = StoredAlertChannel(channel=channel, sealed=deps.keyring.seal(secret, address_purpose(channel)))
    row = audit_row(deps, actor, "alert-channel.add", f"{channel.id} {channel.scheme}")
    if not await deps.store.add_alert_channel(stored, MOST_CHANNELS, row):
        raise Fault(
            Kind.CONFLICT,
            f"The account has {MOST_CHANNELS} alert channels, and may have no more.",
            "Delete one that is not needed with DELETE /alert-channels/{channelId}.",
        )
    return channel


async def delete_channel(deps: AlertNeeds, account_id: str, channel_id: str, actor: Actor) -> None:
    """Delete a channel; Fault `not-found`."""
    row = audit_row(deps, actor, "alert-channel.delete", channel_id[:80])
    if not await deps.store.delete_alert_channel(account_id, channel_id, row):
        raise _not_found(channel_id)


async def try_channel(deps: AlertNeeds, on_demand: OnDemand, account_id: str, channel_id: str) -> AlertTest:
    """Send a test to a channel; within 5 s of the last test, return that one's result.

    Faults: `not-found`, `conflict` where nothing can be sent, `too-many-requests`.
    """
    stored = await find_channel(deps, account_id, channel_id)
    _sender(deps)

    async def make() -> AlertResult:
        await count_daily(deps, account_id, "tests of alert channels", TESTS_A_DAY)
        return await _send(deps, stored, "This is a test of Letterhead: alerts on your domains arrive here.")

    tested = await on_demand.looks.once(account_id, f"alert test {channel_id}", make, octets=lambda _: 0)
    return AlertTest(channel=stored.channel, result=tested.value)


async def _send(deps: AlertNeeds, stored: StoredAlertChannel, text: str) -> AlertResult:
    """Send a text to a channel, and note whether it got through."""
    channel = stored.channel
    try:
        url = deps.keyring.unseal(stored.sealed, address_purpose(channel))
        result = await _sender(deps).send(url, text)
    except Fault as fault:
        log.error("alert-channel.unusable", channel=channel.id, account=channel.account_id, detail=fault.detail)
        result = AlertResult(result=DeliveryResult.LATER, said="its address can't be used here")
    failure = None if result.result is DeliveryResult.ACCEPTED else result.said
    await deps.store.note_alert_channel(channel.id, deps.now(), failure)
    return result


async def claim_alerts(deps: AlertNeeds, owner: str, held: PlacesHeld) -> list[DueAlert]:
    """Lease due alerts for the free places, shared by account; none where nothing can be sent."""
    if deps.alerts is None:
        return []
    now = deps.now()
    return await deps.store.claim_alerts(now, now + LEASE, owner, held.free, held=held)


async def send_alert(deps: AlertNeeds, due: DueAlert, owner: str) -> None:
    """Send one alert that `owner` has claimed, or settle it with the reason why it is not sent."""
    domain = await deps.store.domain_by_id(due.domain_id)
    stored = await deps.store.alert_channel(due.account_id, due.channel_id)
    if domain is None or stored is None or not rules.is_still_due(due.reminder, domain, deps.now()):
        await deps.store.settle_alert(due.id, "moot", "there is nothing to tell of any more")
        return
    last = (await list_last_checks(deps, [domain])).get(domain.id)
    findings = last.findings if last else ()
    if due.reminder.kind is rules.ReminderKind.ACCEPTANCE_ENDED:
        findings = rules.findings_accepted_until(due.reminder, domain, findings)
        if not findings:
            await deps.store.settle_alert(due.id, "moot", "what was accepted is there no more")
            return
    url = f"{deps.policy.public_url}{DOMAINS}{quote(domain.sender, safe='')}"
    line = alert_line(due.reminder, domain, findings, url if is_reachable_url(deps.policy.public_url) else None)
    if not await deps.store.mark_alert_handed_over(due.id, owner, deps.now()):
        return
    result = await _send(deps, stored, line)
    log.info("alert.handed", kind=due.reminder.kind, step=due.reminder.step, service=stored.channel.scheme,
             result=result.result, said=result.said)  # fmt: skip
    match result.result:
        case DeliveryResult.ACCEPTED:
            await deps.store.settle_alert(due.id, "sent", result.said)
        case DeliveryResult.LATER if due.attempts + 1 < MOST_ATTEMPTS:
            await deps.store.postpone_alert(due.id, deps.now() + rules.retry_in(due.attempts), result.said)
        case _:
            await deps.store.settle_alert(due.id, result.result.value, result.said)
