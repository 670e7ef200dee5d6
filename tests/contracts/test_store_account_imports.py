"""An account from another installation is written whole, by every statement that it needs, on both engines."""

import pytest

from letterhead.core.domain.domain import Effect
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store
from letterhead.ports.store.account_imports import ImportedAccount, ImportedDomain
from letterhead.ports.store.domains import DomainEvent, NewDomainKey
from tests.contracts.samples import account, api_key, audit, domain, event, fresh_id


async def test_a_verified_domain_is_written_with_what_is_owed(store: Store) -> None:
    """Its key, its selector, its event and the order to register it are there; a second import is refused."""
    opened = account()
    held = domain(opened.id, "moved.dev", is_holder=True)
    told = DomainEvent(id=fresh_id("evt"), domain_id=held.id, account_id=opened.id, sender=held.sender, event=event())
    key = NewDomainKey(selector=held.selector, sealed=b"sealed")
    imported = ImportedAccount(
        account=opened, key=api_key(opened.id), digest=opened.id.encode(), webhooks=(), events=(told,),
        domains=(ImportedDomain(domain=held, keys=(key,), effects=(Effect.REGISTER,)),),
    )  # fmt: skip
    await store.import_account(imported, audit("account.import"))
    assert await store.holder("moved.dev") == held.id
    assert await store.sealed_keys(opened.id, "moved.dev", "moved.dev") == {(held.id, held.selector): b"sealed"}
    assert [each.id for each in await store.events(opened.id, None, None, 10)] == [told.id]
    assert (await store.backlog(held.last_sync)).intents >= 1
    with pytest.raises(Fault) as refused:
        await store.import_account(imported, audit("account.import"))
    assert refused.value.kind is Kind.CONFLICT
