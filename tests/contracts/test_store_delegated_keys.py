"""Show how every store keeps what delegated keys need: two queues of work, slots that come again, what must go."""

from msgspec.structs import replace

from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, Effect, EventKind, KeyDelegation
from letterhead.ports.store.domains import ClaimResult, DomainUpdate, NewDomainKey
from tests.contracts.samples import NOW, Shop, audit, domain, event, later, pooled_keys

NAME = "example.com"
HOME = KeyDelegation(zone="keys.example", token="x7qd")


async def delegated(shop: Shop, **how: object) -> Domain:
    """Add a domain of an account of its own whose keys lie in our own zone."""
    made = await shop.account()
    return await shop.domain(made.id, NAME, **({"selector": "lh1", "key_delegation": HOME} | how))


async def test_our_zone_and_the_provider_do_not_wait_for_each_other(shop: Shop) -> None:
    """Of one name the first of each queue is given out; the second of a queue waits for the first."""
    one = await delegated(shop)
    for version, effects in enumerate([(Effect.PUBLISH, Effect.REGISTER, Effect.WITHDRAW), (Effect.PUBLISH,)]):
        assert await shop.store.save(DomainUpdate(domain=replace(one, version=version), effects=effects))
    first = await shop.store.claim_intents(NOW, later(minutes=1), "one", 10)
    assert [each.effect for each in first] == [Effect.PUBLISH, Effect.REGISTER]
    assert await shop.store.save(DomainUpdate(domain=replace(one, version=2), effects=(Effect.PUBLISH,)))
    assert await shop.store.claim_intents(NOW, later(minutes=1), "two", 10) == []
    await shop.store.finish_intent(first[0].id)
    (second,) = await shop.store.claim_intents(NOW, later(minutes=1), "two", 10)
    assert (second.effect, second.id != first[0].id) == (Effect.PUBLISH, True)
    await shop.store.finish_intent(first[1].id)
    (third,) = await shop.store.claim_intents(NOW, later(minutes=1), "two", 10)
    assert third.effect is Effect.WITHDRAW


async def test_what_was_deleted_can_be_taken_out_of_the_zone(shop: Shop) -> None:
    """The intent knows the slots when nothing else is left of the domain; of an ordinary one there are none."""
    one = await delegated(shop)
    gone = event(EventKind.DOMAIN_DELETED)
    assert await shop.store.delete(one, gone, (Effect.WITHDRAW, Effect.PUBLISH), audit())
    assert await shop.store.domain_by_id(one.id) is None
    owed = await shop.store.claim_intents(NOW, later(minutes=1), "one", 10)
    assert [(each.effect, each.key_delegation) for each in owed] == [(Effect.WITHDRAW, HOME), (Effect.PUBLISH, HOME)]
    made = await shop.account()
    plain = await shop.domain(made.id, "example.org")
    assert await shop.store.save(DomainUpdate(domain=plain, effects=(Effect.REGISTER,)))
    (intent,) = await shop.store.claim_intents(NOW, later(minutes=1), "one", 10)
    assert intent.key_delegation is None


async def test_a_new_domain_may_owe_work_from_its_first_moment(shop: Shop) -> None:
    """What a claim owes is written with it."""
    made = await shop.account()
    wanted = domain(made.id, NAME, selector="lh1", key_delegation=HOME)
    claim = shop.claim(wanted, own=pooled_keys(1)[0])
    build = claim.build
    claim = replace(claim, build=lambda key: replace(build(key), effects=(Effect.PUBLISH,)))
    assert await shop.store.claim(claim, Limits()) is ClaimResult.ADDED
    (owed,) = await shop.store.claim_intents(NOW, later(minutes=1), "one", 10)
    assert (owed.effect, owed.domain_id, owed.key_delegation) == (Effect.PUBLISH, wanted.id, HOME)


async def test_slots_come_again(shop: Shop) -> None:
    """Two accounts have the same two selectors at one name, and one that was shed takes another key."""
    one = await delegated(shop)
    two = await delegated(shop, key_delegation=replace(HOME, token="k2zz"))
    assert (one.selector, two.selector) == ("lh1", "lh1")
    for version in (0, 2):
        key = NewDomainKey(selector="lh2", sealed=f"key {version}".encode())
        assert await shop.store.save(DomainUpdate(domain=replace(one, version=version), new_key=key))
        assert await shop.store.sealed_key(one.id, "lh2") == key.sealed
        assert await shop.store.save(DomainUpdate(domain=replace(one, version=version + 1), keys_to_destroy=("lh2",)))
        assert await shop.store.sealed_key(one.id, "lh2") is None
    assert (await shop.store.load_check_contexts([one]))[one.id].used_selectors == ()
