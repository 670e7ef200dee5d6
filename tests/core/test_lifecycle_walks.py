"""Random lives against a naive oracle that reads the rules off the whole history, where the core keeps a summary.

The usual size walks the same paths each time; any other (`./dev soak P7`) walks new ones.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from letterhead.core.domain.domain import Domain, Effect, EventKind, Transition
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.lifecycle import RULES, advance, ask_verification, may_send
from letterhead.core.domain.provider_identity import Identity, IdentityReport, IdentityUnknown, Presence, ProviderStatus
from tests.faults import promises

STEPS = promises.size("P7")
T0 = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PRESENT, MISSING, DIVIDED, UNANSWERED = (
    RecordState.PRESENT,
    RecordState.MISSING,
    RecordState.DIVIDED,
    RecordState.UNANSWERED,
)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look at one watched thing, as the oracle remembers it: for ever."""

    at: datetime
    sight: RecordState
    word: ProviderStatus | None  # None: the provider said nothing of it
    presence: Presence
    elsewhere: bool
    told: bool

    @property
    def agrees(self) -> bool:
        return self.word is ProviderStatus.SUCCESS and self.presence is Presence.OURS

    @property
    def lost(self) -> bool:
        bad = self.word in (ProviderStatus.GAVE_UP, ProviderStatus.REFUSED, ProviderStatus.NOT_STARTED)
        return self.word is not None and (bad or self.presence is not Presence.OURS)


class Oracle:
    """Judges by re-reading everything since the state was entered, with loops instead of memory."""

    def __init__(self, state: HealthState) -> None:
        self.state = state
        self.since = T0
        self.log: list[Seen] = []  # since the state was entered, that look included
        self.before: list[Seen] = []  # the state before

    def look(self, seen: Seen) -> HealthState:
        self.log.append(seen)
        judge = {
            HealthState.DRAFT: lambda: HealthState.DRAFT,
            HealthState.PENDING: self.pending,
            HealthState.VERIFIED: self.verified,
            HealthState.AT_RISK: self.at_risk,
            HealthState.FAILED: self.failed,
        }
        after = judge[self.state]()
        if after is not self.state:
            self.enter(after, seen.at)
            self.log = [seen]
        return after

    def enter(self, state: HealthState, at: datetime) -> None:
        self.before, self.log, self.state, self.since = self.log, [], state, at

    def pending(self) -> HealthState:
        last = self.log[-1]
        if last.told and last.word is ProviderStatus.REFUSED and last.presence is not Presence.FOREIGN:
            return HealthState.FAILED
        if last.sight is PRESENT and last.agrees and not last.elsewhere:
            return HealthState.VERIFIED
        on_its_way = last.sight is PRESENT and not last.elsewhere
        foreign = last.word is not None and last.presence is Presence.FOREIGN
        if last.at >= self.since + 72 * HOUR and last.sight is not UNANSWERED and (foreign or not on_its_way):
            return HealthState.FAILED
        return HealthState.PENDING

    def failed(self) -> HealthState:
        last = self.log[-1]
        return (
            HealthState.VERIFIED if last.sight is PRESENT and last.agrees and not last.elsewhere else HealthState.FAILED
        )

    def verified(self) -> HealthState:
        last = self.log[-1]
        if last.sight is MISSING and self.window(self.log):
            return HealthState.AT_RISK
        return (
            HealthState.AT_RISK
            if last.sight is PRESENT and last.lost and self.lost_twice(self.log)
            else HealthState.VERIFIED
        )

    def window(self, log: list[Seen]) -> list[datetime]:
        """Return the misses among the last three looks, where they are enough."""
        kept: list[Seen] = []
        for seen in log:
            repeated = kept and kept[-1].sight is MISSING is seen.sight and seen.at - kept[-1].at < 10 * MINUTE
            if seen.sight in (PRESENT, MISSING) and not repeated:
                kept.append(seen)
        recent = [one for one in kept if one.sight is PRESENT or kept[-1].at - one.at <= 48 * HOUR][-3:]
        misses = [one.at for one in recent if one.sight is MISSING]
        return misses if len(misses) >= 2 and misses[-1] - misses[0] >= 10 * MINUTE else []

    def lost_twice(self, log: list[Seen]) -> bool:
        successes = [n for n, seen in enumerate(log) if seen.agrees]
        losses = [seen.at for seen in log[successes[-1] + 1 if successes else 0 :] if seen.lost]
        return bool(losses) and losses[-1] - losses[0] >= 10 * MINUTE

    def run_since(self, end: int) -> datetime | None:
        """Return the start of the run of presence that reaches the look at `end`, within this state."""
        start = None
        for seen in reversed(self.log[: end + 1]):
            if seen.sight in (MISSING, DIVIDED):
                break
            start = seen.at if seen.sight is PRESENT else start
        return start

    def misses(self) -> list[datetime]:
        """Return the misses of the present spell: since the last whole hour of presence, or since before at risk."""
        misses = self.window(self.before) if self.log[0].sight is MISSING else []
        for n, seen in enumerate(self.log[1:], 1):
            start = self.run_since(n)
            if seen.sight is MISSING:
                misses.append(seen.at)
            elif seen.sight is PRESENT and start is not None and seen.at - start >= HOUR:
                misses = []
        return misses

    def at_risk(self) -> HealthState:
        last, misses = self.log[-1], self.misses()
        if last.sight is MISSING and len(misses) >= 6 and last.at >= misses[0] + 72 * HOUR:
            return HealthState.FAILED
        start = self.run_since(len(self.log) - 1)
        here = last.sight is PRESENT and start is not None and last.at - start >= HOUR
        return HealthState.VERIFIED if here and not last.lost and not self.provider_lost() else HealthState.AT_RISK

    def provider_lost(self) -> bool:
        return self.lost_twice(self.before + self.log[1:])

    def may_send(self, now: datetime) -> bool:
        if self.state is not HealthState.AT_RISK:
            return self.state is HealthState.VERIFIED
        misses = self.misses()
        return not self.provider_lost() and (not misses or now < misses[0] + 72 * HOUR)


TOLD_BY = {
    (HealthState.PENDING, HealthState.VERIFIED): EventKind.DOMAIN_VERIFIED,
    (HealthState.PENDING, HealthState.FAILED): EventKind.DOMAIN_FAILED,
    (HealthState.VERIFIED, HealthState.AT_RISK): EventKind.DOMAIN_AT_RISK,
    (HealthState.AT_RISK, HealthState.VERIFIED): EventKind.DOMAIN_RESTORED,
    (HealthState.AT_RISK, HealthState.FAILED): EventKind.DOMAIN_LOST,
    (HealthState.FAILED, HealthState.VERIFIED): EventKind.DOMAIN_VERIFIED,
    (HealthState.FAILED, HealthState.PENDING): EventKind.DOMAIN_PENDING,
    (HealthState.DRAFT, HealthState.PENDING): EventKind.DOMAIN_PENDING,
}


class Life:
    """Leads one domain, its two oracles and the checks that hold at every step."""

    def __init__(self, seen_moves: Counter[tuple[HealthState, HealthState]]) -> None:
        self.now = T0
        self.moves = seen_moves
        self.domain = Domain(
            id="dom_1",
            account_id="acc_1",
            sender="example.com",
            selector="s1",
            public_key="MIIB",
            mail_from="bounce.example.com",
            created_at=T0,
            last_sync=T0,
            dkim=new_health(HealthState.DRAFT, T0),
            mail_from_health=new_health(HealthState.DRAFT, T0),
        )
        self.dkim, self.mail_from = Oracle(HealthState.DRAFT), Oracle(HealthState.DRAFT)

    def ask(self) -> None:
        step = ask_verification(self.domain, self.now)
        for oracle in (self.dkim, self.mail_from):
            if oracle.state in (HealthState.DRAFT, HealthState.FAILED):
                oracle.enter(HealthState.PENDING, self.now)
        assert not step.effects
        self.accept(step)

    def look(self, evidence: Evidence) -> None:
        step = advance(self.domain, evidence, self.now)
        self.dkim.look(self.seen(evidence, evidence.dkim, "dkim"))
        self.mail_from.look(self.seen(evidence, evidence.mail_from or UNANSWERED, "mail_from"))
        self.effects_are_allowed(step, evidence)
        self.silence_is_nothing(step, evidence)
        self.accept(step)

    def seen(self, evidence: Evidence, sight: RecordState, thing: str) -> Seen:
        known = evidence.provider if isinstance(evidence.provider, Identity) else None
        word: ProviderStatus | None = getattr(known, thing) if known else None
        presence = known.presence if known else Presence.OURS
        if presence is Presence.OURS and word is ProviderStatus.TEMPORARY_FAILURE:
            word = None
        told = self.domain.registered_at is not None
        return Seen(
            at=self.now, sight=sight, word=word, presence=presence, elsewhere=evidence.is_held_elsewhere, told=told
        )

    def accept(self, step: Transition) -> None:
        """Compare with the oracles; each change of state has its one event, and nothing else has one."""
        was, self.domain = self.domain, step.domain
        watch = self.domain.mail_from_health
        assert watch is not None
        assert was.mail_from_health is not None
        assert self.domain.dkim.state is self.dkim.state
        assert watch.state is self.mail_from.state
        for later in (self.now, self.now + HOUR, self.now + 3 * DAY):
            assert may_send(self.domain, later) == self.dkim.may_send(later)
        expected = [TOLD_BY[was.dkim.state, self.dkim.state]] if was.dkim.state is not self.dkim.state else []
        if was.mail_from_health.state not in (watch.state, HealthState.DRAFT):
            expected.append(EventKind.RECORD_CHANGED)
        assert [event.kind for event in step.events] == expected
        assert (self.domain.selector, self.domain.public_key) == (was.selector, was.public_key)
        assert self.domain.is_holder or self.domain.dkim.state not in (HealthState.VERIFIED, HealthState.AT_RISK)
        self.moves[was.dkim.state, self.dkim.state] += 1

    def effects_are_allowed(self, step: Transition, evidence: Evidence) -> None:
        """The provider hears of proven claims only, is told until it has the identity, and restarted once a day."""
        known = evidence.provider if isinstance(evidence.provider, Identity) else None
        foreign = known is not None and known.presence is Presence.FOREIGN
        if self.domain.is_holder and not step.domain.is_holder and self.domain.registered_at is not None:
            assert step.effects == (Effect.WITHDRAW,)  # who no longer holds the name leaves nothing at the provider
            assert step.domain.registered_at is None
        elif evidence.dkim is not PRESENT or foreign or not step.domain.is_holder:
            assert step.effects == ()
        elif self.domain.registered_at is None:
            assert Effect.REGISTER in step.effects
        if Effect.RESTART in step.effects and self.domain.restarted_at:
            assert self.now - self.domain.restarted_at >= DAY

    def silence_is_nothing(self, step: Transition, evidence: Evidence) -> None:
        silent = {evidence.dkim, evidence.mail_from} <= {UNANSWERED, None}
        if silent and not isinstance(evidence.provider, Identity):
            assert not step.events
            assert msgspec.structs.replace(step.domain, attempts=self.domain.attempts) == self.domain


def words(dkim: ProviderStatus, mail_from: ProviderStatus, presence: Presence) -> Identity:
    return Identity(presence=presence, dkim=dkim, mail_from=mail_from, seen_at=T0)


SIGHTS = st.sampled_from([PRESENT, PRESENT, PRESENT, MISSING, MISSING, MISSING, DIVIDED, UNANSWERED])
AGREES = words(ProviderStatus.SUCCESS, ProviderStatus.SUCCESS, Presence.OURS)
PROVIDER: st.SearchStrategy[IdentityReport | None] = st.one_of(
    st.sampled_from([AGREES, None, IdentityUnknown(provider_code="Throttled", detail="")]),
    st.just(AGREES),
    st.builds(
        words,
        st.sampled_from(ProviderStatus),
        st.sampled_from(ProviderStatus),
        st.sampled_from([Presence.OURS, Presence.OURS, Presence.OURS, Presence.ABSENT, Presence.FOREIGN]),
    ),
)
MINUTES = [0.1, 1, 5, 9, 10, 30, 60, 360, 780, 1200, 1800]
GAPS = st.sampled_from([MINUTE * count for count in MINUTES])
RARE = st.sampled_from([False] * 9 + [True])
# The same thing several times in a row, as lives go: so that walks come far within few draws.
STRETCH = st.tuples(SIGHTS, st.none() | SIGHTS, PROVIDER, RARE, GAPS, st.integers(1, 14), RARE)
Tale = list[tuple[RecordState, RecordState | None, IdentityReport | None, bool, timedelta, int, bool]]
TALE = st.lists(STRETCH, min_size=4, max_size=25)


def lead(life: Life, tale: Tale) -> None:
    life.ask()
    for dkim, mail_from, provider, elsewhere, gap, times, asked in tale:
        if asked:
            life.ask()
        for _ in range(times):
            life.now += gap
            life.look(Evidence(dkim=dkim, mail_from=mail_from, provider=provider, is_held_elsewhere=elsewhere))


@pytest.mark.timeout(max(240, STEPS // 200))
def test_loss_needs_evidence() -> None:
    """Over random lives the table moves as the naive oracle does, tells each change once, and takes every row."""
    moves: Counter[tuple[HealthState, HealthState]] = Counter()

    @settings(
        max_examples=max(1, STEPS // 45),
        deadline=None,
        database=None,
        derandomize=promises.promise("P7").size == STEPS,
        suppress_health_check=list(HealthCheck),
    )
    @given(tale=TALE)
    def walk(tale: Tale) -> None:
        lead(Life(moves), tale)

    walk()
    assert moves.total() >= STEPS
    untrodden = {(rule.origin, rule.to) for rule in RULES} - set(moves)
    assert not untrodden
