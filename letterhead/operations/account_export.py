"""The export of an account as lines of JSON, by the command on the server and by the running service."""

import base64
from collections import deque
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.errors import Fault, Kind
from letterhead.operations.account_archive import (
    FORMAT,
    MOST_EVENTS,
    VERSION,
    ArchivedAccount,
    ArchivedDomain,
    ArchivedEvent,
    ArchivedKey,
    ArchivedWebhook,
    ArchiveEnd,
    ArchiveLine,
    ArchiveNeeds,
)
from letterhead.operations.accounts import find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.webhooks import secret_purpose
from letterhead.ports.recipient import NewSealer, RecipientSealer
from letterhead.ports.store.domains import DomainEvent, DomainQuery

PAGE: Final = 100


async def export_from_service(
    deps: ArchiveNeeds, account_id: str, recipient: str, new_sealer: NewSealer, actor: Actor
) -> AsyncIterator[bytes]:
    """Return an account as lines, for whoever asks the running service.

    Faults: `parameter-invalid` where the recipient is none, `conflict` where the service shows no private key to
    anybody (whoever asks could name a recipient of their own), then those of `export_account`.
    """
    if not deps.policy.expose_private_dkim:
        raise Fault(
            Kind.CONFLICT,
            "This service shows private keys to nobody, and the archive of an account has them, for the recipient.",
            "On its server, as its user: stop the service, and run `letterhead export account` there; or set "
            "LETTERHEAD_EXPOSE_PRIVATE_DKIM=full.",
        )
    try:
        sealer = new_sealer(recipient)
    except Fault as fault:
        raise Fault(Kind.PARAMETER_INVALID, fault.detail, fault.fix) from fault
    return export_account(deps, account_id, recipient, sealer, actor)


async def export_account(
    deps: ArchiveNeeds, account_id: str, recipient: str, sealer: RecipientSealer, actor: Actor
) -> AsyncIterator[bytes]:
    """Return an account as lines; the audit says so first. Faults: `not-found`, `keyring-wrong`."""
    account = await find_account(deps, account_id)
    await deps.store.audit(audit_row(deps, actor, "account.export", account_id))
    digest, lines = sha256(), 0
    async for line in _archive_lines(deps, account, recipient, sealer):
        encoded = msgspec.json.encode(line) + b"\n"
        digest.update(encoded)
        lines += 1
        yield encoded
    yield msgspec.json.encode(ArchiveEnd(lines=lines, sha256=digest.hexdigest())) + b"\n"


async def _archive_lines(
    deps: ArchiveNeeds, account: Account, recipient: str, sealer: RecipientSealer
) -> AsyncIterator[ArchiveLine]:
    yield ArchivedAccount(
        format=FORMAT,
        version=VERSION,
        made_at=deps.now(),
        installation=deps.policy.installation,
        recipient=recipient,
        account=account,
        members=tuple(await deps.store.members(account.id)),
    )
    page, ids = await deps.store.domains(account.id, DomainQuery(limit=PAGE)), set[str]()
    while page:
        ids |= {each.id for each in page}
        sealed = await deps.store.sealed_keys(account.id, page[0].sender, page[-1].sender)
        for domain in page:
            keys, profile = [], await deps.store.profile(domain.id)
            for selector in sorted({selector for domain_id, selector in sealed if domain_id == domain.id}):
                purpose = key_purpose(domain, selector)
                secret = deps.keyring.unseal(sealed[domain.id, selector], purpose)
                keys.append(ArchivedKey(selector=selector, sealed=_text(sealer.seal(secret, purpose))))
            covers = await deps.store.covers_subdomains(domain.id)
            yield ArchivedDomain(domain=domain, keys=tuple(keys), profile=profile, covers=covers)
        page = await deps.store.domains(account.id, DomainQuery(limit=PAGE, after=page[-1].sender))
    for stored in await deps.store.webhooks(account.id):
        webhook, purpose = stored.webhook, secret_purpose(stored.webhook)
        resealed = _text(sealer.seal(deps.keyring.unseal(stored.sealed, purpose), purpose))
        if webhook.binding is None:
            yield ArchivedWebhook(webhook=webhook, sealed=resealed)
        else:
            yield ArchivedWebhook(webhook=replace(webhook, events=()), sealed=resealed, events=webhook.events)
    async for event in _newest_events(deps, account.id, ids):
        yield ArchivedEvent(event=replace(event, check_id=None))


async def _newest_events(deps: ArchiveNeeds, account_id: str, domain_ids: set[str]) -> AsyncIterator[DomainEvent]:
    """Return the newest events of these domains, the oldest first: read twice, so that only their ids are kept."""
    newest, before, after = deque[str](), "", None
    while events := await deps.store.events(account_id, None, after, PAGE):
        for each in events:
            if each.domain_id in domain_ids:
                newest.append(each.id)
                before = newest.popleft() if len(newest) > MOST_EVENTS else before
        after = events[-1].id
    last = newest[-1] if newest else ""
    after = before or None
    while events := await deps.store.events(account_id, None, after, PAGE):
        for each in events:
            if each.id > last:
                return
            if each.domain_id in domain_ids:
                yield each
        after = events[-1].id


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
