"""The store keeps what the pages need, on both engines: links, watchers, sessions, the past in short."""

import asyncio
from datetime import datetime

from msgspec.structs import replace

from letterhead.core.accounts.accounts import Caller, Scope, Session
from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.ports.store.domains import CheckContext, DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, event, fresh_id, later


async def watched(shop: Shop, kept: Domain) -> datetime | None:
    """Say until when the store knows somebody to watch a domain."""
    return (await shop.store.load_check_contexts([kept])).get(kept.id, CheckContext()).watched_until


def link(account_id: str, domain_id: str) -> SetupLink:
    """Make a link that works for a day."""
    return SetupLink(
        id=fresh_id("link"), account_id=account_id, domain_id=domain_id, created_at=NOW, ends_at=later(days=1)
    )


async def test_link_is_found_by_its_token_alone(shop: Shop) -> None:
    """A link comes back as it was added; another digest finds nothing."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")
    added = link(made.id, kept.id)
    await shop.store.add_setup_link(added, b"digest", 5, audit())
    assert await shop.store.setup_link(b"digest") == added
    assert await shop.store.setup_link(b"other") is None
    assert await shop.store.setup_links(kept.id, NOW) == [added]


async def test_link_ends_once_and_only_for_its_domain(shop: Shop) -> None:
    """A revoked link ends at that time, a later revocation does not bring it back, another domain can't end it."""
    made = await shop.account()
    kept, other = await shop.domain(made.id, "example.com"), await shop.domain(made.id, "example.net")
    added = link(made.id, kept.id)
    await shop.store.add_setup_link(added, b"digest", 5, audit())
    assert not await shop.store.end_setup_link(other.id, added.id, NOW, audit())
    assert await shop.store.end_setup_link(kept.id, added.id, later(hours=1), audit())
    assert await shop.store.end_setup_link(kept.id, added.id, later(hours=2), audit())
    found = await shop.store.setup_link(b"digest")
    assert found is not None
    assert found.ends_at == later(hours=1)


async def test_a_domain_has_few_links_that_live(shop: Shop) -> None:
    """One too many ends those not used for longest, in the audit too; links of other domains and ended ones stay."""
    made = await shop.account()
    kept, other = await shop.domain(made.id, "example.com"), await shop.domain(made.id, "example.net")
    await shop.store.add_setup_link(link(made.id, other.id), b"other", 3, audit())
    links = [link(made.id, kept.id) for _ in range(4)]
    for number, each in enumerate(links[:3]):
        assert await shop.store.add_setup_link(each, b"%d" % number, 3, audit()) == []
    await shop.store.note_page_open(kept.id, links[0].id, later(minutes=1), later(minutes=2))
    assert await shop.store.add_setup_link(links[3], b"3", 3, audit()) == [links[1].id]
    assert [each.id for each in await shop.store.setup_links(kept.id, NOW)] == [links[n].id for n in (0, 2, 3)]
    assert len(await shop.store.setup_links(other.id, NOW)) == 1
    newest = (await shop.store.audit_rows(None, None, 2))[1].row
    assert (newest.action, links[1].id in newest.subject) == ("setup-link.revoke", True)
    many = [shop.store.add_setup_link(link(made.id, kept.id), b"x%d" % n, 3, audit()) for n in range(12)]
    await asyncio.gather(*many)
    assert len(await shop.store.setup_links(kept.id, NOW)) == 3


async def test_ended_links_are_forgotten(shop: Shop) -> None:
    """Those that ended before a time go, and no other."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")
    await shop.store.add_setup_link(link(made.id, kept.id), b"digest", 5, audit())
    assert await shop.store.prune_setup_links(later(hours=23)) == 0
    assert await shop.store.prune_setup_links(later(hours=25)) == 1
    assert await shop.store.setup_link(b"digest") is None


async def test_links_and_watchers_go_with_their_domain(shop: Shop) -> None:
    """Watching is remembered with the link's last opening; both go with the domain, and late watching is nothing."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")
    added = link(made.id, kept.id)
    await shop.store.add_setup_link(added, b"digest", 5, audit())
    assert await watched(shop, kept) is None
    await shop.store.note_page_open(kept.id, added.id, NOW, later(seconds=40))
    await shop.store.note_page_open(kept.id, added.id, later(seconds=10), later(seconds=50))
    assert await watched(shop, kept) == later(seconds=50)
    assert (await shop.store.setup_links(kept.id, NOW))[0].opened_at == later(seconds=10)
    assert await shop.store.delete(kept, event(EventKind.DOMAIN_DELETED), (), audit())
    await shop.store.note_page_open(kept.id, added.id, NOW, later(seconds=40))
    assert await watched(shop, kept) is None
    assert await shop.store.setup_link(b"digest") is None


async def test_session_tells_its_keys_scope_as_it_is_now(shop: Shop) -> None:
    """A session finds its caller; it says when its key ended, and is gone when it is ended."""
    made = await shop.account()
    caller = await shop.store.find_caller(made.id.encode())
    assert caller is not None
    opened = Session(caller=caller, created_at=NOW, ends_at=later(hours=1))
    await shop.store.add_session(opened, b"one", audit())
    assert await shop.store.session(b"one") == opened
    assert await shop.store.end_key(made.id, caller.key_id, later(minutes=1), audit())
    found = await shop.store.session(b"one")
    assert found is not None
    assert found.caller is not None
    assert found.caller.ends_at == later(minutes=1)
    await shop.store.end_session(b"one")
    assert await shop.store.session(b"one") is None


async def test_session_without_a_key_is_a_persons(shop: Shop) -> None:
    """Who was signed in by somebody else comes back by their name there, with all that the account may as it is now."""
    made = await shop.account()
    caller = Caller(account_id=made.id, key_id="openid:ädä", scope=Scope.FULL, limits=made.limits)
    opened = Session(caller=caller, mark="openid:ädä".encode(), created_at=NOW, ends_at=later(hours=1))
    await shop.store.add_session(opened, b"person", audit())
    assert await shop.store.session(b"person") == opened
    await shop.store.end_sessions(made.id)
    assert await shop.store.session(b"person") is None


async def test_sessions_end_together_and_of_themselves(shop: Shop) -> None:
    """All of one account's end at once, others' and the operator's stay; a new one sweeps away those that are over."""
    one, other = await shop.account(), await shop.account()
    for account in (one, other):
        caller = await shop.store.find_caller(account.id.encode())
        for number in range(2):
            opened = Session(caller=caller, created_at=NOW, ends_at=later(hours=1))
            await shop.store.add_session(opened, f"{account.id}{number}".encode(), audit())
    operator = Session(mark=b"mark", created_at=NOW, ends_at=later(hours=3))
    await shop.store.add_session(operator, b"operator", audit())
    await shop.store.end_sessions(one.id)
    assert await shop.store.session(f"{one.id}0".encode()) is None
    assert await shop.store.session(f"{other.id}0".encode()) is not None
    assert await shop.store.session(b"operator") == operator
    late = Session(mark=b"mark", created_at=later(hours=2), ends_at=later(hours=3))
    await shop.store.add_session(late, b"late", audit())
    assert await shop.store.session(f"{other.id}0".encode()) is None
    await shop.store.end_sessions(None)
    assert await shop.store.session(b"operator") is None


async def test_the_past_in_short(shop: Shop) -> None:
    """States are counted, moves told oldest first, the audit newest first; all of one account alone."""
    made, other = await shop.account(), await shop.account()
    first = await shop.domain(made.id, "example.com")
    await shop.domain(made.id, "example.net")
    await shop.domain(other.id, "example.org")
    assert await shop.store.count_statuses(made.id) == {"PENDING": 2}
    changed = event(EventKind.RECORD_CHANGED, later(minutes=1))
    verified = event(EventKind.DOMAIN_VERIFIED, later(minutes=1))
    assert await shop.store.save(DomainUpdate(domain=first, events=(verified, changed)))
    told = await shop.store.state_changes(made.id, 10)
    assert [each.kind for each in told] == ["domain.pending", "domain.pending", "domain.verified"]
    assert [each.kind for each in await shop.store.state_changes(made.id, 1)] == ["domain.verified"]
    await shop.store.audit(replace(audit("later.done"), account_id=made.id))
    assert [each.row.action for each in await shop.store.audit_rows(made.id, None, 10)] == ["later.done"]
    assert (await shop.store.audit_rows(None, None, 1))[0].row.action == "later.done"


async def test_lateness_counts_due_checks(shop: Shop) -> None:
    """Due checks are counted by how long they have been due; those to come are not."""
    made = await shop.account()
    for number, seconds in enumerate((0, 5, 30, 100, 1000, -5)):
        await shop.domain(made.id, f"example{number}.com", next_check_at=later(seconds=-seconds))
    assert await shop.store.count_overdue(NOW) == [1, 1, 1, 1, 1]
