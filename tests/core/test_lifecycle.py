"""The table of a domain's life, row by row, and what must not move it. A hand-turned clock, plain values."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Effect, EventKind, Transition, mail_from_status, status
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.health import WIRE_STATUS, HealthState, Observation, RecordHealth, new_health
from letterhead.core.domain.lifecycle import advance, ask_verification, delete, diagram, may_send
from letterhead.core.domain.provider_identity import Identity, IdentityReport, IdentityUnknown, Presence, ProviderStatus
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PRESENT, MISSING, DIVIDED, UNANSWERED = (
    RecordState.PRESENT,
    RecordState.MISSING,
    RecordState.DIVIDED,
    RecordState.UNANSWERED,
)


def said(
    dkim: ProviderStatus,
    presence: Presence = Presence.OURS,
    mail_from: ProviderStatus = ProviderStatus.SUCCESS,
    **more: Any,
) -> Identity:
    return Identity(presence=presence, dkim=dkim, mail_from=mail_from, seen_at=T0, **more)


GONE = said(ProviderStatus.NOT_STARTED, Presence.ABSENT, ProviderStatus.NOT_STARTED)
WORKING = said(ProviderStatus.PENDING, mail_from=ProviderStatus.PENDING)
AGREES = said(ProviderStatus.SUCCESS)
GAVE_UP = said(ProviderStatus.GAVE_UP)
REFUSED = said(ProviderStatus.REFUSED)
FOREIGN = said(ProviderStatus.SUCCESS, Presence.FOREIGN)
TROUBLE = said(ProviderStatus.TEMPORARY_FAILURE)
UNKNOWN = IdentityUnknown(provider_code="Throttled", detail="later")


def claim(state: HealthState = HealthState.PENDING, mail_from: HealthState | None = None, /, **more: object) -> Domain:
    """Return a domain that entered `state` at T0, as the table would have left it."""
    live = state in (HealthState.VERIFIED, HealthState.AT_RISK)
    domain = Domain(
        id="dom_1",
        account_id="acc_1",
        sender="example.com",
        selector="s1",
        public_key="MIIB",
        mail_from="bounce.example.com" if mail_from else None,
        created_at=T0,
        last_sync=T0,
        dkim=new_health(state, T0),
        mail_from_health=new_health(mail_from, T0) if mail_from else None,
        is_holder=live,
        registered_at=T0 if live else None,
    )
    return replace(domain, **more)


def look(sight: RecordState, provider: IdentityReport | None = None, mail_from: RecordState | None = None) -> Evidence:
    return Evidence(dkim=sight, provider=provider, mail_from=mail_from)


def run(domain: Domain, looks: Sequence[tuple[timedelta, Evidence]]) -> list[Transition]:
    """Advance through looks, each at its time after T0."""
    steps: list[Transition] = []
    for after, evidence in looks:
        steps.append(advance(steps[-1].domain if steps else domain, evidence, T0 + after))
    return steps


def kinds(step: Transition) -> list[EventKind]:
    return [event.kind for event in step.events]


def at_risk(**more: object) -> Domain:
    """Return a domain at risk since T0 + 10 min, its first miss at T0."""
    steps = run(claim(HealthState.VERIFIED, **more), [(0 * HOUR, look(MISSING)), (10 * MINUTE, look(MISSING))])
    assert steps[-1].domain.dkim.state is HealthState.AT_RISK
    return steps[-1].domain


Row = tuple[
    tuple[HealthState, bool, RecordState, IdentityReport | None, int],
    tuple[HealthState, list[EventKind], tuple[Effect, ...]],
]
# (from, told, sight, provider's word, hours after T0) → (to, events, effects)
ROWS: dict[str, Row] = {
    "proof tells the provider": (
        (HealthState.PENDING, False, PRESENT, None, 1),
        (HealthState.PENDING, [], (Effect.REGISTER,)),
    ),
    "proof without identity tells it again": (
        (HealthState.PENDING, True, PRESENT, GONE, 1),
        (HealthState.PENDING, [], (Effect.REGISTER,)),
    ),
    "proof and agreement verify": (
        (HealthState.PENDING, True, PRESENT, AGREES, 1),
        (HealthState.VERIFIED, [EventKind.DOMAIN_VERIFIED], ()),
    ),
    "a provider that agrees at once verifies in the same step": (
        (HealthState.PENDING, False, PRESENT, AGREES, 1),
        (HealthState.VERIFIED, [EventKind.DOMAIN_VERIFIED], (Effect.REGISTER,)),
    ),
    "refused for good": (
        (HealthState.PENDING, True, PRESENT, REFUSED, 1),
        (HealthState.FAILED, [EventKind.DOMAIN_FAILED], ()),
    ),
    "72 h without it": (
        (HealthState.PENDING, False, MISSING, None, 72),
        (HealthState.FAILED, [EventKind.DOMAIN_FAILED], ()),
    ),
    "72 h and still divided": (
        (HealthState.PENDING, False, DIVIDED, None, 72),
        (HealthState.FAILED, [EventKind.DOMAIN_FAILED], ()),
    ),
    "72 h and the identity is somebody else's": (
        (HealthState.PENDING, False, PRESENT, FOREIGN, 72),
        (HealthState.FAILED, [EventKind.DOMAIN_FAILED], ()),
    ),
    "not yet 72 h": ((HealthState.PENDING, False, MISSING, None, 71), (HealthState.PENDING, [], ())),
    "72 h unanswered": ((HealthState.PENDING, False, UNANSWERED, None, 500), (HealthState.PENDING, [], ())),
    "72 h waiting for the provider only": (
        (HealthState.PENDING, True, PRESENT, WORKING, 100),
        (HealthState.PENDING, [], ()),
    ),
    "agreement without proof": ((HealthState.PENDING, True, MISSING, AGREES, 1), (HealthState.PENDING, [], ())),
    "agreement while servers disagree": (
        (HealthState.PENDING, True, DIVIDED, AGREES, 1),
        (HealthState.PENDING, [], ()),
    ),
    "agreement on another key": (
        (HealthState.PENDING, True, PRESENT, said(ProviderStatus.SUCCESS, selector="s0"), 1),
        (HealthState.PENDING, [], (Effect.REGISTER,)),
    ),
    "a foreign identity is never touched": (
        (HealthState.PENDING, False, PRESENT, FOREIGN, 1),
        (HealthState.PENDING, [], ()),
    ),
    "given up is started again": (
        (HealthState.PENDING, True, PRESENT, GAVE_UP, 1),
        (HealthState.PENDING, [], (Effect.RESTART,)),
    ),
    "given up with DNS wrong is left alone": (
        (HealthState.PENDING, True, MISSING, GAVE_UP, 1),
        (HealthState.PENDING, [], ()),
    ),
    "an old refusal says nothing of a new start": (
        (HealthState.PENDING, False, PRESENT, REFUSED, 1),
        (HealthState.PENDING, [], (Effect.REGISTER,)),
    ),
    "failed comes back": (
        (HealthState.FAILED, True, PRESENT, AGREES, 500),
        (HealthState.VERIFIED, [EventKind.DOMAIN_VERIFIED], ()),
    ),
    "failed tells the provider first": (
        (HealthState.FAILED, False, PRESENT, None, 500),
        (HealthState.FAILED, [], (Effect.REGISTER,)),
    ),
    "failed and refused stays": ((HealthState.FAILED, True, PRESENT, REFUSED, 500), (HealthState.FAILED, [], ())),
    "one miss": ((HealthState.VERIFIED, True, MISSING, AGREES, 1), (HealthState.VERIFIED, [], ())),
    "lost once": ((HealthState.VERIFIED, True, PRESENT, GONE, 1), (HealthState.VERIFIED, [], ())),
    "a draft is left alone": ((HealthState.DRAFT, False, PRESENT, AGREES, 500), (HealthState.DRAFT, [], ())),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_one_look(row: Row) -> None:
    """Each row of the table moves as written, with its event and its work at the provider, and no more."""
    (state, told, sight, word, hours), (to, events, effects) = row
    step = advance(claim(state, registered_at=T0 if told else None), look(sight, word), T0 + hours * HOUR)
    assert (step.domain.dkim.state, kinds(step), step.effects) == (to, events, effects)


# (minutes after T0, sight)… → state after each
LOSS = {
    "two misses ten minutes apart": ([(0, MISSING), (10, MISSING)], "VR"),
    "two misses nine minutes apart": ([(0, MISSING), (9, MISSING)], "VV"),
    "hammering the button neither speeds nor stops it": ([(m, MISSING) for m in range(0, 12, 2)], "VVVVVR"),
    "two of three": ([(0, MISSING), (5, PRESENT), (12, MISSING)], "VVR"),
    "two of four": ([(0, MISSING), (5, PRESENT), (6, PRESENT), (12, MISSING)], "VVVV"),
    "silence is no look": ([(0, MISSING), (1, UNANSWERED), (9, UNANSWERED), (12, MISSING)], "VVVR"),
    "silence alone": ([(m, UNANSWERED) for m in range(0, 9000, 600)], "V" * 15),
    "division alone": ([(m, DIVIDED) for m in range(0, 9000, 600)], "V" * 15),
    "division is no miss": ([(0, MISSING), (20, DIVIDED), (40, DIVIDED)], "VVV"),
    "a miss two days old is forgotten": ([(0, MISSING), (48 * 60 + 1, MISSING), (48 * 60 + 11, MISSING)], "VVR"),
}


@pytest.mark.parametrize(("looks", "states"), LOSS.values(), ids=LOSS.keys())
def test_loss_needs_two_of_three(looks: list[tuple[int, RecordState]], states: str) -> None:
    """A verified domain comes at risk by 2 misses among 3 looks, 10 min apart, and by nothing less."""
    steps = run(claim(HealthState.VERIFIED), [(minutes * MINUTE, look(sight)) for minutes, sight in looks])
    letters = {HealthState.VERIFIED: "V", HealthState.AT_RISK: "R"}
    assert "".join(letters[step.domain.dkim.state] for step in steps) == states


def test_at_risk_sends_for_72_hours() -> None:
    """At risk, mail flows until 72 h after the first miss; a sixth miss then loses the domain, a fifth does not."""
    domain = at_risk()
    assert domain.dkim.stops_sending_at == T0 + 72 * HOUR
    assert may_send(domain, T0 + 72 * HOUR - MINUTE)
    assert not may_send(domain, T0 + 72 * HOUR)
    looks = [(hours * HOUR, look(MISSING)) for hours in (1, 2, 72, 73)]
    steps = run(domain, looks)
    assert [step.domain.dkim.state for step in steps] == [HealthState.AT_RISK] * 3 + [HealthState.FAILED]
    assert [kinds(step) for step in steps] == [[], [], [], [EventKind.DOMAIN_LOST]]
    assert not may_send(steps[-1].domain, T0 + 73 * HOUR)
    assert not steps[-1].domain.is_holder


@pytest.mark.parametrize("sight", [PRESENT, DIVIDED, UNANSWERED])
def test_only_a_miss_ends_the_grace(sight: RecordState) -> None:
    """After 72 h at risk with misses enough, a look that is not itself a miss loses nothing."""
    looks = [(hours * HOUR, look(MISSING)) for hours in range(1, 72, 5)]
    step = run(at_risk(), [*looks, (80 * HOUR, look(sight))])[-1]
    assert step.domain.dkim.state is HealthState.AT_RISK
    assert step.events == ()


# minutes after coming at risk, sights → restored?
RESTORE = {
    "an hour of presence": ([(20, PRESENT), (50, PRESENT), (80, PRESENT)], True),
    "less than an hour": ([(20, PRESENT), (79, PRESENT)], False),
    "broken by a miss": ([(20, PRESENT), (50, MISSING), (80, PRESENT)], False),
    "broken by division": ([(20, PRESENT), (50, DIVIDED), (80, PRESENT)], False),
    "not broken by silence": ([(20, PRESENT), (50, UNANSWERED), (80, PRESENT)], True),
    "silence at the end": ([(20, PRESENT), (50, PRESENT), (80, UNANSWERED)], False),
}


@pytest.mark.parametrize(("looks", "restored"), RESTORE.values(), ids=RESTORE.keys())
def test_restored_after_an_hour(looks: list[tuple[int, RecordState]], restored: bool) -> None:
    """At risk ends with presence in every check for an hour, told once; the misses before are then forgotten."""
    steps = run(at_risk(), [(minutes * MINUTE, look(sight, AGREES)) for minutes, sight in looks])
    assert [kind for step in steps for kind in kinds(step)] == [EventKind.DOMAIN_RESTORED] * restored
    watch = steps[-1].domain.dkim
    assert (watch.state is HealthState.VERIFIED, watch.stops_sending_at is None) == (restored, restored)
    if restored:
        assert watch.observations == (Observation(at=watch.since, present=True),)


@pytest.mark.parametrize(("word", "effect"), [(GONE, Effect.REGISTER), (GAVE_UP, Effect.RESTART), (FOREIGN, None)])
def test_lost_at_provider(word: Identity, effect: Effect | None) -> None:
    """Lost at the provider on two looks 10 min apart: no sending at once, started again there, back after an hour."""
    looks = [(0 * HOUR, look(PRESENT, word)), (9 * MINUTE, look(PRESENT, word)), (10 * MINUTE, look(PRESENT, word))]
    *early, step = run(claim(HealthState.VERIFIED), looks)
    assert all(not each.effects and may_send(each.domain, T0) for each in early)
    assert (step.domain.dkim.state, kinds(step)) == (HealthState.AT_RISK, [EventKind.DOMAIN_AT_RISK])
    assert step.effects == ((effect,) if effect else ())
    assert not may_send(step.domain, T0 + 10 * MINUTE)
    later = run(
        step.domain,
        [
            (20 * MINUTE, look(PRESENT, WORKING)),
            (71 * MINUTE, look(PRESENT, WORKING)),
            (72 * MINUTE, look(PRESENT, AGREES)),
        ],
    )
    assert [each.domain.dkim.state for each in later] == [
        HealthState.AT_RISK,
        HealthState.AT_RISK,
        HealthState.VERIFIED,
    ]


@pytest.mark.parametrize("between", [AGREES, UNKNOWN, TROUBLE, None])
def test_the_providers_own_trouble_is_no_loss(between: IdentityReport | None) -> None:
    """A throttled or troubled provider neither counts as a loss nor clears one; its success clears it."""
    looks = [look(PRESENT, GONE), look(PRESENT, between), look(PRESENT, GONE)]
    step = run(claim(HealthState.VERIFIED), [(n * 10 * MINUTE, evidence) for n, evidence in enumerate(looks)])[-1]
    assert (step.domain.dkim.state is HealthState.VERIFIED) == (between is AGREES)


def test_lost_at_provider_needs_dns_right() -> None:
    """A loss at the provider moves nothing while DNS is silent."""
    looks = [(n * HOUR, look(UNANSWERED, GONE)) for n in range(5)]
    assert all(step.domain.dkim.state is HealthState.VERIFIED for step in run(claim(HealthState.VERIFIED), looks))


def test_restart_at_most_daily() -> None:
    """A provider that gave up is started again once a day while DNS is right, in failed as in pending."""
    for state in (HealthState.PENDING, HealthState.FAILED):
        steps = run(claim(state, registered_at=T0), [(hours * HOUR, look(PRESENT, GAVE_UP)) for hours in range(50)])
        assert [n for n, step in enumerate(steps) if Effect.RESTART in step.effects] == [0, 24, 48]


def test_told_once() -> None:
    """The provider is told when DKIM is first seen, and not again while it works."""
    looks = [look(MISSING), look(PRESENT), look(PRESENT, UNKNOWN), look(PRESENT, WORKING), look(PRESENT, AGREES)]
    steps = run(claim(), [(n * MINUTE, evidence) for n, evidence in enumerate(looks)])
    assert [step.effects for step in steps] == [(), (Effect.REGISTER,), (), (), ()]
    assert steps[1].domain.registered_at == T0 + MINUTE
    assert steps[-1].domain.verified_at == T0 + 4 * MINUTE


@pytest.mark.parametrize("state", [HealthState.PENDING, HealthState.FAILED])
def test_who_is_second_waits(state: HealthState) -> None:
    """A claim on a name held elsewhere is not verified, does not hold and asks nothing of the provider."""
    evidence = Evidence(dkim=PRESENT, provider=AGREES, is_held_elsewhere=True)
    step = advance(claim(state), evidence, T0 + HOUR)
    assert (step.domain.dkim.state, step.events, step.effects, step.domain.is_holder) == (state, (), (), False)
    if state is HealthState.PENDING:
        assert advance(claim(), evidence, T0 + 72 * HOUR).domain.dkim.state is HealthState.FAILED


def test_holding_follows_proof() -> None:
    """A claim holds the name from its proof on, for as long as it is verified or at risk, and no longer."""
    steps = run(claim(), [(n * MINUTE, look(sight)) for n, sight in enumerate([PRESENT, UNANSWERED, MISSING])])
    assert [step.domain.is_holder for step in steps] == [True, True, False]
    assert advance(claim(HealthState.VERIFIED), look(MISSING), T0 + HOUR).domain.is_holder


@pytest.mark.parametrize("state", HealthState)
def test_unanswered_changes_nothing(state: HealthState) -> None:
    """Unanswered looks, whatever their number, leave the domain as it was, but for counting them."""
    domain = at_risk() if state is HealthState.AT_RISK else claim(state, HealthState.PENDING)
    for word in (None, UNKNOWN):
        steps = run(domain, [(n * HOUR, look(UNANSWERED, word, UNANSWERED)) for n in range(200)])
        assert all(not step.events and not step.effects for step in steps)
        assert replace(steps[-1].domain, attempts=0) == domain
        assert steps[-1].domain.attempts == 200


ASKED = {HealthState.DRAFT: HealthState.PENDING, HealthState.FAILED: HealthState.PENDING}


@pytest.mark.parametrize("state", HealthState)
def test_asking_never_makes_it_worse(state: HealthState) -> None:
    """Asking starts a draft, starts a failed domain anew with 72 h, and leaves every other as it is, key and all."""
    domain, now = claim(state), T0 + 1000 * HOUR
    step = ask_verification(domain, now)
    assert step.effects == ()
    if state in ASKED:
        assert (step.domain.dkim, kinds(step)) == (new_health(HealthState.PENDING, now), [EventKind.DOMAIN_PENDING])
        assert (step.domain.selector, step.domain.public_key) == (domain.selector, domain.public_key)
    else:
        assert step == Transition(domain=domain)


def test_mail_from_goes_its_own_way() -> None:
    """MAIL FROM runs by the same table without touching `status`; its moves are told as record.changed."""
    domain = claim(HealthState.VERIFIED, HealthState.PENDING)
    steps = run(
        domain,
        [
            (1 * HOUR, look(PRESENT, AGREES, PRESENT)),
            (2 * HOUR, look(PRESENT, AGREES, MISSING)),
            (3 * HOUR, look(PRESENT, AGREES, MISSING)),
            *((hours * HOUR, look(PRESENT, AGREES, MISSING)) for hours in range(4, 75, 10)),
            (75 * HOUR, look(PRESENT, AGREES, MISSING)),
        ],
    )
    words = [mail_from_status(step.domain) for step in steps]
    assert list(dict.fromkeys(words)) == ["SUCCESS", "TEMPORARY_FAILURE", "FAILED"]
    assert {status(step.domain) for step in steps} == {"SUCCESS"}
    assert [kinds(step) for step in steps if step.events] == [[EventKind.RECORD_CHANGED]] * 3
    assert mail_from_status(claim()) is None
    assert mail_from_status(claim(HealthState.DRAFT, HealthState.DRAFT)) is None
    again = ask_verification(steps[-1].domain, T0 + 80 * HOUR)
    assert (mail_from_status(again.domain), status(again.domain)) == ("PENDING", "SUCCESS")


def test_mail_from_never_verifies_the_domain() -> None:
    """MX and SPF, the same for every customer, prove nothing: `status` waits for DKIM."""
    step = advance(claim(HealthState.PENDING, HealthState.PENDING), look(MISSING, AGREES, PRESENT), T0 + HOUR)
    assert (status(step.domain), mail_from_status(step.domain), step.effects) == ("PENDING", "SUCCESS", ())


def test_deleting_withdraws() -> None:
    """Deleting tells it once and withdraws the identity."""
    step = delete(claim(HealthState.VERIFIED), T0)
    assert (kinds(step), step.effects, step.domain.is_holder) == ([EventKind.DOMAIN_DELETED], (Effect.WITHDRAW,), False)


def standing(verdict: Verdict, agreed: bool = True) -> RecordResult:
    record = PlannedRecord(id=RecordId.MAIL_FROM_MX, host="b.example.com", rdtype="MX", value="mx.example.net")
    return RecordResult(record=record, verdict=verdict, agreed=agreed)


SIGHTS = [
    ([], UNANSWERED),
    ([standing(Verdict.PRESENT)], PRESENT),
    ([standing(Verdict.PRESENT), standing(Verdict.PRESENT)], PRESENT),
    ([standing(Verdict.PRESENT), standing(Verdict.ABSENT)], MISSING),
    ([standing(Verdict.UNANSWERED), standing(Verdict.WRONG)], MISSING),
    ([standing(Verdict.PRESENT), standing(Verdict.WRONG, agreed=False)], DIVIDED),
    ([standing(Verdict.ABSENT, agreed=False), standing(Verdict.ABSENT)], MISSING),
    ([standing(Verdict.ABSENT, agreed=False), standing(Verdict.UNANSWERED)], DIVIDED),
    ([standing(Verdict.PRESENT), standing(Verdict.UNANSWERED)], UNANSWERED),
]


@pytest.mark.parametrize(("standings", "sight"), SIGHTS)
def test_sight_of(standings: list[RecordResult], sight: RecordState) -> None:
    """Present needs every record, missing needs one that its servers agree on; disagreement and silence stay so."""
    assert record_state(standings) is sight


def test_every_state_has_its_wire_word() -> None:
    """The five states map one to one onto the contract's five words."""
    assert {WIRE_STATUS[state] for state in HealthState} == {
        "NOT_STARTED",
        "PENDING",
        "SUCCESS",
        "TEMPORARY_FAILURE",
        "FAILED",
    }


def test_domain_survives_storage() -> None:
    """A domain written as JSON and read again is the same domain."""
    steps = run(at_risk(), [(n * HOUR, look(PRESENT, GAVE_UP)) for n in range(1, 3)])
    domain = replace(steps[-1].domain, mail_from_health=RecordHealth(state=HealthState.PENDING, since=T0))
    assert msgspec.json.decode(msgspec.json.encode(domain), type=Domain) == domain


def test_the_page_is_the_table() -> None:
    """docs/lifecycle.md begins with what the table says today; the change of keys has its own table behind it."""
    page = Path(__file__).parents[2] / "docs" / "lifecycle.md"
    assert page.read_text(encoding="utf-8").startswith(diagram().rstrip())
