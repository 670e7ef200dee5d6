"""Show what holds when several ask the store at once: two processes on PostgreSQL, many tasks on SQLite."""

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Effect, EventKind
from letterhead.core.domain.health import HealthState, new_health
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store
from letterhead.ports.store.domains import ClaimResult, DomainQuery, DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, checkup, domain, event, later, pooled_keys

Stores = tuple[Store, Store]


async def test_due_work_goes_to_one_owner_each(stores: Stores, shop: Shop) -> None:
    """Workers that claim at once share the due domains: none twice, none forgotten, no batch past its limit."""
    made = await shop.account()
    wanted = {(await shop.domain(made.id, f"d{number}.example")).id for number in range(60)}

    async def drain(store: Store, owner: str) -> list[str]:
        mine: list[str] = []
        while batch := await store.claim_due(NOW, later(minutes=5), owner, 7):
            assert len(batch) <= 7
            mine += [one.id for one in batch]
        return mine

    shares = await asyncio.gather(*(drain(stores[number % 2], f"owner{number}") for number in range(6)))
    # A row that another claim holds at that moment is skipped, so the last round may leave some to a later one.
    rest = await drain(stores[0], "last")
    counted = Counter(one for share in (*shares, rest) for one in share)
    assert set(counted) == wanted
    assert set(counted.values()) == {1}


async def test_intents_of_a_name_never_run_side_by_side(stores: Stores, shop: Shop) -> None:
    """However many workers ask, each name's work is done in order and by one at a time."""
    made = await shop.account()
    for number in range(8):
        one = await shop.domain(made.id, f"d{number}.example")
        assert await shop.store.save(
            DomainUpdate(domain=one, effects=(Effect.REGISTER, Effect.RESTART, Effect.WITHDRAW))
        )
    done: dict[str, list[int]] = {}
    running: set[str] = set()

    async def labour(store: Store, owner: str) -> None:
        while sum(map(len, done.values())) < 24:
            for intent in await store.claim_intents(NOW, later(minutes=5), owner, 3):
                assert intent.sender not in running
                running.add(intent.sender)
                await asyncio.sleep(0.001)
                done.setdefault(intent.sender, []).append(int(intent.id))
                running.remove(intent.sender)
                await store.finish_intent(intent.id)

    await asyncio.gather(*(labour(stores[number % 2], f"owner{number}") for number in range(4)))
    assert [sorted(ids) == ids and len(ids) == 3 for ids in done.values()] == [True] * 8


async def test_one_name_posted_at_once_is_added_once(stores: Stores, shop: Shop) -> None:
    """Of many who add one name to an account at once one adds it, the others find it; one key is spent."""
    made = await shop.account()
    await shop.store.pool_keys(pooled_keys(12))
    claims = [shop.claim(domain(made.id, "example.com"), idempotency=("key", b"same")) for _ in range(12)]
    went = await asyncio.gather(
        *(stores[number % 2].claim(claim, Limits(domains=5)) for number, claim in enumerate(claims))
    )
    assert Counter(went) == {ClaimResult.ADDED: 1, ClaimResult.EXISTS: 11}
    assert (await shop.store.backlog(NOW)).pooled_keys == 11
    assert len(await shop.store.events(made.id, None, None, 100)) == 1


async def test_limit_holds_at_once(stores: Stores, shop: Shop) -> None:
    """Different names added at once don't pass the limit."""
    made = await shop.account()
    await shop.store.pool_keys(pooled_keys(10))
    claims = [shop.claim(domain(made.id, f"d{number}.example")) for number in range(10)]
    went = await asyncio.gather(
        *(stores[number % 2].claim(claim, Limits(domains=4)) for number, claim in enumerate(claims)),
        return_exceptions=True,
    )
    refused = [one for one in went if isinstance(one, Fault) and one.kind is Kind.USAGE_LIMIT_EXCEEDED]
    assert (went.count(ClaimResult.ADDED), len(refused)) == (4, 6)
    assert await shop.store.count_domains(made.id) == 4


async def test_limit_of_claims_holds_at_once(stores: Stores, shop: Shop) -> None:
    """Failed claims that are started anew at once, beside new ones, don't pass the limit of claims without proof."""
    made, limits = await shop.account(), Limits(pending_claims=3)
    failed = [
        await shop.domain(made.id, f"d{number}.example", dkim=new_health(HealthState.FAILED, NOW))
        for number in range(8)
    ]
    await shop.store.pool_keys(pooled_keys(4))
    anew = [replace(one, dkim=new_health(HealthState.PENDING, NOW)) for one in failed]
    new = [shop.claim(domain(made.id, f"n{number}.example")) for number in range(4)]
    went = await asyncio.gather(
        *(stores[n % 2].save(DomainUpdate(domain=one, events=(event(),)), limits) for n, one in enumerate(anew)),
        *(stores[n % 2].claim(claim, limits) for n, claim in enumerate(new)),
        return_exceptions=True,
    )
    refused = [one for one in went if isinstance(one, Fault) and one.kind is Kind.USAGE_LIMIT_EXCEEDED]
    assert (went.count(True) + went.count(ClaimResult.ADDED), len(refused)) == (3, 9)
    assert await shop.store.count_unproven(made.id) == 3


async def test_pooled_keys_are_handed_out_once(stores: Stores, shop: Shop) -> None:
    """Accounts that add domains at once get a key of their own each, until the pool is dry."""
    owners = [await shop.account() for _ in range(12)]
    await shop.store.pool_keys(pooled_keys(8))
    claims = [shop.claim(domain(owner.id, "example.com")) for owner in owners]
    went = await asyncio.gather(*(stores[number % 2].claim(claim, Limits()) for number, claim in enumerate(claims)))
    # On PostgreSQL a key that another claim holds is skipped, and free again if that one fails: dry may come early,
    # never twice the same key.
    assert Counter(went) == {ClaimResult.ADDED: 8, ClaimResult.POOL_EMPTY: 4}
    keys = [list((await shop.store.sealed_keys(owner.id)).values()) for owner in owners]
    held = [sealed[0] for sealed in keys if sealed]
    assert len(held) == len(set(held)) == 8


async def test_one_of_many_saves_wins(stores: Stores, shop: Shop) -> None:
    """Of many who save the same version at once one does, and only its event and checkup are kept."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    outcomes = [
        DomainUpdate(domain=replace(one, attempts=number), events=(event(),), check=checkup(note=str(number)))
        for number in range(10)
    ]
    went = await asyncio.gather(*(stores[number % 2].save(outcome) for number, outcome in enumerate(outcomes)))
    assert Counter(went) == {True: 1, False: 9}
    kept = await shop.store.domain_by_id(one.id)
    found = (await shop.store.last_checks([one.id]))[one.id]
    assert kept is not None
    assert found.findings[0].detail == str(kept.attempts) == str(went.index(True))
    assert len(await shop.store.events(made.id, one.id, None, 100)) == 2


async def test_one_of_many_holds_a_name(stores: Stores, shop: Shop) -> None:
    """Of many claims that are proven at once one holds the name; the others are told."""
    claims = [await shop.domain((await shop.account()).id, "example.com") for _ in range(8)]
    wishes = [
        DomainUpdate(domain=replace(one, is_holder=True, dkim=new_health(HealthState.VERIFIED, NOW)), events=(event(),))
        for one in claims
    ]
    went = await asyncio.gather(*(stores[number % 2].save(wish) for number, wish in enumerate(wishes)))
    assert Counter(went) == {True: 1, False: 7}
    assert await shop.store.holder("example.com") == claims[went.index(True)].id


async def test_deleting_and_saving_at_once(stores: Stores, shop: Shop) -> None:
    """A delete and a save of one version: one of them happens, whole."""
    made = await shop.account()
    for number in range(8):
        one = await shop.domain(made.id, f"d{number}.example")
        gone = event(EventKind.DOMAIN_DELETED)
        saved, deleted = await asyncio.gather(
            stores[0].save(DomainUpdate(domain=one, check=checkup())),
            stores[1].delete(one, gone, (Effect.WITHDRAW,), audit()),
        )
        assert saved != deleted
        assert (await shop.store.domain_by_id(one.id) is None) == deleted


async def test_accounts_and_claims_at_once(stores: Stores, shop: Shop) -> None:
    """An account that is deleted while it adds a domain either keeps both or loses both."""
    for _ in range(8):
        made = await shop.account()
        claim = shop.claim(domain(made.id, "example.com"), own=pooled_keys(1)[0])
        added, deleted = await asyncio.gather(
            stores[0].claim(claim, Limits()), stores[1].delete_account(made.id, audit()), return_exceptions=True
        )
        there = await shop.store.account(made.id) is not None
        assert there == (added is ClaimResult.ADDED) == (not isinstance(deleted, dict))


async def test_counts_add_up_at_once(stores: Stores, shop: Shop) -> None:
    """Requests counted by several processes at once are all counted, in whatever order they name the accounts."""
    owners = [(await shop.account()).id for _ in range(6)]
    orders = (owners, owners[::-1])
    await asyncio.gather(
        *(stores[n % 2].count_requests("2026-11", dict.fromkeys(orders[n % 2], 1), {}) for n in range(20))
    )
    assert set((await shop.store.count_requests("2026-11", dict.fromkeys(owners, 0), {})).values()) == {20}


@pytest.mark.parametrize("rounds", [20])
async def test_cancelled_work_leaves_nothing_half_done(shop: Shop, rounds: int) -> None:
    """A request that is cut off anywhere has added its domain whole or not at all, and the store goes on."""
    made = await shop.account()
    await shop.store.pool_keys(pooled_keys(rounds))
    for number in range(rounds):
        claim = shop.claim(domain(made.id, f"d{number}.example"))
        task = asyncio.create_task(shop.store.claim(claim, Limits()))
        await asyncio.sleep(0.0004 * number)
        task.cancel()
        (went,) = await asyncio.gather(task, return_exceptions=True)
        assert went is ClaimResult.ADDED or isinstance(went, asyncio.CancelledError)
    added = await shop.store.domains(made.id, DomainQuery())
    assert await shop.store.sealed_keys(made.id) == {
        (new.domain.id, new.domain.selector): new.sealed_key for new in shop.built if new.domain in added
    }
    assert (await shop.store.backlog(NOW)).pooled_keys == rounds - len(added)
    assert len(await shop.store.events(made.id, None, None, 100)) == len(added)
    await shop.domain(made.id, "afterwards.example")
