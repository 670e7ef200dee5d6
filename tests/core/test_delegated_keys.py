"""The two slots of delegated keys: what is planned, what our zone must hold, and what a change of it owes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.dns.answers import NoData, Unanswered, View, Why
from letterhead.core.domain.domain import Domain, Effect, KeyDelegation, OldKey, Rotation, Transition
from letterhead.core.domain.evidence import RecordState
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import Identity, Presence, ProviderStatus
from letterhead.core.plan.plan import RecordId
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.core.rotation.propagation import NOT_ASKED, Propagation, joint_propagation
from letterhead.core.rotation.rotation import KeyObservation, Stage
from letterhead.core.schedule import check_schedule
from tests.core import samples
from tests.core.test_lifecycle import T0, claim

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
HOME = KeyDelegation(zone="keys.example", token="x7qd")
LH1, LH2 = "lh1.x7qd.keys.example", "lh2.x7qd.keys.example"
KEY = "v=DKIM1; k=rsa; p="


def delegated(**more: object) -> Domain:
    """Return a verified domain whose keys lie in our own zone."""
    return claim(HealthState.VERIFIED, **({"selector": "lh1", "key_delegation": HOME} | more))


def rotating() -> Domain:
    """Return one whose next key is waited for."""
    return rotation.start(delegated(), "lh2", "MIIC", T0, "asked for").domain


def took(domain: Domain, minutes: float, **seen: Any) -> Domain:
    """Take in one look, so many minutes after T0."""
    look = KeyObservation(**({"active": RecordState.PRESENT} | seen))
    return rotation.advance(Transition(domain=domain), look, T0 + minutes * MINUTE).domain


def switched() -> Domain:
    """Return one whose keys changed 11 minutes after T0."""
    return took(took(rotating(), 1, propagation=Propagation()), 11, propagation=Propagation())


def test_two_aliases_are_planned_and_the_key_behind_the_first() -> None:
    """The customer publishes two CNAMEs, of which one is needed now; the key itself is ours to serve."""
    plan = samples.plan(slots=HOME)
    first, second = [each for each in plan.records if each.rdtype == "CNAME"]
    assert (first.id, first.host, first.value, first.required) == (RecordId.DKIM, "lh1._domainkey.acme.dev", LH1, True)
    assert (second.id, second.host, second.value) == (RecordId.DKIM_NEXT, "lh2._domainkey.acme.dev", LH2)
    assert not second.required
    (key,) = plan.served
    assert (key.host, key.rdtype, key.value) == (LH1, "TXT", f"{KEY}{samples.KEY}")
    assert [each.host for each in plan.in_asking_order[:3]] == [first.host, second.host, LH1]


def test_our_zone_holds_what_mail_may_depend_on() -> None:
    """At each stage: a key in use, one to come, one that mail under way needs; a revoked one where none is."""
    old = {"lh1": RecordState.MISSING}
    assert delegated_keys.zone_texts(delegated()) == {LH1: f"{KEY}MIIB", LH2: delegated_keys.REVOKED}
    assert delegated_keys.zone_texts(rotating()) == {LH1: f"{KEY}MIIB", LH2: f"{KEY}MIIC"}
    assert delegated_keys.zone_texts(switched()) == {LH1: f"{KEY}MIIB", LH2: f"{KEY}MIIC"}
    safe = took(switched(), 12 + 7 * 24 * 60)
    assert delegated_keys.zone_texts(safe) == {LH1: delegated_keys.REVOKED, LH2: f"{KEY}MIIC"}
    assert not delegated_keys.is_selector_free(safe)
    free = took(safe, 13 + 7 * 24 * 60, old=old)
    assert (free.old_keys, delegated_keys.is_selector_free(free), delegated_keys.zone_texts(free)) == (
        (),
        True,
        delegated_keys.zone_texts(safe),
    )
    assert delegated_keys.zone_texts(claim(HealthState.VERIFIED)) == {}


def test_work_is_owed_where_the_zone_must_change_and_only_there() -> None:
    """Start, end of a week and abandoning owe it; the switch itself, which needs both keys, does not."""
    safe = took(switched(), 12 + 7 * 24 * 60)
    moves = [(delegated(), rotating()), (switched(), safe), (rotating(), rotation.abandon(rotating(), T0).domain)]
    assert [delegated_keys.pending_effects(before, after) for before, after in moves] == [(Effect.PUBLISH,)] * 3
    assert delegated_keys.pending_effects(rotating(), switched()) == ()
    assert delegated_keys.pending_effects(claim(HealthState.VERIFIED), claim(HealthState.VERIFIED, selector="s9")) == ()


def test_nothing_is_ever_the_customers_to_remove() -> None:
    """No stage says that a record can go, and no old selector is named to anybody."""
    safe = took(switched(), 12 + 7 * 24 * 60)
    assert [rotation.stage(each) for each in (switched(), safe)] == [Stage.SWITCHED, Stage.SWITCHED]
    assert (rotation.selectors_leaving(safe), rotation.removable_selectors(safe)) == (("lh1",), ())
    assert "Delete" not in rotation.waits_for(safe)


def test_the_policy_waits_for_a_free_slot() -> None:
    """However old the key: while the one before it is needed there is no place for another."""
    assert rotation.is_due(delegated(), T0 + 200 * DAY, 180 * DAY)
    assert not rotation.is_due(switched(), T0 + 999 * DAY, 180 * DAY)


def test_what_was_at_a_slot_is_forgotten_before_another_key_signs() -> None:
    """Resolvers remember for our TTL; a new key is seen for longer than that, and looked at more than once."""
    assert delegated_keys.TTL < rotation.SETTLES
    assert check_schedule.SETTLING < rotation.SETTLES


@pytest.mark.parametrize(("said", "stage_after"), [("s1", "kept"), ("s2", "safe"), (None, "safe")])
def test_the_week_begins_when_the_provider_has_changed_too(said: str | None, stage_after: str) -> None:
    """While the provider's last word is that it signs with the old key, that key is needed, ours to serve or not."""
    word = Identity(
        presence=Presence.OURS, dkim=ProviderStatus.SUCCESS, mail_from=ProviderStatus.SUCCESS, selector=said, seen_at=T0
    )  # fmt: skip
    before = claim(
        HealthState.VERIFIED,
        selector="s2",
        identity=word,
        old_keys=(OldKey(selector="s1", replaced_at=T0, public_key="MIIA"),),
    )
    after = took(before, 30 * 24 * 60)
    assert (rotation.stage(after) is Stage.REMOVABLE) == (stage_after == "safe")
    assert ("s1" in rotation.held_keys(after)) == (stage_after == "kept")


# --- where the new key was seen -------------------------------------------------------------------------------------


def seen_at(alias: str | None, key: str | None) -> Propagation:
    """Say where the next key is seen, with these at the alias and at its target; None is silence, and nothing."""
    coming = Rotation(selector="lh2", public_key=samples.KEY, started_at=T0)
    (_, one), (_, other) = (
        delegated_keys.planned_cnames("acme.dev", "lh1", HOME),
        delegated_keys.served_keys(HOME, "lh1", "MIIB", coming),
    )
    cname = samples.found(one.host, "CNAME", samples.target(alias)) if alias else Unanswered(why=Why.TIMEOUT)
    txt = samples.found(other.host, "TXT", samples.txt(key)) if key else NoData(negative_ttl=60)
    at_alias = samples.asked(one.host, "CNAME", View.EVERY_SERVER, cname)
    spread = joint_propagation((one, other), {**at_alias, **samples.asked(other.host, "TXT", View.EVERY_SERVER, txt)})
    assert spread is not None
    return spread


def test_the_next_key_is_seen_where_alias_and_key_are() -> None:
    """One without the other is nothing; a server that did not answer is waited for; nobody asked is no yes."""
    right = f"{KEY}{samples.KEY}"
    assert seen_at(LH2, right).is_everywhere
    assert seen_at(LH2, None).missing_at
    assert seen_at(LH2, delegated_keys.REVOKED).missing_at
    assert seen_at("lh2.another.keys.example", right).missing_at
    assert seen_at(None, right).unreachable
    assert joint_propagation(delegated_keys.planned_cnames("acme.dev", "lh1", HOME), {}) == Propagation(
        unreachable=NOT_ASKED
    )
    assert joint_propagation((), {}) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["start", "look", "abandon", "week"]), st.sampled_from(RecordState)), max_size=40
    )
)
def test_the_key_that_signs_is_always_in_our_zone(moves: list[tuple[str, RecordState]]) -> None:
    """Whatever happens, in whatever order: the signer's key, and each that mail may still carry, is to be served."""
    domain, minutes, made = delegated(), 0.0, 0
    for move, sight in moves:
        minutes += 7 * 24 * 60 + 1 if move == "week" else 11
        if move == "start" and domain.rotation is None and delegated_keys.is_selector_free(domain):
            made += 1
            at = T0 + minutes * MINUTE
            domain = rotation.start(
                domain, delegated_keys.other_selector(domain.selector), f"KEY{made}", at, "x"
            ).domain
        elif move == "abandon":
            domain = rotation.abandon(domain, T0 + minutes * MINUTE).domain
        else:
            old = dict.fromkeys(rotation.selectors_leaving(domain), sight)
            domain = took(domain, minutes, active=sight, propagation=Propagation(), old=old)
        held = delegated_keys.zone_texts(domain)
        assert held[delegated_keys.cname_target(HOME, domain.selector)] == f"{KEY}{domain.public_key}"
        needed = {each.public_key for each in domain.old_keys if not each.safe}
        needed |= {domain.rotation.public_key} if domain.rotation else set()
        assert needed <= {text.removeprefix(KEY) for text in held.values()}
        assert len({domain.selector, *(each.selector for each in domain.old_keys)}) == 1 + len(domain.old_keys)
