"""The list of domains, asked for again and again: never stale, never another's, never a private key from memory."""

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.domain import Domain
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from letterhead.web.list_cache import CachedList, ListCache
from tests.web.conftest import Installation


async def test_a_kept_list_is_never_stale(house: Installation) -> None:
    """What changed behind the server's back, as in another process, is in the next answer."""
    async with house.client(await house.make_key("acme", Scope.WRITE)) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        first, again = await client.get("/domains"), await client.get("/domains")
        assert again.content == first.content
        assert again.headers["etag"] == first.headers["etag"]
        domain = await only(house)
        changed = replace(domain, tokens=("seen-elsewhere",))
        assert await house.deps.store.save(DomainUpdate(domain=changed))
        last = await client.get("/domains", headers={"If-None-Match": first.headers["etag"]})
        assert (last.status_code, last.json()[0]["verificationTokens"]) == (200, ["seen-elsewhere"])
        await client.delete("/domains/acme.dev")
        assert (await client.get("/domains")).json() == []


async def test_scopes_do_not_share_a_kept_list(house: Installation) -> None:
    """A key that may not see private keys gets none after one that may, nor the same tag; nobody may keep them."""
    await make(house)
    async with (
        house.client(house.keys["acme"]) as full,
        house.client(await house.make_key("acme", Scope.READ)) as read,
    ):
        told = [await client.get("/domains") for client in (full, read, full, read)]
    assert ["privateDKIMKey" in answer.text for answer in told] == [True, False, True, False]
    assert told[0].headers["etag"] != told[1].headers["etag"]
    assert [answer.headers["cache-control"] for answer in told[:2]] == ["no-store", "private, no-cache"]


async def test_accounts_do_not_share_a_kept_list(house: Installation) -> None:
    """Each account gets its own list, however often it asks."""
    await make(house)
    async with (
        house.client(await house.make_key("acme", Scope.READ)) as acme,
        house.client(await house.open_account("other")) as other,
    ):
        told = [len((await client.get("/domains")).json()) for client in (acme, other, acme, other)]
    assert told == [1, 0, 1, 0]


def test_kept_lists_have_a_bound() -> None:
    """The longest unused list goes first; a very large one is not kept; a new one takes the old one's place."""
    lists = ListCache(octets=64)
    for number in range(20):
        lists.keep(f"a{number}", CachedList([], "t", Response(b"four")))
        lists.get("a0")
    assert [lists.get(f"a{number}") is not None for number in (0, 3, 4, 5, 19)] == [True, False, False, True, True]
    lists.keep("a19", CachedList([], "t", Response(b"far too large")))
    assert lists.get("a19") is None
    newest = CachedList([], "u", Response(b"new"))
    lists.keep("a0", newest)
    assert lists.get("a0") == newest


async def make(house: Installation) -> None:
    """Add a domain."""
    async with house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev"})


async def only(house: Installation) -> Domain:
    """Read the one domain there is."""
    [domain] = await house.deps.store.domains(house.accounts["acme"], DomainQuery())
    return domain
