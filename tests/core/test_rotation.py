"""The change of keys, row by row and at random: when the new key signs, and what may never make it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.dns.answers import Answer, NoData, NxDomain, Perspective, Question, Reply, Unanswered, View, Why
from letterhead.core.domain.domain import Domain, Effect, EventKind, Transition
from letterhead.core.domain.evidence import RecordState
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_findings import findings
from letterhead.core.domain.provider_identity import Identity, Presence, ProviderStatus
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.plan.plan import PlannedRecord, RecordId, Verdict
from letterhead.core.rotation import rotation
from letterhead.core.rotation.propagation import Propagation, propagation_of
from letterhead.core.rotation.rotation import KeyObservation, Stage
from letterhead.core.schedule import check_schedule
from tests.core import samples
from tests.core.test_lifecycle import T0, claim, look

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EVERYWHERE, SILENT = Propagation(), Propagation(unreachable=("ns2",))
LACKING = Propagation(missing_at=("ns2",))


def rotating(**more: object) -> Domain:
    """Return a verified domain whose new key is waited for since T0."""
    return rotation.start(claim(HealthState.VERIFIED, **more), "s2", "MIIC", T0, "asked for").domain


def step(
    domain: Domain, spread: Propagation | None, minutes: float, active: RecordState = RecordState.PRESENT, **more: Any
) -> Transition:
    """Take in one look, so many minutes after T0."""
    seen = KeyObservation(active=active, propagation=spread, **more)
    return rotation.advance(Transition(domain=domain), seen, T0 + minutes * MINUTE)


def seen_at(minutes: float) -> Domain:
    """Return a rotating domain whose new key was first seen everywhere then."""
    return step(rotating(), EVERYWHERE, minutes).domain


def switched() -> Domain:
    """Return a domain whose keys have changed 11 minutes after T0."""
    return step(seen_at(1), EVERYWHERE, 11).domain


@pytest.mark.parametrize(
    ("before", "spread", "minutes", "active", "stage"),
    [
        (rotating(), LACKING, 5, RecordState.PRESENT, Stage.WAITING),
        (rotating(), SILENT, 5, RecordState.PRESENT, Stage.WAITING),
        (rotating(), EVERYWHERE, 60, RecordState.PRESENT, Stage.SEEN),
        (rotating(), EVERYWHERE, 5, RecordState.DIVIDED, Stage.SEEN),
        (rotating(), EVERYWHERE, 5, RecordState.UNANSWERED, Stage.SEEN),
        (rotating(), EVERYWHERE, 5, RecordState.MISSING, Stage.SWITCHED),
        (rotating(), LACKING, 5, RecordState.MISSING, Stage.WAITING),
        (rotating(), SILENT, 5, RecordState.MISSING, Stage.WAITING),
        (seen_at(1), EVERYWHERE, 10.9, RecordState.PRESENT, Stage.SEEN),
        (seen_at(1), EVERYWHERE, 11, RecordState.PRESENT, Stage.SWITCHED),
        (seen_at(1), EVERYWHERE, 2, RecordState.MISSING, Stage.SWITCHED),
        (seen_at(1), SILENT, 99, RecordState.PRESENT, Stage.SEEN),
        (seen_at(1), LACKING, 99, RecordState.PRESENT, Stage.WAITING),
        (seen_at(1), replace(EVERYWHERE, by_resolvers=True), 99, RecordState.PRESENT, Stage.SEEN),
        (seen_at(1), replace(EVERYWHERE, by_resolvers=True), 1 + 24 * 60, RecordState.PRESENT, Stage.SWITCHED),
    ],
)
def test_a_look_takes_the_step_of_the_table(
    before: Domain, spread: Propagation, minutes: float, active: RecordState, stage: Stage
) -> None:
    """Each row of the table, and what lies just beside it."""
    assert rotation.stage(step(before, spread, minutes, active).domain) is stage


def test_a_switch_changes_the_key_and_owes_it_to_the_provider() -> None:
    """With the switch, and not before: selector, key, event, the provider's work; the old selector is remembered."""
    before = seen_at(1)
    assert (before.selector, before.public_key) == ("s1", "MIIB")
    after = step(before, EVERYWHERE, 11)
    domain = after.domain
    assert (domain.selector, domain.public_key, domain.rotation) == ("s2", "MIIC", None)
    assert [event.kind for event in after.events] == [EventKind.DKIM_ROTATED]
    assert after.effects == (Effect.REGISTER,)
    assert [old.selector for old in domain.old_keys] == ["s1"]
    assert domain.dkim == before.dkim


def test_who_does_not_hold_the_name_tells_nobody() -> None:
    """A domain that lost its name changes its key without a word to the provider, and never beside another holder."""
    lost = replace(seen_at(1), is_holder=False, registered_at=None)
    assert step(lost, EVERYWHERE, 11).effects == ()
    assert rotation.stage(step(lost, EVERYWHERE, 11, held_elsewhere=True).domain) is Stage.SEEN


def test_the_old_key_is_kept_for_a_week_then_until_its_record_is_gone() -> None:
    """Its record can go after 7 days; its private key goes then; it is forgotten when the record is."""
    domain, week = switched(), 7 * 24 * 60
    early = step(domain, None, week, old={"s1": RecordState.MISSING}).domain
    assert (rotation.stage(early), rotation.removable_selectors(early)) == (Stage.SWITCHED, ())
    assert rotation.held_keys(early) == {"s1", "s2"}
    safe = step(domain, None, 11 + week).domain
    assert (rotation.stage(safe), rotation.removable_selectors(safe)) == (Stage.REMOVABLE, ("s1",))
    assert rotation.keys_to_destroy(domain, safe) == ("s1",)
    for sight in (RecordState.PRESENT, RecordState.UNANSWERED):
        assert rotation.stage(step(safe, None, 12 + week, old={"s1": sight}).domain) is Stage.REMOVABLE
    assert rotation.stage(step(safe, None, 12 + week, old={"s1": RecordState.MISSING}).domain) is Stage.NONE


def test_abandoning_leaves_all_as_it_was() -> None:
    """The domain is as before the rotation, the new key is destroyed; abandoning nothing changes nothing."""
    before = claim(HealthState.VERIFIED)
    under_way = rotating()
    assert rotation.abandon(under_way, T0).domain == before
    assert rotation.keys_to_destroy(under_way, before) == ("s2",)
    assert rotation.abandon(before, T0) == Transition(domain=before)


@pytest.mark.parametrize(
    ("domain", "days", "is_due"),
    [
        (claim(HealthState.VERIFIED), 180, True),
        (claim(HealthState.VERIFIED), 179, False),
        (claim(HealthState.VERIFIED, rotated_at=T0 + DAY), 180, False),
        (claim(HealthState.AT_RISK), 999, False),
        (claim(HealthState.PENDING), 999, False),
        (rotating(), 999, False),
    ],
)
def test_the_policy_wants_a_new_key_when_all_is_well(domain: Domain, days: int, is_due: bool) -> None:
    """Every 180 days from the last change, for a verified domain without a change under way."""
    assert rotation.is_due(domain, T0 + days * DAY, 180 * DAY) is is_due
    assert not rotation.is_due(domain, T0 + days * DAY, None)


# --- random lives ---------------------------------------------------------------------------------------------------

SPREADS = st.sampled_from([EVERYWHERE, LACKING, SILENT, Propagation(missing_at=("ns1",), unreachable=("ns2",))])
LOOKS = st.tuples(SPREADS, st.sampled_from(RecordState), st.integers(0, 30))


@given(st.lists(LOOKS, max_size=60))
@settings(max_examples=300)
def test_the_new_key_never_signs_before_every_server_has_it(looks: list[tuple[Propagation, RecordState, int]]) -> None:
    """Whatever the looks: a switch comes only in a look that found the key everywhere; either the old one was gone, or
    every look for ten minutes that learnt anything found it everywhere, the first and the last of them for sure."""
    domain, at = rotating(), 0
    history: list[tuple[int, Propagation]] = []
    for spread, active, wait in looks:
        at += wait
        history.append((at, spread))
        after = step(domain, spread, at, active)
        if after.domain.rotation is None:
            assert spread.is_everywhere
            clean = []
            for when, each in reversed(history):
                if each.missing_at:
                    break
                clean.append((when, each))
            assert active is RecordState.MISSING or any(each.is_everywhere and at - when >= 10 for when, each in clean)
            assert after.events
            return
        assert after.domain.selector == "s1"
        assert not after.events
        assert not after.effects
        domain = after.domain


@given(st.lists(LOOKS, max_size=40))
def test_a_key_that_never_appears_never_takes_over(looks: list[tuple[Propagation, RecordState, int]]) -> None:
    """Without one look that finds it everywhere the old key signs for ever."""
    domain = rotating()
    for number, (_, active, wait) in enumerate(looks):
        domain = step(domain, LACKING if wait % 2 else SILENT, number * 1000, active).domain
    assert domain.selector == "s1"
    assert domain.rotation is not None


# --- what a look shows ----------------------------------------------------------------------------------------------

RECORD = PlannedRecord(id=RecordId.DKIM_NEXT, host="s2._domainkey.example.com", rdtype="TXT", value=f"p={samples.KEY}")
THERE = samples.found(RECORD.host, "TXT", samples.txt(f"v=DKIM1; k=rsa; p={samples.KEY}"))
OTHER = samples.found(RECORD.host, "TXT", samples.txt("v=DKIM1; p=MIIB"))
NOT_THERE, TIMEOUT = NxDomain(negative_ttl=60), Unanswered(why=Why.TIMEOUT)
BOGUS = Unanswered(why=Why.BOGUS)


def spread(
    *servers: tuple[str, Answer], resolver: Answer | None = THERE, view: View = View.EVERY_SERVER
) -> Propagation:
    """Judge what these servers said, and one resolver."""
    replies = tuple(
        Reply(perspective=Perspective(view=view, server=name, address=str(at)), answer=answer)
        for at, (name, answer) in enumerate(servers)
    )
    seen = {Question(name=RECORD.host, rdtype="TXT", view=View.EVERY_SERVER): replies}
    if resolver is not None:
        at_resolver = Reply(perspective=Perspective(view=View.RECURSIVE, server="192.0.2.53"), answer=resolver)
        seen[Question(name=RECORD.host, rdtype="TXT", view=View.RECURSIVE)] = (at_resolver,)
    return propagation_of(RECORD, seen)


@pytest.mark.parametrize(
    ("told", "without", "silent"),
    [
        (spread(("ns1", THERE), ("ns2", THERE)), (), ()),
        (spread(("ns1", THERE), ("ns2", NOT_THERE)), ("ns2",), ()),
        (spread(("ns1", THERE), ("ns2", NoData(negative_ttl=1))), ("ns2",), ()),
        (spread(("ns1", THERE), ("ns2", OTHER)), ("ns2",), ()),
        (spread(("ns1", THERE), ("ns2", TIMEOUT)), (), ("ns2",)),
        (spread(("ns1", THERE), ("ns1", TIMEOUT), ("ns2", THERE)), (), ()),  # no IPv6 from here
        (spread(("ns1", THERE), ("ns1", NOT_THERE), ("ns2", THERE)), ("ns1",), ()),
        (spread(("ns1", THERE), resolver=NOT_THERE), ("192.0.2.53",), ()),
        (spread(("ns1", THERE), resolver=TIMEOUT), (), ()),
        (spread(("ns1", THERE), resolver=BOGUS), ("192.0.2.53",), ()),
        (spread(resolver=THERE), (), ("nobody was asked",)),
    ],
)
def test_everywhere_is_every_server_and_no_resolver_that_denies_it(
    told: Propagation, without: tuple[str, ...], silent: tuple[str, ...]
) -> None:
    """One server without it, or silent, is not everywhere; nor is a resolver that remembers that it was not there."""
    assert (told.missing_at, told.unreachable) == (without, silent)
    assert told.is_everywhere == (not without and not silent)


def test_resolvers_that_stand_in_are_told_apart() -> None:
    """Where no server could be asked the resolvers' word counts, but for a day."""
    assert spread(("192.0.2.53", THERE), view=View.RECURSIVE).by_resolvers
    assert not spread(("ns1", THERE)).by_resolvers


@pytest.mark.parametrize(
    ("answer", "sight"),
    [
        (NOT_THERE, RecordState.MISSING),
        (TIMEOUT, RecordState.UNANSWERED),
        (THERE, RecordState.PRESENT),
        (samples.found("x", "TXT", samples.txt("v=DKIM1; p=")), RecordState.MISSING),
        (samples.found("x", "TXT", samples.txt("anything else")), RecordState.MISSING),
    ],
)
def test_an_old_key_is_gone_with_its_record_or_its_p(answer: Answer, sight: RecordState) -> None:
    """An empty `p=` revokes a key; silence says nothing."""
    domain = step(switched(), None, 11 + 7 * 24 * 60).domain
    question = Question(name="s1._domainkey.example.com", rdtype="TXT", view=View.ONE_SERVER)
    reply = Reply(perspective=Perspective(view=View.ONE_SERVER, server="ns1"), answer=answer)
    assert rotation.old_record_states(domain, {question: (reply,)}) == {"s1": sight}


def test_the_new_keys_record_is_planned_and_never_blocks() -> None:
    """It is asked for at every server; what is wrong with it is a warning, since no mail depends on it yet."""
    plan = check.plan_for(rotating(public_key=samples.KEY), None)
    record = plan.record(RecordId.DKIM_NEXT)
    assert record is not None
    assert not record.required
    every = Question(name=record.host, rdtype="TXT", view=View.EVERY_SERVER)
    assert every in check.next_questions(plan, {}, thorough=True)
    reply = Reply(perspective=Perspective(view=View.EVERY_SERVER, server="ns1"), answer=NOT_THERE)
    found = check.examine(plan, {every: (reply,)}).findings
    assert [(each.code, each.record, each.severity) for each in found] == [
        ("dkim.missing", "dkim_next", Severity.WARNING)
    ]


def test_a_provider_that_still_signs_with_the_key_before_only_lags() -> None:
    """Between the switch and the provider's work nobody is told that somebody changed the key there."""
    word = Identity(
        presence=Presence.OURS, dkim=ProviderStatus.SUCCESS, mail_from=ProviderStatus.SUCCESS, selector="s1", seen_at=T0
    )
    codes = [each.code for each in findings(switched(), look(RecordState.PRESENT, word), T0)]
    assert codes == ["identity.provider-lags"]
    assert [
        each.code for each in findings(claim(HealthState.VERIFIED, selector="s9"), look(RecordState.PRESENT, word), T0)
    ] == ["identity.key-replaced"]


@pytest.mark.parametrize(
    ("domain", "minutes", "wait"),
    [
        (rotating(), 0, 0.25),
        (rotating(), 11, 1),
        (seen_at(1), 2, 2),
        (switched(), 12, 1),
        (replace(switched(), dkim=claim(HealthState.FAILED).dkim), 12, 1),
    ],
)
def test_a_change_of_keys_is_looked_at_often(domain: Domain, minutes: float, wait: float) -> None:
    """Each 15 s at first, each 2 minutes while it settles, and after the switch."""
    domain = replace(domain, dkim=replace(domain.dkim, present_since=T0))
    now = T0 + minutes * MINUTE
    at, why = check_schedule.next_check(domain, now, 0.0)
    assert at == now + wait * MINUTE
    assert why.startswith(("rotation: ", "failed: "))


def test_what_is_waited_for_is_a_sentence() -> None:
    """Each stage says what to publish, who lacks it, or what can go."""
    assert "s2._domainkey.example.com" in rotation.waits_for(rotating())
    assert "Without it: ns2." in rotation.waits_for(step(rotating(), LACKING, 1).domain)
    assert "Not answering: ns2." in rotation.waits_for(step(rotating(), SILENT, 1).domain)
    assert "Leave the old record" in rotation.waits_for(switched())
    gone = step(switched(), None, 11 + 7 * 24 * 60).domain
    assert "Delete the TXT record s1._domainkey.example.com" in rotation.waits_for(gone)
    assert rotation.switches_at(seen_at(1)) == T0 + 11 * MINUTE


def test_another_keys_verdict_is_not_taken_for_this_ones() -> None:
    """How a new key's record stood is forgotten with the rotation, so that the next one's absence is no change."""
    stood = ((RecordId.DKIM, Verdict.ABSENT), (RecordId.DKIM_NEXT, Verdict.PRESENT), (RecordId.DMARC, Verdict.PRESENT))
    kept = (RecordId.DMARC, Verdict.PRESENT)
    assert rotation.abandon(replace(rotating(), verdicts=stood), T0).domain.verdicts == (stood[0], kept)
    assert rotation.start(claim(verdicts=stood), "s2", "MIIC", T0, "why").domain.verdicts == (stood[0], kept)
    after = step(replace(seen_at(1), verdicts=stood), EVERYWHERE, 11).domain
    assert after.verdicts == ((RecordId.DKIM, Verdict.PRESENT), kept)
