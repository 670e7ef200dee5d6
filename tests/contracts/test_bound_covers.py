"""Who may send from a name, as keys bound to random domains are told it, against what the whole account is told."""

import random
from typing import cast

import pytest

from letterhead.core.accounts.accounts import Caller, Scope
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.accounts.quotas import Limits
from letterhead.operations.bound_keys import BoundStore
from letterhead.operations.subdomain_covers import decide_cover, list_covering
from letterhead.ports.store import Store
from tests.contracts.samples import Shop
from tests.contracts.test_store_subdomain_covers import Covers

NAMES = ["acme.dev", "xacme.dev", *(f"{label}.acme.dev" for label in ("x", "xx", "y"))]
NAMES += [f"{label}.{name}" for name in NAMES[2:] for label in ("x", "y")]


@pytest.mark.parametrize("seed", range(3))
async def test_a_bound_key_is_told_of_its_own_names(store: Store, seed: int) -> None:
    """The account's own decision where name and deciding domain are the key's; else that for a name nobody has."""
    chance, shop, whole = random.Random(seed), Shop(store), Covers(store)
    ours, theirs = (await shop.account()).id, (await shop.account()).id
    for at in chance.sample(NAMES, 7):
        added = await whole.add(chance.choice([ours, ours, theirs]), at, covers=chance.random() < 0.8)
        if chance.random() < 0.9:
            await whole.verify(added, may_send=chance.random() < 0.9)
    reached: set[tuple[str, str]] = set()
    for _ in range(30):
        names = tuple(chance.sample([*NAMES, "z.xx.acme.dev"], chance.randint(1, 4)))
        binding = DomainBinding(names=names, covers_below=chance.random() < 0.5)
        caller = Caller(account_id=ours, key_id="key_1", scope=Scope.READ, limits=Limits(), binding=binding)
        bound = Covers(cast("Store", BoundStore(store, caller, binding)))
        for name in (*NAMES, "z.x.x.acme.dev", "z.xx.acme.dev"):
            found = await decide_cover(whole, ours, name)
            told = await decide_cover(bound, ours, name)
            if binding.covers(name) and found.decision.own is not None and binding.covers(found.decision.own):
                assert (told.decision, told.signer) == (found.decision, found.signer), (name, binding)
            else:
                assert (told.decision.rule.code, told.signer) == ("not-verified", None), (name, binding)
                assert told.decision.own is told.decision.taken is None
            reached.add((found.decision.rule.code, told.decision.rule.code))
        listed = [each for each in await list_covering(whole, ours, "", 99) if binding.covers(each.sender)]
        assert await list_covering(bound, ours, "", 99) == (listed if binding.covers_below else [])
        assert await list_covering(bound, ours, "b", 1) == (
            [each for each in listed if each.sender > "b"][:1] if binding.covers_below else []
        )
    assert {("covered", "covered"), ("covered", "not-verified"), ("own-domain", "own-domain")} <= reached
