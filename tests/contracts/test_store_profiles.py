"""The store keeps what an account notes about a domain, on both engines, and nobody else's hands ever get it."""

import asyncio
from functools import partial

from msgspec.structs import replace

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, event, later

FULL = DomainProfile(
    note="Ask Jo first.\nThen rotate: \u00fc \U0001f511",
    labels={"plan": "gold:2026", "team": "web"},
    contact=Contact(
        email="dns@example.net", asked_at=NOW, confirmed_at=later(minutes=1), reminders=False, language="ja"
    ),
    copy_account=False,
)


async def test_a_profile_comes_back_as_it_was(shop: Shop) -> None:
    """Every field of it; a domain without one has an empty one, and the audit has the step."""
    made = await shop.account()
    kept, other = await shop.domain(made.id, "example.com"), await shop.domain(made.id, "example.net")
    assert await shop.store.profile(kept.id) == DomainProfile()
    assert await shop.store.change_profile(kept, lambda _: FULL, audit("domain.change")) == FULL
    assert await shop.store.profile(kept.id) == FULL
    assert await shop.store.profile(other.id) == DomainProfile()
    assert (await shop.store.audit_rows(None, None, 1))[0].row.action == "domain.change"
    emptied = await shop.store.change_profile(kept, lambda _: DomainProfile(), audit())
    assert emptied == await shop.store.profile(kept.id) == DomainProfile()


async def test_changes_at_once_all_count(shop: Shop) -> None:
    """Each sees what those before it have written."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")

    async def label(number: int) -> None:
        def change(profile: DomainProfile) -> DomainProfile:
            return replace(profile, labels={**profile.labels, f"k{number}": "v"})

        assert await shop.store.change_profile(kept, change, audit()) is not None

    await asyncio.gather(*map(label, range(8)))
    assert set((await shop.store.profile(kept.id)).labels) == {f"k{number}" for number in range(8)}


async def test_a_profile_goes_with_its_domain(shop: Shop) -> None:
    """The same name added again has none of it, in the same account or another; of a deleted domain none is kept."""
    made, other = await shop.account(), await shop.account()
    kept = await shop.domain(made.id, "example.com")
    await shop.store.change_profile(kept, lambda _: FULL, audit())
    before = await shop.store.count_account_rows(made.id)
    assert (before["domain_profiles"], before["domain_labels"]) == (1, 2)
    assert await shop.store.delete(kept, event(), (), audit())
    assert await shop.store.change_profile(kept, lambda _: FULL, audit()) is None
    for owner in (made, other):
        again = await shop.domain(owner.id, "example.com")
        assert await shop.store.profile(again.id) == DomainProfile()
    left = await shop.store.count_account_rows(made.id)
    assert not left["domain_profiles"] and not left["domain_labels"]


async def test_whoever_loses_the_name_keeps_nothing_about_it(shop: Shop) -> None:
    """With the hold of the name goes all that its account kept about it; the winner's own stays."""
    first, second = await shop.account(), await shop.account()
    loser = await shop.domain(first.id, "example.com", is_holder=True)
    winner = await shop.domain(second.id, "example.com")
    own = DomainProfile(note="ours")
    await shop.store.change_profile(loser, lambda _: FULL, audit())
    await shop.store.change_profile(winner, lambda _: own, audit())
    lost, won = (DomainUpdate(domain=replace(each, is_holder=held)) for each, held in ((loser, False), (winner, True)))
    assert await shop.store.transfer(lost, won, [audit()])
    assert await shop.store.profile(loser.id) == DomainProfile()
    assert await shop.store.profile(winner.id) == own


async def test_labels_choose_domains_for_a_bound_key_as_well(shop: Shop) -> None:
    """Of the account, and of the names that a key is bound to: those that have all the labels, in order."""
    made, other = await shop.account(), await shop.account()
    for owner in (made, other):
        for sender in ("a.example", "b.example", "c.example"):
            added = await shop.domain(owner.id, sender)
            kept = {"team": "web"} | ({"odd": "yes"} if sender == "b.example" else {})
            await shop.store.change_profile(added, partial(replace, labels=kept), audit())
    binding = DomainBinding(names=("b.example", "c.example"), covers_below=False)
    for labels, all_of_them, bound in (
        (("team:web",), ["a.example", "b.example", "c.example"], ["b.example", "c.example"]),
        (("team:web", "odd:yes"), ["b.example"], ["b.example"]),
        (("odd:no",), [], []),
    ):
        query = DomainQuery(labels=labels)
        assert [each.sender for each in await shop.store.domains(made.id, query)] == all_of_them
        assert [each.sender for each in await shop.store.domains_within(made.id, binding, query)] == bound
