"""A key's bounds come back as they were stored, its lists hold what it covers, and older versions can't find it."""

from letterhead.core.accounts.accounts import Session
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainQuery
from tests.contracts.samples import NOW, Shop, account, api_key, audit, later

NAMES = ("acme.dev", "b.acme.dev", "xacme.dev", "zeta.dev")


async def test_bounds_of_a_key(store: Store) -> None:
    """Domains, networks and end of a key, in the list and of its caller, and of a session that it opens."""
    made = account()
    await store.add_account(made, api_key(made.id), b"first", audit())
    bound = api_key(
        made.id,
        binding=DomainBinding(names=("acme.dev", "b.dev"), covers_below=True),
        networks=("192.0.2.0/24", "2001:db8::/32"),
        ends_at=later(days=9),
        created_at=later(seconds=1),
    )
    await store.add_key(bound, b"bound", audit())
    assert (await store.keys(made.id))[1] == bound
    caller = await store.find_caller(b"bound")
    assert caller is not None
    assert (caller.key_id, caller.binding, caller.networks) == (bound.id, bound.binding, bound.networks)
    opened = Session(caller=caller, created_at=NOW, ends_at=later(hours=1))
    await store.add_session(opened, b"session", audit())
    assert await store.session(b"session") == opened
    await store.end_session(b"session")
    assert await store.session(b"session") is None


async def test_an_end_only_comes_nearer(store: Store) -> None:
    """A key that ends, or has ended, is not brought back by ending it later."""
    made = account()
    await store.add_account(made, api_key(made.id), b"first", audit())
    key = api_key(made.id, ends_at=later(days=2), created_at=later(seconds=1))
    await store.add_key(key, b"key", audit())
    for at, ends in ((later(days=7), later(days=2)), (later(days=1), later(days=1)), (NOW, NOW), (later(days=3), NOW)):
        assert await store.end_key(made.id, key.id, at, audit())
        assert (await store.keys(made.id))[1].ends_at == ends


async def test_lists_hold_what_is_covered(shop: Shop) -> None:
    """Domains, versions, events and sealed keys: the names, those below where they count, and nobody else's."""
    made, other = await shop.account(), await shop.account()
    domains = {name: await shop.domain(made.id, name) for name in NAMES}
    await shop.domain(other.id, "acme.dev")
    for names, below, covered in (
        (("acme.dev",), False, ["acme.dev"]),
        (("acme.dev",), True, ["acme.dev", "b.acme.dev"]),
        (("acme.dev", "b.acme.dev", "zeta.dev", "none.dev"), True, ["acme.dev", "b.acme.dev", "zeta.dev"]),
        (("dev",), False, []),
    ):
        binding = DomainBinding(names=names, covers_below=below)
        listed = await shop.store.domains_within(made.id, binding, DomainQuery())
        assert [each.sender for each in listed] == covered
        versions = [(domains[name].id, domains[name].version) for name in covered]
        assert await shop.store.list_versions_within(made.id, binding) == versions
        events = await shop.store.events_within(made.id, binding, None, 100, None)
        assert sorted({each.sender for each in events}) == covered
        assert await shop.store.events_within(made.id, binding, None, 100, "xacme.dev") == []
        page = await shop.store.domains_within(made.id, binding, DomainQuery(limit=1, after="acme.dev"))
        assert [each.sender for each in page] == covered[1:2]
        sealed = await shop.store.sealed_keys_of([each.id for each in listed])
        assert {domain_id for domain_id, _ in sealed} == {each.id for each in listed}
    whole = await shop.store.sealed_keys(made.id)
    assert await shop.store.sealed_keys_of([each.id for each in domains.values()]) == whole
