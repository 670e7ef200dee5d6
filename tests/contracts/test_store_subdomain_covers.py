"""Verified claims above and below a name: what the store returns of them, and the decision against a naive model."""

import random

import pytest
from msgspec.structs import replace
from publicsuffixlist import PublicSuffixList

from letterhead.adapters.storage.subdomain_covers import MOST_TAKEN
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.names.domain_names import NameRules
from letterhead.operations.subdomain_covers import decide_cover, list_covering
from letterhead.ports.store import Store
from letterhead.ports.store.domains import ClaimResult, DomainCreation, DomainUpdate, NewClaim
from tests.contracts.samples import NOW, Shop, account, api_key, audit, domain, event, pooled_keys
from tests.core.test_subdomain_cover import Held, model

RULES = NameRules(icann=PublicSuffixList(only_icann=True), any_suffix=PublicSuffixList())


class Covers:
    """A store with claims in it, and what deciding on a name needs."""

    names, now = RULES, staticmethod(lambda: NOW)

    def __init__(self, store: Store) -> None:
        self.store = store

    async def add(
        self, account_id: str, sender: str, *, covers: bool | None = True, unless_set: bool = False
    ) -> Domain:
        """Add a claim that nothing has proven."""
        wanted = domain(account_id, sender)

        def build(_: object) -> DomainCreation:
            return DomainCreation(
                domain=wanted, sealed_key=b"sealed", events=(event(),), covers=covers, covers_unless_set=unless_set
            )

        claim = NewClaim(
            account_id=account_id, sender=sender, zone=sender, unproven_below=10**6, now=NOW, build=build,
            own=pooled_keys(1)[0],
        )  # fmt: skip
        assert await self.store.claim(claim, Limits()) is ClaimResult.ADDED
        return wanted

    async def verify(self, added: Domain, *, zone: str | None = None, may_send: bool = True) -> Domain:
        """Make a claim a verified one."""
        state = HealthState.VERIFIED if may_send else HealthState.AT_RISK
        health = replace(new_health(state, NOW), provider_lost=not may_send)
        verified = replace(added, is_holder=True, dkim=health, zone=zone or added.sender)
        assert await self.store.save(DomainUpdate(domain=verified))
        return replace(verified, version=verified.version + 1)

    async def signer(self, account_id: str, name: str) -> tuple[str, str | None]:
        """Return the code of the rule that decides, and who signs."""
        found = await decide_cover(self, account_id, name)
        signs = found.signer.sender if found.decision.can_send and found.signer is not None else None
        return found.decision.rule.code, signs


async def test_the_nearest_verified_claim_decides(store: Store) -> None:
    """A pending claim is worth nothing, one of another account takes its name out, and all below it."""
    shop, covers = Shop(store), Covers(store)
    ours, theirs = (await shop.account()).id, (await shop.account()).id
    added = await covers.add(ours, "acme.dev")
    assert await covers.signer(ours, "eu.acme.dev") == ("not-verified", None)
    await covers.verify(added)
    assert await covers.signer(ours, "eu.acme.dev") == ("covered", "acme.dev")
    assert await covers.signer(ours, "123acme.dev") == ("not-verified", None)
    assert await covers.signer(theirs, "eu.acme.dev") == ("not-verified", None)
    child = await covers.add(theirs, "eu.acme.dev")
    assert await covers.signer(ours, "eu.acme.dev") == ("covered", "acme.dev")
    await covers.verify(child)
    assert await covers.signer(ours, "eu.acme.dev") == ("taken-out", None)
    assert await covers.signer(ours, "deep.eu.acme.dev") == ("taken-out", None)
    assert await covers.signer(ours, "xeu.acme.dev") == ("covered", "acme.dev")
    assert await covers.signer(theirs, "deep.eu.acme.dev") == ("covered", "eu.acme.dev")


async def test_a_zone_that_another_account_has_proven_is_taken_out_whole(store: Store) -> None:
    """A name verified in a delegated zone shows whose the zone is; the last write of a check says which zone it is."""
    shop, covers = Shop(store), Covers(store)
    ours, theirs = (await shop.account()).id, (await shop.account()).id
    await covers.verify(await covers.add(ours, "acme.dev"))
    child = await covers.verify(await covers.add(theirs, "mail.eu.acme.dev"), zone="acme.dev")
    assert await covers.signer(ours, "eu.acme.dev") == ("covered", "acme.dev")
    child = await covers.verify(child, zone="eu.acme.dev")
    assert await covers.signer(ours, "eu.acme.dev") == ("taken-out-zone", None)
    assert await covers.signer(ours, "deep.eu.acme.dev") == ("taken-out-zone", None)
    assert await covers.signer(ours, "us.acme.dev") == ("covered", "acme.dev")
    [covering] = await list_covering(covers, ours, "", 10)
    assert (covering.sender, covering.taken_out, covering.is_whole) == ("acme.dev", ("eu.acme.dev",), True)
    await covers.verify(child, zone="mail.eu.acme.dev")
    assert await covers.signer(ours, "eu.acme.dev") == ("covered", "acme.dev")


async def test_new_domains_begin_as_request_account_or_installation_says(store: Store) -> None:
    """In this order; a domain is switched by itself, and the list of covering domains follows."""
    shop, covers = Shop(store), Covers(store)
    silent, on, off = [(await shop.account(covers_subdomains=value)).id for value in (None, True, False)]
    for number, (owner, asked, unless_set, expected) in enumerate(
        [
            (silent, None, False, False), (silent, None, True, True), (silent, False, True, False),
            (on, None, False, True), (on, False, True, False), (off, None, True, False), (off, True, False, True),
        ]
    ):  # fmt: skip
        added = await covers.add(owner, f"n{number}.dev", covers=asked, unless_set=unless_set)
        assert await store.covers_subdomains(added.id) is expected, number
    assert await store.set_covers_subdomains(added.id, False, audit("domain.uncover"))
    assert not await store.covers_subdomains(added.id)
    assert not await store.set_covers_subdomains("dom_gone", True, audit("domain.cover"))
    assert not await store.covers_subdomains("dom_gone")
    assert [each.row.action for each in await store.audit_rows(None, None, 1)] == ["domain.uncover"]


async def test_the_account_says_what_its_new_domains_do(store: Store) -> None:
    """The account's word is stored, changed, and taken back."""
    made = account(covers_subdomains=True)
    await store.add_account(made, api_key(made.id), made.id.encode(), audit())
    for value in (True, False, None):
        assert await store.change_account(replace(made, covers_subdomains=value), audit())
        found = await store.account(made.id)
        assert found is not None
        assert found.covers_subdomains is value


async def test_what_is_taken_out_is_listed_up_to_a_limit(store: Store) -> None:
    """By pages of covering domains; of more names than are listed the list says that it is not whole."""
    shop, covers = Shop(store), Covers(store)
    ours, theirs = (await shop.account()).id, (await shop.account()).id
    for sender in ("a.dev", "b.dev", "c.dev"):
        await covers.verify(await covers.add(ours, sender))
    await covers.verify(await covers.add(ours, "off.dev", covers=False))
    await covers.add(ours, "pending.dev")
    for number in range(MOST_TAKEN + 1):
        await covers.verify(await covers.add(theirs, f"n{number:03}.b.dev"))
    for sender in ("x.c.dev", "deep.x.c.dev", "y.c.dev", "xc.dev", "off.off.dev"):
        await covers.verify(await covers.add(theirs, sender))
    await covers.verify(await covers.add(ours, "own.c.dev"))
    first = await list_covering(covers, ours, "", 2)
    assert [(each.sender, len(each.taken_out), each.is_whole) for each in first] == [
        ("a.dev", 0, True),
        ("b.dev", MOST_TAKEN, False),
    ]
    rest = await list_covering(covers, ours, "b.dev", 9)
    assert [(each.sender, each.taken_out) for each in rest] == [("c.dev", ("x.c.dev", "y.c.dev")), ("own.c.dev", ())]
    assert await list_covering(covers, ours, "own.c.dev", 9) == []


@pytest.mark.parametrize("seed", range(4))
async def test_random_trees_of_five_accounts_are_decided_as_the_model_does(store: Store, seed: int) -> None:
    """After each step of verifying, losing and switching, all accounts are asked for all names, and names below."""
    chance, shop, covers = random.Random(seed), Shop(store), Covers(store)
    accounts = [(await shop.account()).id for _ in range(5)]
    names = ["acme.dev", *(f"{label}.acme.dev" for label in ("x", "xx", "y"))]
    names += [f"{label}.{name}" for name in names[1:] for label in ("x", "y")]
    held: dict[str, Held] = {}
    domains: dict[str, Domain] = {}
    reached: set[str] = set()
    for _ in range(24):
        at = chance.choice(names)
        if at not in held:
            zone = chance.choice([None, None, at.partition(".")[2]])
            zone = zone if zone is not None and zone.count(".") > 1 else None
            claim = Held(chance.choice(accounts), chance.random() < 0.8, chance.random() < 0.9, zone)
            added = await covers.add(claim.account, at, covers=claim.covers)
            domains[at] = await covers.verify(added, zone=zone, may_send=claim.may_send)
            held[at] = claim
        elif chance.random() < 0.5:
            held[at] = replace_held(held[at], covers=not held[at].covers)
            assert await store.set_covers_subdomains(domains[at].id, held[at].covers, audit())
        else:
            del held[at]
            gone = domains.pop(at)
            assert await store.delete(replace(gone), event(), (), audit())
        for name in (*names, *(f"z.{each}" for each in held)):
            for owner in accounts:
                code, signs = await covers.signer(owner, name)
                assert signs == model(owner, name, held, "dev"), (owner, name, code, held)
                reached.add(code)
    assert {"covered", "own-domain", "not-verified", "taken-out"} <= reached


def replace_held(claim: Held, *, covers: bool) -> Held:
    """Switch the cover of a claim."""
    return Held(claim.account, covers, claim.may_send, claim.zone)
