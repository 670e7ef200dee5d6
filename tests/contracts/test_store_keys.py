"""Show how every store keeps a domain's private keys by selector, through a change of keys."""

import sqlite3
from contextlib import closing

import asyncpg
import pytest
from msgspec.structs import replace

from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.core.public.webhooks import Webhook
from letterhead.errors import Fault, Kind
from letterhead.ports.store.domains import ClaimResult, DomainCreation, DomainQuery, DomainUpdate, NewDomainKey
from tests.contracts.samples import NOW, Shop, audit, domain, event, pooled_keys

NAME = "example.com"
ALL = DomainQuery()


async def holding(shop: Shop) -> Domain:
    """Add a domain whose key is at the selector `old`, and put another one beside it at `new`."""
    made = await shop.account()
    added = await shop.domain(made.id, NAME, selector="old")
    assert await shop.store.save(DomainUpdate(domain=added, new_key=NewDomainKey(selector="new", sealed=b"new key")))
    return replace(added, version=added.version + 1)


async def kept(shop: Shop, domain: Domain) -> dict[str, bytes]:
    """Read the keys of a domain in each way, which must agree."""
    listed = {
        selector: sealed
        for (owner, selector), sealed in (await shop.store.sealed_keys(domain.account_id)).items()
        if owner == domain.id
    }
    domains, with_keys = await shop.store.domains_with_sealed_keys(domain.account_id, 10)
    assert [each.id for each in domains] == [each.id for each in await shop.store.domains(domain.account_id, ALL)]
    assert {of[1]: sealed for of, sealed in with_keys.items() if of[0] == domain.id} == listed
    for selector in ("old", "new", "other"):
        assert await shop.store.sealed_key(domain.id, selector) == listed.get(selector)
    return listed


async def test_a_new_key_stands_beside_the_one_that_signs(shop: Shop) -> None:
    """Both are found by their selectors; the new selector is used up."""
    domain = await holding(shop)
    keys = await kept(shop, domain)
    assert set(keys) == {"old", "new"}
    assert keys["new"] == b"new key"
    with pytest.raises(Fault) as used:
        await shop.store.save(DomainUpdate(domain=domain, new_key=NewDomainKey(selector="old", sealed=b"again")))
    assert used.value.kind is Kind.SELECTOR_USED
    assert await kept(shop, domain) == keys
    assert await shop.store.save(DomainUpdate(domain=domain))  # the refused save has written nothing


async def test_a_second_key_is_kept_with_the_first(shop: Shop) -> None:
    """A domain may be born with two keys, and get two with a rotation; all selectors are used up by it."""
    made = await shop.account()
    wanted = domain(made.id, NAME, selector="old")
    second = NewDomainKey(selector="new", sealed=b"second key")
    born = DomainCreation(domain=wanted, sealed_key=b"first key", second_key=second, events=(event(),))
    claim = replace(shop.claim(wanted, own=pooled_keys(1)[0]), build=lambda _: born)
    assert await shop.store.claim(claim, Limits()) is ClaimResult.ADDED
    assert await kept(shop, wanted) == {"old": b"first key", "new": b"second key"}
    with pytest.raises(Fault) as used:
        await shop.store.save(DomainUpdate(domain=wanted, second_key=second))
    assert used.value.kind is Kind.SELECTOR_USED
    third, fourth = NewDomainKey(selector="other", sealed=b"third"), NewDomainKey(selector="fourth", sealed=b"fourth")
    assert await shop.store.save(DomainUpdate(domain=wanted, new_key=third, second_key=fourth))
    assert set(await kept(shop, wanted)) == {"old", "new", "other", "fourth"}


async def test_keys_change_places_and_the_old_one_goes_when_shed(shop: Shop) -> None:
    """After the switch both are still found; what is shed is gone, the one that signs never."""
    domain = await holding(shop)
    keys = await kept(shop, domain)
    after = replace(domain, selector="new")
    assert await shop.store.save(DomainUpdate(domain=after, previous_selector="old"))
    assert await kept(shop, domain) == keys
    after = replace(after, version=after.version + 1)
    assert await shop.store.save(DomainUpdate(domain=after, keys_to_destroy=("old",)))
    assert await kept(shop, domain) == {"new": b"new key"}


async def test_an_abandoned_key_is_gone(shop: Shop) -> None:
    """Shed before the switch, the new key is gone and the old one signs on."""
    domain = await holding(shop)
    assert await shop.store.save(DomainUpdate(domain=domain, keys_to_destroy=("new",)))
    assert set(await kept(shop, domain)) == {"old"}


async def test_a_lost_race_changes_no_key(shop: Shop) -> None:
    """A save of an outdated version neither adds, nor changes places, nor sheds."""
    domain = await holding(shop)
    keys, stale = await kept(shop, domain), replace(domain, version=domain.version - 1)
    for outcome in (
        DomainUpdate(domain=replace(stale, selector="new"), previous_selector="old"),
        DomainUpdate(domain=stale, keys_to_destroy=("new",)),
        DomainUpdate(domain=stale, new_key=NewDomainKey(selector="third", sealed=b"third")),
    ):
        assert not await shop.store.save(outcome)
    assert await kept(shop, domain) == keys
    assert await shop.store.save(DomainUpdate(domain=domain, new_key=NewDomainKey(selector="third", sealed=b"third")))


async def test_a_deleted_domain_leaves_no_key(shop: Shop) -> None:
    """All keys go with the domain, whatever their place."""
    domain = await holding(shop)
    assert await shop.store.delete(domain, event(EventKind.DOMAIN_DELETED), (), audit())
    assert await kept(shop, domain) == {}


async def test_a_pooled_key_is_taken_once(shop: Shop) -> None:
    """Each key made ahead is given out once; a dry pool gives none."""
    keys = pooled_keys(2)
    await shop.store.pool_keys(keys)
    taken = [await shop.store.take_key() for _ in range(3)]
    assert sorted(key.id for key in taken if key) == sorted(key.id for key in keys)
    assert taken[2] is None


async def run(url: str, statement: str) -> None:
    """Run one statement behind the store's back."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute(statement)
            file.commit()
    else:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def test_a_row_of_an_older_version_is_the_domains_own_key(shop: Shop, url: str) -> None:
    """A version that knows no selectors may go on writing: its rows are found, and change places like others."""
    domain = await holding(shop)
    keys = await kept(shop, domain)
    await run(url, "UPDATE domain_keys SET selector = NULL")
    assert await kept(shop, domain) == keys
    assert await shop.store.save(DomainUpdate(domain=replace(domain, selector="new"), previous_selector="old"))
    assert await kept(shop, domain) == keys


async def test_every_sealed_secret_is_walked_over_once(shop: Shop) -> None:
    """Keys that sign, keys beside them, keys made ahead and the vault's secrets; in any size of steps, none twice."""
    domain = await holding(shop)
    await shop.store.pool_keys(pooled_keys(3))
    await shop.store.installation_secret("pepper", b"sealed pepper")
    await shop.store.installation_secret("installation", b"no secret")
    for size in (1, 2, 100):
        found, after = [], ("", "")
        while steps := await shop.store.sealed_secrets(after, size):
            found += steps
            after = (steps[-1].place, steps[-1].key)
        assert len({(each.place, each.key) for each in found}) == len(found) == 6
        assert {each.place for each in found} == {"domain_keys", "spare_keys", "key_pool", "vault"}
        assert b"no secret" not in [each.sealed for each in found]
    assert {each.sealed for each in found} >= {b"new key", b"sealed pepper", *(await kept(shop, domain)).values()}


async def test_a_secret_is_resealed_unless_it_has_changed(shop: Shop) -> None:
    """Each kind is kept anew under its place; who was overtaken writes nothing."""
    domain = await holding(shop)
    await shop.store.pool_keys(pooled_keys(1))
    await shop.store.installation_secret("pepper", b"sealed pepper")
    hook = Webhook(id="wh", account_id=domain.account_id, url="https://a.dev", events=("*",), created_at=NOW)
    assert await shop.store.add_webhook(hook, b"first secret", 9, audit())
    assert await shop.store.rotate_secret(domain.account_id, hook.id, b"second secret", NOW, audit())
    for each in await shop.store.sealed_secrets(("", ""), 100):
        assert await shop.store.reseal(each, b"anew " + each.sealed)
        assert not await shop.store.reseal(each, b"too late")
    sealed = [each.sealed for each in await shop.store.sealed_secrets(("", ""), 100)]
    assert {b"anew first secret", b"anew second secret"} <= set(sealed)
    assert len(sealed) == 6
    assert all(each.startswith(b"anew ") for each in sealed)
    assert (await kept(shop, domain))["new"] == b"anew new key"
