"""Show what every store promises, on SQLite and on a real PostgreSQL alike."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller, Scope
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, Effect, EventKind
from letterhead.core.domain.health import HealthState, Observation, RecordHealth, new_health
from letterhead.core.domain.provider_identity import Identity, Presence, ProviderStatus
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store
from letterhead.ports.store.domains import (
    CheckResult,
    ClaimResult,
    DomainQuery,
    DomainUpdate,
    NewDomainKey,
    RelatedEvent,
)
from tests.contracts.samples import (
    NOW,
    Shop,
    account,
    api_key,
    audit,
    checkup,
    domain,
    event,
    fresh_id,
    later,
    pooled_keys,
)

ODD = "NUL \0 quote ' \" % _ \\ ü 🦊 :name $1 \ud800"


# accounts and keys


async def test_account_is_kept(store: Store) -> None:
    """An account comes back as it was added, with its first key."""
    made = account(limits=Limits(domains=3, requests_per_month=1000))
    key = api_key(made.id, scope=Scope.FULL, environment_id="env", ends_at=later(days=1), last_used_at=NOW)
    await store.add_account(made, key, b"digest", audit())
    assert await store.account(made.id) == made
    assert await store.accounts() == [made]
    assert await store.keys(made.id) == [key]
    assert await store.account("nobody") is None


async def test_accounts_come_oldest_first(shop: Shop) -> None:
    """Accounts are listed in the order of their making."""
    second, first = await shop.account(created_at=later(days=1)), await shop.account()
    assert await shop.store.accounts() == [first, second]


async def test_account_changes(shop: Shop) -> None:
    """Name, email and limits change; who is not there does not."""
    made = await shop.account()
    changed = replace(made, name="New", email="new@example.com", limits=Limits(domains=1))
    assert await shop.store.change_account(changed, audit())
    assert await shop.store.account(made.id) == changed
    assert not await shop.store.change_account(account(), audit())


async def test_account_is_deleted_with_its_keys(shop: Shop) -> None:
    """A deleted account is gone, its keys open nothing, and its month is counted no more."""
    made = account()
    await shop.store.add_account(made, api_key(made.id), b"digest", audit())
    assert await shop.store.count_requests("2026-11", {made.id: 2}, {}) == {made.id: 2}
    assert await shop.store.delete_account(made.id, audit()) == {"events": 0, "evidence": 0}
    assert await shop.store.account(made.id) is None
    assert await shop.store.find_caller(b"digest") is None
    assert await shop.store.count_requests("2026-11", {made.id: 1}, {}) == {}
    assert await shop.store.delete_account(made.id, audit()) is None


async def test_account_with_domains_is_not_deleted(shop: Shop) -> None:
    """An account that has domains stays, and the refusal says how many."""
    made = await shop.account()
    await shop.domain(made.id, "example.com")
    with pytest.raises(Fault, match="still has 1 domains") as refused:
        await shop.store.delete_account(made.id, audit())
    assert refused.value.kind is Kind.CONFLICT
    assert await shop.store.account(made.id) == made


async def test_caller_is_found_by_digest(store: Store) -> None:
    """The digest of a key's text tells whose it is and what they may use; ended keys say when they ended."""
    made = account(limits=Limits(domains=5))
    first, second = api_key(made.id), api_key(made.id, scope=Scope.READ, created_at=later(seconds=1))
    await store.add_account(made, first, b"one", audit())
    await store.add_key(second, b"two", audit())
    assert await store.end_key(made.id, second.id, later(hours=1), audit())
    assert await store.find_caller(b"one") == Caller(
        account_id=made.id, key_id=first.id, scope=Scope.WRITE, limits=made.limits
    )
    ended = await store.find_caller(b"two")
    assert ended is not None
    assert (ended.key_id, ended.scope, ended.ends_at) == (second.id, Scope.READ, later(hours=1))
    assert await store.find_caller(b"three") is None
    assert [key.id for key in await store.keys(made.id)] == [first.id, second.id]


async def test_key_of_another_account_does_not_end(shop: Shop) -> None:
    """Only the account that has a key ends it."""
    mine, theirs = await shop.account(), await shop.account()
    key = (await shop.store.keys(theirs.id))[0]
    assert not await shop.store.end_key(mine.id, key.id, NOW, audit())
    assert await shop.store.keys(theirs.id) == [key]


async def test_same_key_twice_is_a_clash(shop: Shop) -> None:
    """Two keys of one digest, or a key of nobody, are refused as a conflict and not as a bug."""
    made = await shop.account()
    await shop.store.add_key(api_key(made.id), b"same", audit())
    for wrong in (api_key(made.id), api_key("nobody")):
        with pytest.raises(Fault) as refused:
            await shop.store.add_key(wrong, b"same" if wrong.account_id == made.id else b"new", audit())
        assert refused.value.kind is Kind.CONFLICT


async def test_requests_are_counted_by_month(shop: Shop) -> None:
    """Requests add up in each account's month, and a key remembers when it was used."""
    one, two = await shop.account(), await shop.account()
    key = (await shop.store.keys(one.id))[0]
    assert await shop.store.count_requests("2026-11", {one.id: 3, two.id: 5}, {key.id: NOW}) == {one.id: 3, two.id: 5}
    assert await shop.store.count_requests("2026-11", {one.id: 4}, {"gone": NOW}) == {one.id: 7}
    assert await shop.store.count_requests("2026-12", {one.id: 0}, {}) == {one.id: 0}
    assert (await shop.store.keys(one.id))[0].last_used_at == NOW


# domains


@pytest.mark.parametrize("with_key", [True, False])
async def test_claim_adds_a_domain(shop: Shop, with_key: bool) -> None:
    """A claim writes the domain, its sealed key and its events; the pooled key it takes is gone."""
    made, pool = await shop.account(), pooled_keys(1)
    await shop.store.pool_keys(pool)
    wanted = domain(made.id, "example.com")
    own = pooled_keys(1)[0] if with_key else None
    assert await shop.store.claim(shop.claim(wanted, own=own), Limits()) is ClaimResult.ADDED
    assert await shop.store.domain(made.id, "example.com") == wanted
    assert await shop.store.domain_by_id(wanted.id) == wanted
    sealed = b"sealed " + (own or pool[0]).sealed
    assert await shop.store.sealed_key(wanted.id, wanted.selector) == sealed
    assert await shop.store.sealed_key(wanted.id, "other") is None
    assert await shop.store.sealed_keys(made.id) == {(wanted.id, wanted.selector): sealed}
    assert [told.event for told in await shop.store.events(made.id, wanted.id, None, 10)] == [event()]
    assert (await shop.store.backlog(NOW)).pooled_keys == (1 if with_key else 0)


async def test_claim_again_is_there(shop: Shop) -> None:
    """Whoever has a domain already gets it, and no key is spent; another account's claim is its own."""
    mine, theirs = await shop.account(), await shop.account()
    first = await shop.domain(mine.id, "example.com")
    await shop.store.pool_keys(pooled_keys(1))
    assert await shop.store.claim(shop.claim(domain(mine.id, "example.com")), Limits()) is ClaimResult.EXISTS
    assert await shop.store.domain(mine.id, "example.com") == first
    assert (await shop.store.backlog(NOW)).pooled_keys == 1
    await shop.domain(theirs.id, "example.com")
    assert await shop.store.count_domains(mine.id) == await shop.store.count_domains(theirs.id) == 1


async def test_claim_waits_for_keys(shop: Shop) -> None:
    """A dry pool adds nothing and says so."""
    made = await shop.account()
    assert await shop.store.claim(shop.claim(domain(made.id, "example.com")), Limits()) is ClaimResult.POOL_EMPTY
    assert await shop.store.count_domains(made.id) == 0


async def test_claim_keeps_to_the_limit(shop: Shop) -> None:
    """One domain more than allowed is refused; one that is there already is not."""
    made = await shop.account()
    await shop.domain(made.id, "one.example")
    own = pooled_keys(1)[0]
    with pytest.raises(Fault) as refused:
        await shop.store.claim(shop.claim(domain(made.id, "two.example"), own=own), Limits(domains=1))
    assert refused.value.kind is Kind.USAGE_LIMIT_EXCEEDED
    assert (
        await shop.store.claim(shop.claim(domain(made.id, "one.example"), own=own), Limits(domains=1))
        is ClaimResult.EXISTS
    )
    assert (
        await shop.store.claim(shop.claim(domain(made.id, "two.example"), own=own), Limits(domains=2))
        is ClaimResult.ADDED
    )


async def test_an_account_never_uses_a_selector_twice(shop: Shop) -> None:
    """A selector stays used at its name after the domain is gone; elsewhere, and for other accounts, it is free."""
    mine, theirs = await shop.account(), await shop.account()
    first = await shop.domain(mine.id, "example.com", selector="s1")
    assert await shop.store.delete(first, event(EventKind.DOMAIN_DELETED), (), audit())
    again = domain(mine.id, "example.com", selector="s1")
    with pytest.raises(Fault) as refused:
        await shop.store.claim(shop.claim(again, own=pooled_keys(1)[0]), Limits())
    assert refused.value.kind is Kind.SELECTOR_USED
    assert await shop.store.domain(mine.id, "example.com") is None
    await shop.domain(mine.id, "example.org", selector="s1")
    await shop.domain(theirs.id, "example.com", selector="s1")


async def test_the_selectors_of_a_holder_stay_its_own(shop: Shop) -> None:
    """What an account used at a name counts for others once it has held the name, and not before."""
    mine, theirs, third = await shop.account(), await shop.account(), await shop.account()
    held = await shop.domain(mine.id, "example.com", selector="s1")
    claim = await shop.domain(theirs.id, "example.com", selector="s1")
    assert not await shop.store.is_selector_of_others(claim)
    new_key = NewDomainKey(selector="s2", sealed=b"key")
    assert await shop.store.save(DomainUpdate(domain=replace(held, is_holder=True), new_key=new_key))
    assert await shop.store.is_selector_of_others(claim)
    assert await shop.store.is_selector_of_others(replace(claim, selector="s2"))
    assert not await shop.store.is_selector_of_others(replace(claim, selector="s3"))
    assert not await shop.store.is_selector_of_others(replace(claim, sender="example.org"))
    now_held = await shop.store.domain_by_id(held.id)
    assert now_held is not None
    assert not await shop.store.is_selector_of_others(now_held)
    assert await shop.store.delete(now_held, event(EventKind.DOMAIN_DELETED), (), audit())
    assert await shop.store.is_selector_of_others(await shop.domain(third.id, "example.com", selector="s2"))


async def test_refused_claim_writes_nothing(shop: Shop) -> None:
    """A claim that is refused late gives its pooled key back, and the next one goes on."""
    made = await shop.account()
    gone = await shop.domain(made.id, "example.com", selector="s1")
    assert await shop.store.delete(gone, event(EventKind.DOMAIN_DELETED), (), audit())
    before = await shop.store.events(made.id, None, None, 10)
    await shop.store.pool_keys(pooled_keys(1))
    with pytest.raises(Fault):
        await shop.store.claim(shop.claim(domain(made.id, "example.com", selector="s1")), Limits())
    assert (await shop.store.backlog(NOW)).pooled_keys == 1
    assert await shop.store.events(made.id, None, None, 10) == before
    await shop.domain(made.id, "example.com")


async def test_claim_of_a_gone_account(shop: Shop) -> None:
    """Nobody claims for an account that is gone."""
    with pytest.raises(Fault) as refused:
        await shop.store.claim(shop.claim(domain("gone", "example.com"), own=pooled_keys(1)[0]), Limits())
    assert refused.value.kind is Kind.NOT_FOUND


async def test_idempotency_key_is_honoured(shop: Shop) -> None:
    """The same key with the same request is answered alike, with another request refused, after a day forgotten."""
    made, other = await shop.account(), await shop.account()
    own = pooled_keys(1)[0]
    first = shop.claim(domain(made.id, "one.example"), own, ("key", b"one"))
    assert await shop.store.claim(first, Limits()) is ClaimResult.ADDED
    assert await shop.store.claim(first, Limits()) is ClaimResult.EXISTS
    second = shop.claim(domain(made.id, "two.example"), own, ("key", b"two"))
    with pytest.raises(Fault) as refused:
        await shop.store.claim(second, Limits())
    assert refused.value.kind is Kind.IDEMPOTENCY_KEY_REUSED
    theirs = shop.claim(domain(other.id, "two.example"), own, ("key", b"two"))
    assert await shop.store.claim(theirs, Limits()) is ClaimResult.ADDED
    tomorrow = replace(shop.claim(domain(made.id, "three.example"), own, ("k3", b"3")), now=later(hours=25))
    assert await shop.store.claim(tomorrow, Limits()) is ClaimResult.ADDED
    assert await shop.store.claim(second, Limits()) is ClaimResult.ADDED


async def test_idempotency_key_counts_where_the_domain_was_there(shop: Shop) -> None:
    """A key that found its domain there is used up too."""
    made = await shop.account()
    await shop.domain(made.id, "one.example")
    own = pooled_keys(1)[0]
    assert await shop.store.claim(shop.claim(domain(made.id, "one.example"), own, ("key", b"one")), Limits()) == "there"
    with pytest.raises(Fault):
        await shop.store.claim(shop.claim(domain(made.id, "two.example"), own, ("key", b"two")), Limits())


async def test_domains_come_in_order(shop: Shop) -> None:
    """Domains are listed by the octets of their names on every engine, page by page without gap or repeat."""
    made, other = await shop.account(), await shop.account()
    names = ["a-b.example", "a.example", "a1.example", "ab.example", "xn--bcher-kva.example", "z.example", "0.example"]
    for name in names:
        await shop.domain(made.id, name)
    await shop.domain(other.id, "b.example")
    listed = [one.sender for one in await shop.store.domains(made.id, DomainQuery())]
    assert listed == sorted(names)
    paged: list[str] = []
    while page := await shop.store.domains(made.id, DomainQuery(limit=2, after=paged[-1] if paged else None)):
        assert len(page) <= 2
        paged += [one.sender for one in page]
    assert paged == listed


async def test_domains_are_filtered(shop: Shop) -> None:
    """A page is filtered by status and by a part of the name, in which no character is special."""
    made = await shop.account()
    await shop.domain(made.id, "one.example", dkim=new_health(HealthState.VERIFIED, NOW))
    await shop.domain(made.id, "two.example")
    await shop.domain(made.id, "t_o.example")

    async def found(**how: Any) -> list[str]:
        return [one.sender for one in await shop.store.domains(made.id, DomainQuery(**how))]

    assert await found(status="SUCCESS") == ["one.example"]
    assert await found(status="PENDING") == ["t_o.example", "two.example"]
    assert await found(contains="t_o") == ["t_o.example"]
    assert await found(contains="wo.ex") == ["two.example"]
    assert await found(contains="%") == await found(contains="\\") == await found(contains=ODD) == []
    assert await found(contains="x" * 100_000) == await found(status=ODD) == []
    assert await found(contains="", after="t_o.example") == ["two.example"]
    assert await found(contains="o", status="PENDING", after="t_o.example") == ["two.example"]


async def test_domains_are_filtered_by_a_problem(shop: Shop) -> None:
    """A code finds the domains whose last check found it, whole codes alone; what DNS says can't pose as one."""
    made = await shop.account()
    one, two = await shop.domain(made.id, "one.example"), await shop.domain(made.id, "two.example")
    await shop.domain(made.id, "never.example")
    assert await shop.store.save(DomainUpdate(domain=one, check=checkup()))
    posing = replace(checkup().findings[0], code="spf.missing", detail='"code":"dkim.missing"')
    assert await shop.store.save(DomainUpdate(domain=two, check=replace(checkup(), findings=(posing,))))

    async def found(problem: str) -> list[str]:
        return [one.sender for one in await shop.store.domains(made.id, DomainQuery(problem=problem))]

    assert await found(checkup().findings[0].code) == ["one.example"]
    assert await found("spf.missing") == ["two.example"]
    assert await found("spf.miss") == await found("dkim") == await found('"') == await found(ODD) == []


async def test_odd_text_is_never_an_error(shop: Shop) -> None:
    """Whatever text comes in is looked up or kept; what no engine keeps alike becomes the replacement character."""
    made = await shop.account(name=ODD)
    kept = (await shop.store.accounts())[0].name
    assert kept == ODD.replace("\0", "\ufffd").replace("\ud800", "?")
    assert await shop.store.domain(ODD, ODD) is None
    assert await shop.store.domain_by_id(ODD) is None
    assert await shop.store.holder(ODD) is None
    assert await shop.store.last_checks([ODD.replace("\ud800", "")]) == {}
    assert await shop.store.events(made.id, ODD, ODD, 1) == []
    await shop.store.audit(replace(audit(), subject=ODD, address=ODD))


async def test_domain_of_another_account_is_not_found(shop: Shop) -> None:
    """An account sees its own domains alone."""
    mine, theirs = await shop.account(), await shop.account()
    one = await shop.domain(theirs.id, "example.com")
    assert await shop.store.domain(mine.id, "example.com") is None
    assert await shop.store.domains(mine.id, DomainQuery()) == []
    assert await shop.store.sealed_keys(mine.id) == {}
    assert await shop.store.events(mine.id, None, None, 10) == []
    assert await shop.store.events(mine.id, one.id, None, 10) == []


times = st.integers(0, 32_000_000_000_000_000).map(
    lambda n: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
watches = st.builds(
    RecordHealth,
    state=st.sampled_from(HealthState),
    since=times,
    observations=st.lists(st.builds(Observation, at=times, present=st.booleans()), max_size=3).map(tuple),
    first_miss_at=st.none() | times,
    misses=st.integers(0, 1000),
    stops_sending_at=st.none() | times,
    present_since=st.none() | times,
    provider_lost_at=st.none() | times,
    provider_lost=st.booleans(),
)
identities = st.builds(
    Identity,
    presence=st.sampled_from(Presence),
    dkim=st.sampled_from(ProviderStatus),
    mail_from=st.sampled_from(ProviderStatus),
    reason=st.none() | texts,
    tokens=st.lists(texts, max_size=3).map(tuple),
    seen_at=times,
)
lives = st.fixed_dictionaries(
    {
        "public_key": texts,
        "mail_from": st.none() | texts,
        "zone": st.none() | texts,
        "created_at": times,
        "last_sync": times,
        "dkim": watches,
        "mail_from_health": st.none() | watches,
        "verified_at": st.none() | times,
        "is_holder": st.booleans(),
        "registered_at": st.none() | times,
        "identity": st.none() | identities,
        "restarted_at": st.none() | times,
        "tokens": st.lists(texts, max_size=3).map(tuple),
        "attempts": st.integers(0, 10**6),
        "next_check_at": st.none() | times,
        "check_reason": texts,
        "reminder_sent_at": st.none() | times,
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=lives)
async def test_domain_comes_back_whole(shop: Shop, life: dict[str, object]) -> None:
    """Whatever a domain remembers comes back to the microsecond: when it was added, and when it was saved."""
    made = await shop.account()
    plain = await shop.domain(made.id, f"{made.id}.example")
    changed = replace(plain, **life)
    assert await shop.store.save(DomainUpdate(domain=changed))
    expected = replace(changed, version=plain.version + 1)
    assert await shop.store.domain_by_id(plain.id) == expected
    assert await shop.store.delete(expected, event(), (), audit())
    again = replace(expected, selector=fresh_id("s"))
    assert await shop.store.claim(shop.claim(again, own=pooled_keys(1)[0]), Limits()) is ClaimResult.ADDED
    assert await shop.store.domain(made.id, again.sender) == again


async def test_save_writes_all(shop: Shop) -> None:
    """A save writes domain, checkup, events and intents, and hands the lease back."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    assert await shop.store.claim_due(NOW, later(minutes=5), "worker", 10) == [one]
    seen = checkup(NOW)
    outcome = DomainUpdate(
        domain=replace(one, dkim=new_health(HealthState.VERIFIED, NOW), is_holder=True, next_check_at=later(minutes=1)),
        events=(event(EventKind.DOMAIN_VERIFIED), event(EventKind.RECORD_CHANGED)),
        effects=(Effect.REGISTER, Effect.RESTART),
        check=seen,
    )
    assert await shop.store.save(outcome)
    saved = await shop.store.domain(made.id, "example.com")
    assert saved == replace(outcome.domain, version=one.version + 1)
    assert await shop.store.holder("example.com") == one.id
    assert await shop.store.last_checks([one.id, "never"]) == {one.id: seen}
    kinds = [told.event.kind for told in await shop.store.events(made.id, one.id, None, 10)]
    assert kinds == [EventKind.DOMAIN_PENDING, EventKind.DOMAIN_VERIFIED, EventKind.RECORD_CHANGED]
    assert (await shop.store.backlog(NOW)).intents == 2
    assert await shop.store.claim_due(later(minutes=1), later(minutes=9), "other", 10) == [saved]


async def test_stale_save_writes_nothing(shop: Shop) -> None:
    """Of two who read the same version one saves; the other is told, and nothing of theirs is kept."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    assert await shop.store.save(DomainUpdate(domain=replace(one, check_reason="first")))
    late = DomainUpdate(
        domain=replace(one, check_reason="late"), events=(event(),), effects=(Effect.REGISTER,), check=checkup()
    )
    assert not await shop.store.save(late)
    kept = await shop.store.domain_by_id(one.id)
    assert kept is not None and kept.check_reason == "first"
    assert await shop.store.last_checks([one.id]) == {}
    assert len(await shop.store.events(made.id, None, None, 10)) == 1
    assert (await shop.store.backlog(NOW)).intents == 0
    assert not await shop.store.save(DomainUpdate(domain=domain(made.id, "never.example")))


async def test_one_holder_of_a_name(shop: Shop) -> None:
    """The second to hold a name is told so, with nothing written; once the first lets go, it may."""
    mine, theirs = await shop.account(), await shop.account()
    first = await shop.domain(mine.id, "example.com", is_holder=True)
    second = await shop.domain(theirs.id, "example.com")
    wish = DomainUpdate(domain=replace(second, is_holder=True), events=(event(EventKind.DOMAIN_VERIFIED),))
    assert not await shop.store.save(wish)
    assert await shop.store.holder("example.com") == first.id
    assert len(await shop.store.events(theirs.id, None, None, 10)) == 1
    assert await shop.store.save(DomainUpdate(domain=replace(first, is_holder=False)))
    assert await shop.store.holder("example.com") is None
    assert await shop.store.save(wish)
    assert await shop.store.holder("example.com") == second.id


async def test_holders_of_names_around(shop: Shop) -> None:
    """Other accounts' held names above and below are found; claims, cousins and one's own names are not."""
    mine, theirs = await shop.account(), await shop.account()
    for name in (
        "example.com",
        "a.b.example.com",
        "x-b.example.com",
        "bexample.com",
        "c.example.com",
        "xb.example.com",
    ):
        await shop.domain(theirs.id, name, is_holder=name != "c.example.com")
    await shop.domain(mine.id, "d.b.example.com", is_holder=True)
    one = await shop.domain(mine.id, "b.example.com")
    found = await shop.store.held_around(one)
    assert [each.sender for each in found] == ["example.com", "a.b.example.com"]
    told = RelatedEvent(domain=found[0], event=event(EventKind.CLAIM_CONTESTED))
    assert await shop.store.save(DomainUpdate(domain=one, related_events=(told,)))
    last = (await shop.store.events(theirs.id, found[0].id, None, 10))[-1]
    assert (last.sender, last.event) == ("example.com", told.event)
    assert await shop.store.domain_by_id(found[0].id) == found[0]


async def test_last_checkup_replaces_the_one_before(shop: Shop) -> None:
    """Only the last checkup of a domain is told."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    for version, note in enumerate(["first", "second", "third"]):
        events = (event(),) if note == "second" else ()
        saved = DomainUpdate(domain=replace(one, version=version), check=checkup(note=note), events=events)
        assert await shop.store.save(saved)
    found: CheckResult = (await shop.store.last_checks([one.id]))[one.id]
    assert found.findings[0].detail == "third"


async def test_deleting_leaves_the_story(shop: Shop) -> None:
    """A deleted domain is gone with key and checkup; its events stay, and the identity is withdrawn once."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com", is_holder=True)
    assert await shop.store.save(DomainUpdate(domain=one, check=checkup(), events=(event(),)))
    gone = event(EventKind.DOMAIN_DELETED)
    assert not await shop.store.delete(one, gone, (Effect.WITHDRAW,), audit()), "read before the save"
    one = replace(one, version=one.version + 1)
    assert await shop.store.delete(one, gone, (Effect.WITHDRAW,), audit("domains.delete"))
    assert not await shop.store.delete(one, gone, (Effect.WITHDRAW,), audit())
    assert await shop.store.domain_by_id(one.id) is None
    assert await shop.store.sealed_key(one.id, one.selector) is None
    assert await shop.store.last_checks([one.id]) == {}
    assert await shop.store.holder("example.com") is None
    assert [told.event for told in await shop.store.events(made.id, one.id, None, 10)] == [event(), event(), gone]
    intents = await shop.store.claim_intents(NOW, later(minutes=1), "worker", 10)
    assert [(one.effect, one.sender) for one in intents] == [(Effect.WITHDRAW, "example.com")]
    assert await shop.store.delete_account(made.id, audit())


# events


async def test_events_are_paged_by_id(shop: Shop) -> None:
    """Events come in the order in which they were written, also at one moment and when the clock turns back."""
    made = await shop.account()
    one = await shop.domain(made.id, "one.example")
    two = await shop.domain(made.id, "two.example")
    kinds = [EventKind.DOMAIN_VERIFIED, EventKind.DOMAIN_AT_RISK, EventKind.DOMAIN_RESTORED]
    for version, (kind, hours) in enumerate(zip(kinds, (5, 5, 1), strict=True)):
        told = (event(kind, later(hours=hours)),)
        assert await shop.store.save(DomainUpdate(domain=replace(one, version=version), events=told))
    listed = await shop.store.events(made.id, one.id, None, 100)
    assert [told.event.kind for told in listed] == [EventKind.DOMAIN_PENDING, *kinds]
    every = await shop.store.events(made.id, None, None, 100)
    assert [told.id for told in every] == sorted(told.id for told in every)
    assert {told.domain_id for told in every} == {one.id, two.id}
    assert await shop.store.events(made.id, None, every[1].id, 2) == every[2:4]
    assert await shop.store.events(made.id, one.id, listed[-1].id, 2) == []


# work


async def test_due_domains_are_leased(shop: Shop) -> None:
    """Due domains are given out the longest due first, once, until the lease runs out or is handed back."""
    made = await shop.account()
    first = await shop.domain(made.id, "first.example", next_check_at=later(minutes=-9))
    second = await shop.domain(made.id, "second.example", next_check_at=later(minutes=-5))
    await shop.domain(made.id, "later.example", next_check_at=later(minutes=60))
    await shop.domain(made.id, "never.example", next_check_at=None)
    until = later(minutes=5)
    assert await shop.store.claim_due(NOW, until, "one", 1) == [first]
    assert await shop.store.claim_due(NOW, until, "two", 10) == [second]
    assert await shop.store.claim_due(NOW, until, "three", 10) == []
    await shop.store.release_leases("one", NOW)
    assert await shop.store.claim_due(NOW, until, "three", 10) == [first]
    assert await shop.store.claim_due(until, later(minutes=9), "four", 10) == [first, second]


async def test_look_sooner_only_brings_forward(shop: Shop) -> None:
    """A check is brought forward and never put off; version and lease stay as they are."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com", next_check_at=later(hours=6))
    await shop.store.check_sooner(one.id, later(hours=9))
    assert await shop.store.domain_by_id(one.id) == one
    await shop.store.check_sooner(one.id, NOW)
    sooner = replace(one, next_check_at=NOW)
    assert await shop.store.domain_by_id(one.id) == sooner
    assert await shop.store.claim_due(NOW, later(minutes=5), "worker", 10) == [sooner]
    await shop.store.check_sooner(one.id, later(minutes=-1))
    assert await shop.store.claim_due(NOW, later(minutes=5), "other", 10) == []
    assert await shop.store.save(DomainUpdate(domain=one))
    await shop.store.check_sooner("gone", NOW)


async def test_back_off_puts_one_domain_off(shop: Shop) -> None:
    """After a bug a domain rests until a time, and is nobody's."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    await shop.store.claim_due(NOW, later(hours=1), "worker", 10)
    await shop.store.back_off(one.id, later(minutes=5))
    assert await shop.store.claim_due(NOW, later(minutes=9), "other", 10) == []
    rested = replace(one, next_check_at=later(minutes=5))
    assert await shop.store.claim_due(later(minutes=5), later(minutes=9), "other", 10) == [rested]
    await shop.store.back_off("gone", NOW)


async def test_backlog_counts(shop: Shop) -> None:
    """The backlog tells due work that nobody has, and how long the oldest waits."""
    made = await shop.account()
    quiet = await shop.store.backlog(NOW)
    assert (quiet.due, quiet.lag, quiet.intents, quiet.pooled_keys) == (0, 0.0, 0, 0)
    await shop.domain(made.id, "first.example", next_check_at=later(seconds=-90.5))
    await shop.domain(made.id, "second.example", next_check_at=later(seconds=-1))
    await shop.store.pool_keys(pooled_keys(3))
    busy = await shop.store.backlog(NOW)
    assert (busy.due, busy.lag, busy.intents, busy.pooled_keys) == (2, 90.5, 0, 3)
    await shop.store.claim_due(NOW, later(minutes=1), "worker", 1)
    assert (await shop.store.backlog(NOW)).due == 1


async def test_intents_of_a_name_come_one_at_a_time(shop: Shop) -> None:
    """Work on one name is given out in order, the next when the one before is finished; names don't wait for others."""
    mine, theirs = await shop.account(), await shop.account()
    one, other = await shop.domain(mine.id, "example.com"), await shop.domain(theirs.id, "example.org")
    assert await shop.store.save(DomainUpdate(domain=one, effects=(Effect.REGISTER, Effect.RESTART)))
    assert await shop.store.save(DomainUpdate(domain=other, effects=(Effect.REGISTER,)))
    until = later(minutes=1)
    first, elsewhere = await shop.store.claim_intents(NOW, until, "one", 10)
    assert (first.sender, first.effect, first.attempts) == ("example.com", Effect.REGISTER, 0)
    assert (elsewhere.domain_id, elsewhere.account_id) == (other.id, theirs.id)
    assert await shop.store.claim_intents(NOW, until, "two", 10) == []
    await shop.store.postpone_intent(first.id, later(minutes=2), "throttled")
    assert await shop.store.claim_intents(later(seconds=90), later(minutes=3), "two", 10) == [elsewhere]
    again = (await shop.store.claim_intents(later(minutes=2), later(minutes=3), "two", 10))[0]
    assert again == replace(first, attempts=1)
    await shop.store.finish_intent(again.id)
    second = await shop.store.claim_intents(later(minutes=2), later(minutes=3), "two", 10)
    assert [one.effect for one in second] == [Effect.RESTART]
    await shop.store.release_leases("two", NOW)
    assert len(await shop.store.claim_intents(later(minutes=2), later(minutes=3), "three", 10)) == 2


async def test_owed_work_is_owed_once(shop: Shop) -> None:
    """Work that waits already is not owed twice; work that somebody began, maybe from an older state, is owed anew."""
    made = await shop.account()
    one = await shop.domain(made.id, "example.com")
    for version in range(2):
        assert await shop.store.save(DomainUpdate(domain=replace(one, version=version), effects=(Effect.REGISTER,)))
    (first,) = await shop.store.claim_intents(NOW, later(minutes=1), "worker", 10)
    assert await shop.store.save(DomainUpdate(domain=replace(one, version=2), effects=(Effect.REGISTER,)))
    await shop.store.finish_intent(first.id)
    (second,) = await shop.store.claim_intents(NOW, later(minutes=1), "worker", 10)
    assert second.effect is Effect.REGISTER
    await shop.store.finish_intent(second.id)
    assert await shop.store.claim_intents(later(hours=1), later(hours=2), "worker", 10) == []


# the rest


async def test_vault_keeps_the_first(store: Store) -> None:
    """The first secret of a name stays, whoever comes second is given it."""
    assert await store.installation_secret("pepper") is None
    assert await store.installation_secret("pepper", b"first \0 \xff") == b"first \0 \xff"
    assert await store.installation_secret("pepper", b"second") == b"first \0 \xff"
    assert await store.installation_secret("pepper") == b"first \0 \xff"


async def test_vault_names_and_deletes(store: Store) -> None:
    """Names are listed by what they begin with, as they are written, and a deleted secret is gone."""
    for name in ("links|b2", "links|a1", "links", "linksX", "LINKS|c", "links%"):
        await store.installation_secret(name, b"x")
    assert await store.installation_secret_names("links|") == ["links|a1", "links|b2"]
    assert await store.delete_installation_secret("links|a1")
    assert not await store.delete_installation_secret("links|a1")
    assert await store.installation_secret_names("links|") == ["links|b2"]
    assert await store.installation_secret("links|a1") is None


async def test_store_is_ready(store: Store) -> None:
    """An open store says that it can be used: nothing is raised."""
    (raised,) = await asyncio.gather(store.ready(), return_exceptions=True)
    assert raised is None


def test_values_are_whole() -> None:
    """The samples hold something in every field of a domain that storage could lose."""
    made = domain("acc", "example.com")
    assert msgspec.json.decode(msgspec.json.encode(made), type=Domain) == made
