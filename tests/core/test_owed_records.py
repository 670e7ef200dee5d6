"""What is owed in a zone without anybody asking, and what is held back."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from letterhead.core.dns.records import RRset
from letterhead.core.domain.domain import Ed25519Key
from letterhead.core.plan.plan import RecordId
from letterhead.core.zone_changes.changes import Action, PlannedChange
from letterhead.core.zone_changes.dns_plan import DnsPlan, PlanState
from letterhead.core.zone_changes.owed_records import (
    find_unfinished,
    is_put_off,
    may_resume,
    names_held_back,
    owed_records,
)
from tests.core import samples
from tests.core.test_lifecycle import T0
from tests.core.test_rotation import rotating

NAME = "s2._domainkey.acme.dev"
KEY = RRset(owner=NAME, rdtype="TXT", ttl=60, rdatas=samples.txt("v=DKIM1; p=MIIC"))
CHANGE = PlannedChange(
    id=RecordId.DKIM_NEXT, owner=NAME, rdtype="TXT", action=Action.CREATE, before=None, after=KEY, reason=""
)


def plan(state: PlanState, *, made: datetime = T0, automatic: bool = True) -> DnsPlan:
    """Make a plan that writes the key."""
    return DnsPlan(
        id="plan_1",
        account_id="acc_1",
        domain_id="dom_1",
        host="lab",
        zone="acme.dev",
        state=state,
        changes=(CHANGE,),
        created_at=made,
        changed_at=made,
        automatic=automatic,
    )


def test_a_second_key_is_owed_only_where_the_rotation_has_one() -> None:
    """Else a domain that rotates would owe it for ever."""
    domain = rotating()
    assert owed_records(domain, put_back=False) == {RecordId.DKIM_NEXT}
    assert domain.rotation is not None
    second = replace(domain.rotation, ed25519=Ed25519Key(selector="ed2", public_key="AAAA"))
    both = owed_records(replace(domain, rotation=second), put_back=False)
    assert both == {RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT}


def test_what_an_undo_took_out_is_held_back_until_it_is_written_again() -> None:
    """Also where the undo failed half-way; not what it left, nor what another plan has written since."""
    later = T0 + timedelta(days=30)
    undone = replace(plan(PlanState.UNDONE, automatic=False), undone=(replace(CHANGE, action=Action.DELETE),))
    for state in (PlanState.UNDONE, PlanState.UNDOING, PlanState.FAILED):
        assert names_held_back([replace(undone, state=state)], later) == {(NAME, "TXT")}
    left = replace(undone, undone=(replace(CHANGE, action=Action.REFUSE),))
    assert names_held_back([left], later) == frozenset()
    again = plan(PlanState.SERVED, made=T0 + timedelta(days=1), automatic=False)
    assert names_held_back([again, undone], later) == frozenset()
    assert names_held_back([plan(PlanState.PLANNED, automatic=False), undone], later) == {(NAME, "TXT")}


def test_what_was_written_by_itself_is_held_back_for_a_day() -> None:
    """Or while it is being written; a worker that was killed holds nothing."""
    assert names_held_back([plan(PlanState.SERVED)], T0 + timedelta(hours=23)) == {(NAME, "TXT")}
    assert names_held_back([plan(PlanState.SERVED)], T0 + timedelta(days=1)) == frozenset()
    busy = replace(plan(PlanState.APPLYING), busy_until=T0 + timedelta(minutes=2))
    assert names_held_back([busy], T0 + timedelta(minutes=1)) == {(NAME, "TXT")}
    assert names_held_back([busy], T0 + timedelta(minutes=3)) == frozenset()


def test_a_failed_plan_is_applied_again_ever_later() -> None:
    """After a quarter of an hour, then as long as it has failed, a day at most; at once for what it does not write."""
    failed = plan(PlanState.FAILED)
    assert find_unfinished([plan(PlanState.SERVED, automatic=False), failed]) == failed
    assert find_unfinished([plan(PlanState.SERVED), failed]) is None
    owed = {(NAME, "TXT")}
    for age, pause in ((0, 15), (15, 15), (60, 60), (9_000, 1_440)):
        tried = replace(failed, changed_at=T0 + timedelta(minutes=age))
        assert is_put_off(tried, owed, T0 + timedelta(minutes=age + pause - 1))
        assert not is_put_off(tried, owed, T0 + timedelta(minutes=age + pause))
    assert not is_put_off(failed, {*owed, ("lh.acme.dev", "MX")}, T0)
    assert not is_put_off(plan(PlanState.PLANNED), owed, T0)


def test_an_unfinished_plan_is_resumed_only_where_it_says_what_is_to_be_written() -> None:
    """Not for the key of an older rotation, nor where somebody has put something else there."""
    failed = plan(PlanState.FAILED)
    other = replace(CHANGE, owner="s3._domainkey.acme.dev", after=replace(KEY, owner="s3._domainkey.acme.dev"))
    assert may_resume(failed, (CHANGE,), ())
    assert may_resume(failed, (), (KEY,))
    assert not may_resume(failed, (), ())
    assert not may_resume(failed, (other,), ())
    assert not may_resume(failed, (CHANGE,), (replace(KEY, rdatas=samples.txt("theirs")),))
