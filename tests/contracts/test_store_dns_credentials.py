"""The store keeps credentials of DNS hosts, on both engines: one for each zone of an account, gone with the account."""

from datetime import timedelta

from msgspec.structs import replace

from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.dns_credentials import StoredDnsCredential
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, fresh_id, later

MINUTE = timedelta(minutes=1)


def stored(account_id: str, zone: str, sealed: bytes = b"sealed") -> StoredDnsCredential:
    """Make a credential."""
    credential = DnsCredential(
        id=fresh_id("dns"), account_id=account_id, zone=zone, host="knot", fields=("keyName", "secret"), created_at=NOW
    )
    return StoredDnsCredential(credential=credential, sealed=sealed)


async def test_a_credential_comes_back_for_its_account_alone(shop: Shop) -> None:
    """By its id and in the list; another account finds nothing and deletes nothing."""
    mine, other = await shop.account(), await shop.account()
    kept = stored(mine.id, "example.com")
    assert await shop.store.keep_dns_credential(kept, 5, audit("dns-credential.keep"))
    key = kept.credential.id
    assert await shop.store.dns_credential(mine.id, key) == kept
    assert await shop.store.dns_credentials(mine.id) == [kept.credential]
    assert await shop.store.dns_credential(other.id, key) is None
    assert await shop.store.dns_credentials(other.id) == []
    assert not await shop.store.delete_dns_credential(other.id, key, audit())
    assert (await shop.store.audit_rows(None, None, 1))[0].row.action == "dns-credential.keep"
    assert await shop.store.delete_dns_credential(mine.id, key, audit("dns-credential.delete"))
    assert await shop.store.dns_credentials(mine.id) == []


async def test_a_zone_has_one_and_an_account_few(shop: Shop) -> None:
    """A new one takes the place of the old one; beyond the most, none is added and none is lost."""
    mine = await shop.account()
    first, second = stored(mine.id, "example.com"), stored(mine.id, "example.com", b"other")
    assert await shop.store.keep_dns_credential(first, 1, audit())
    assert await shop.store.keep_dns_credential(second, 1, audit())
    assert await shop.store.dns_credentials(mine.id) == [second.credential]
    assert not await shop.store.keep_dns_credential(stored(mine.id, "example.net"), 1, audit())
    assert await shop.store.dns_credentials(mine.id) == [second.credential]


async def test_a_refusal_is_noted_once_until_the_host_takes_it_again(shop: Shop) -> None:
    """So one event follows from it, however often it is tried."""
    mine = await shop.account()
    kept = stored(mine.id, "example.com")
    await shop.store.keep_dns_credential(kept, 5, audit())
    key = kept.credential.id
    assert await shop.store.note_dns_credential(key, later(minutes=1), "401")
    assert not await shop.store.note_dns_credential(key, later(minutes=2), "401")
    (refused,) = await shop.store.dns_credentials(mine.id)
    assert (refused.refused_at, refused.refused_code) == (later(minutes=1), "401")
    assert not await shop.store.note_dns_credential(key, later(minutes=3), None)
    (taken,) = await shop.store.dns_credentials(mine.id)
    assert (taken.used_at, taken.refused_at, taken.refused_code) == (later(minutes=3), None, None)
    assert await shop.store.note_dns_credential(key, later(minutes=4), "403")


async def test_it_is_among_the_sealed_secrets(shop: Shop) -> None:
    """So that it is wrapped again with the others, unless it has changed meanwhile."""
    mine = await shop.account()
    kept = stored(mine.id, "example.com")
    await shop.store.keep_dns_credential(kept, 5, audit())
    found = [each for each in await shop.store.sealed_secrets(("", ""), 100) if each.place == "dns_credentials"]
    (secret,) = [each for each in found if each.key == kept.credential.id]
    assert secret.sealed == b"sealed"
    assert await shop.store.reseal(secret, b"anew")
    assert not await shop.store.reseal(secret, b"again")
    again = await shop.store.dns_credential(mine.id, kept.credential.id)
    assert again is not None
    assert again.sealed == b"anew"


async def test_zones_are_claimed_by_turns(shop: Shop) -> None:
    """One claim each until it is released; the accounts share the places, and a refused one is never due."""
    one, two = await shop.account(), await shop.account()
    kept = [stored(one.id, f"z{number}.example") for number in range(3)] + [stored(two.id, "z.example")]
    for each in kept:
        assert await shop.store.keep_dns_credential(each, 9, audit())
    mine = {each.credential.id for each in kept}

    async def claim(places: int, minutes: float = 0) -> list[str]:
        now, held = later(minutes=minutes), PlacesHeld(places=places, by_account={}, served={})
        claimed = await shop.store.claim_dns_credentials(now, now + MINUTE, now + 2 * MINUTE, held)
        return [each.credential.account_id for each in claimed if each.credential.id in mine]

    assert sorted(await claim(2)) == sorted([one.id, two.id])
    assert await claim(9) == [one.id, one.id]
    assert await claim(9) == []
    await shop.store.note_dns_credential(kept[3].credential.id, NOW, "401")
    assert sorted(await claim(9, 3)) == [one.id] * 3
    key, held = kept[0].credential.id, later(minutes=4)
    for other in (later(minutes=1), later(minutes=5)):  # another's lease, which has run out or began since
        assert not await shop.store.renew_dns_credential(key, other, later(minutes=9))
        await shop.store.release_dns_credential(key, other, later(minutes=9))
    assert await shop.store.renew_dns_credential(key, held, later(minutes=6))
    await shop.store.release_dns_credential(key, held, later(minutes=9))
    await shop.store.release_dns_credential(key, later(minutes=6), later(minutes=9))
    assert len(await claim(9, 7)) == 2


async def test_putting_back_is_switched_on_and_off(shop: Shop) -> None:
    """By the account itself alone; then the zone is due at once."""
    mine, other = await shop.account(), await shop.account()
    kept = stored(mine.id, "example.com")
    await shop.store.keep_dns_credential(kept, 5, audit())
    assert not await shop.store.change_dns_credential(other.id, kept.credential.id, True, audit())
    assert await shop.store.change_dns_credential(mine.id, kept.credential.id, True, audit("dns-credential.change"))
    (found,) = await shop.store.dns_credentials(mine.id)
    assert found.put_back


async def test_what_an_account_holds_in_a_zone(shop: Shop) -> None:
    """At its name and below it; not what another account holds, nor what is not proven."""
    mine, other = await shop.account(), await shop.account()
    names = ("example.com", "mail.example.com", "notexample.com")
    for name in names:
        domain = await shop.domain(mine.id, name)
        assert await shop.store.save(DomainUpdate(domain=replace(domain, is_holder=True)))
    await shop.domain(mine.id, "claimed.example.com")
    found = await shop.store.held_in_zone(mine.id, "example.com", 10)
    assert [each.sender for each in found] == ["example.com", "mail.example.com"]
    assert await shop.store.held_in_zone(other.id, "example.com", 10) == []
    (first,) = await shop.store.held_in_zone(mine.id, "example.com", 1)
    rest = await shop.store.held_in_zone(mine.id, "example.com", 10, first.sender)
    assert [each.sender for each in rest] == ["mail.example.com"]
    assert await shop.store.held_in_zone(mine.id, "example.com", 10, "mail.example.com") == []
