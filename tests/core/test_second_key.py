"""The second key signs only while every server serves it, follows the first one, and stops no mail whatever it does."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.dkim import topic
from letterhead.core.dns.answers import Answer, NxDomain, Question, Seen, Unanswered, View, Why
from letterhead.core.domain.domain import Domain, Ed25519Key, Transition
from letterhead.core.domain.evidence import RecordState
from letterhead.core.domain.health import HealthState
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.plan.plan import DKIM_KEYS, RecordId
from letterhead.core.rotation import rotation, second_key
from letterhead.core.rotation.propagation import Propagation
from letterhead.core.rotation.rotation import KeyObservation
from letterhead.core.schedule import check_schedule
from tests.core import samples
from tests.core.test_lifecycle import T0, claim

MINUTE = timedelta(minutes=1)
PUBLIC, OTHER = "PJLW+P3IB0zDbt0jnL4LL5O49/lbc7Jpgc0hfr6r624=", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
KEY = Ed25519Key(selector="ed1", public_key=PUBLIC)
RECORD = topic.planned_ed25519_record("acme.dev", "ed1", PUBLIC)
GONE, SILENT = NxDomain(negative_ttl=60), Unanswered(why=Why.TIMEOUT)
WITH_KEY = claim(HealthState.VERIFIED, sender="acme.dev", ed25519=KEY)


def served(*values: str) -> Answer:
    """Make an answer of TXT records."""
    return samples.found(RECORD.host, "TXT", samples.txt(*values))


def seen(*servers: Answer, resolver: Answer | None = None) -> Seen:
    """Make what servers and a resolver said of the key's record."""
    told = samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, *servers) if servers else {}
    return {**told, **(samples.asked(RECORD.host, "TXT", View.RECURSIVE, resolver) if resolver else {})}


THERE = served(RECORD.value)


def looked(domain: Domain, what: Seen, minutes: float) -> Domain:
    """Take in one look, so many minutes after T0."""
    return second_key.advance(domain, Transition(domain=domain), what, T0 + minutes * MINUTE).domain


def key_of(domain: Domain) -> Ed25519Key:
    """Return the second key."""
    assert domain.ed25519 is not None
    return domain.ed25519


def live() -> Domain:
    """Return a domain whose second key signs, seen first at T0."""
    return looked(looked(WITH_KEY, seen(THERE, THERE), 0), seen(THERE, THERE), 10)


def test_the_record_is_that_of_the_rfc() -> None:
    """RFC 8463 4: k=ed25519, and in p= the bare 32 octets in base64; nothing needs it."""
    assert RECORD.value == f"v=DKIM1; k=ed25519; p={PUBLIC}"
    assert (RECORD.host, RECORD.rdtype, RECORD.required) == ("ed1._domainkey.acme.dev", "TXT", False)
    assert RecordId.DKIM_ED25519 not in DKIM_KEYS, "no claim is proven by it"


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (RECORD.value, True),
        (f"k=ed25519;p={PUBLIC}", True),
        (f"p={PUBLIC}; k=ed25519;", True),
        (f"v=DKIM1; p={PUBLIC}", False),
        (f"v=DKIM1; k=rsa; p={PUBLIC}", False),
        (f"v=DKIM1; k=ed25519; p={OTHER}", False),
        (f"v=DKIM1; k=ed25519; h=sha1; p={PUBLIC}", False),
        (f"v=DKIM1; k=ed25519; p={PUBLIC[:-4]}", False),
        (f"v=DKIM1; k=ed25519; p={samples.KEY}", False),
        ("v=DKIM1; k=ed25519; p=", False),
    ],
)
def test_what_is_this_key(value: str, good: bool) -> None:
    """Compared decoded, and only with the algorithm said."""
    assert topic.accepts(RECORD, samples.txt(value)) is good


def test_an_rsa_name_takes_no_ed25519_key() -> None:
    """The first key's record stays one of RSA, whatever the second one is."""
    first = samples.plan().records[0]
    assert topic.accepts(first, samples.txt(first.value))
    assert not topic.accepts(first, samples.txt(RECORD.value))


def test_it_signs_once_it_has_been_everywhere_for_ten_minutes() -> None:
    """Not at the first look, nor after nine minutes; then it does, and goes on through silence."""
    first = looked(WITH_KEY, seen(THERE, THERE, resolver=THERE), 0)
    assert (key_of(first).seen_since, key_of(first).live) == (T0, False)
    assert not key_of(looked(first, seen(THERE, THERE), 9.9)).live
    after = looked(first, seen(THERE, THERE), 10)
    assert key_of(after).live
    for silence in (seen(), seen(SILENT, SILENT), seen(THERE, SILENT), seen(resolver=SILENT)):
        assert key_of(looked(after, silence, 20)) == key_of(after)
        assert key_of(looked(first, silence, 20)) == key_of(first)


@pytest.mark.parametrize(
    "what",
    [
        seen(THERE, GONE), seen(GONE, GONE), seen(GONE, SILENT), seen(THERE, served(RECORD.value.replace("PJ", "QJ"))),
        seen(THERE, THERE, resolver=GONE), seen(resolver=GONE), seen(served(RECORD.value, RECORD.value)),
    ],
)  # fmt: skip
def test_it_stops_at_the_first_server_that_lacks_it(what: Seen) -> None:
    """One server or resolver without it is enough, also in a routine look; and the wait begins anew."""
    stopped = looked(live(), what, 30)
    assert (key_of(stopped).seen_since, key_of(stopped).live) == (None, False)
    assert not key_of(looked(stopped, seen(THERE, THERE), 31)).live


def test_where_resolvers_stand_in_it_waits_a_day() -> None:
    """As for the first key: caches remember longer than ten minutes."""
    question = Question(name=RECORD.host, rdtype="TXT", view=View.EVERY_SERVER)
    stand_ins = {question: samples.replies(View.RECURSIVE, THERE, THERE)}
    first = looked(WITH_KEY, stand_ins, 0)
    assert not key_of(looked(first, stand_ins, 23 * 60)).live
    assert key_of(looked(first, stand_ins, 24 * 60)).live


def rotating(second: Ed25519Key | None) -> Domain:
    """Return a domain with a second key that signs, whose keys are to change."""
    domain = rotation.start(live(), "s2", "MIIC", T0 + 11 * MINUTE, "asked for").domain
    assert domain.rotation is not None
    return replace(domain, rotation=replace(domain.rotation, ed25519=second))


def switch(domain: Domain, what: Seen) -> Domain:
    """Let the first key switch in one look, in which this is seen of the second one."""
    now = T0 + 60 * MINUTE
    step = rotation.advance(
        Transition(domain=domain), KeyObservation(active=RecordState.MISSING, propagation=Propagation()), now
    )
    assert step.domain.selector == "s2"
    return second_key.advance(domain, step, what, now).domain


def test_it_changes_with_the_first_key() -> None:
    """The one that came with the rotation takes its place, with what was seen of it; the old one goes as the first."""
    coming = Ed25519Key(selector="ed2", public_key=OTHER)
    domain = rotating(coming)
    assert {"ed1", "ed2", "s2"} <= rotation.held_keys(domain)
    after = switch(domain, {})
    assert key_of(after) == coming
    assert [old.selector for old in after.old_keys] == [domain.selector, "ed1"]
    assert {"ed1", "ed2"} <= rotation.held_keys(after)
    assert rotation.keys_to_destroy(domain, after) == ()


def test_it_may_sign_from_the_switch_on_where_it_was_seen_before() -> None:
    """Looks during the rotation count: nothing is waited for twice."""
    domain = rotating(Ed25519Key(selector="ed2", public_key=OTHER))
    record = topic.planned_ed25519_record("acme.dev", "ed2", OTHER)
    there = samples.asked(
        record.host, "TXT", View.EVERY_SERVER, samples.found(record.host, "TXT", samples.txt(record.value))
    )
    for minutes in (12, 22):
        domain = looked(domain, there, minutes)
    assert domain.rotation is not None
    assert domain.rotation.ed25519 is not None
    assert domain.rotation.ed25519.live
    assert key_of(switch(domain, there)).live
    assert key_of(domain).selector == "ed1"


def test_it_goes_with_a_rotation_that_brings_none() -> None:
    """Once the operator has turned it off, the next change of keys takes it away."""
    after = switch(rotating(None), {})
    assert after.ed25519 is None
    assert "ed1" in [old.selector for old in after.old_keys]


def test_abandoning_destroys_what_came_with_it() -> None:
    """Both new keys go, and the one that signs stays."""
    domain = rotating(Ed25519Key(selector="ed2", public_key=OTHER))
    after = rotation.abandon(domain, T0).domain
    assert rotation.keys_to_destroy(domain, after) == ("ed2", "s2")
    assert key_of(after).live


def test_when_it_is_looked_for() -> None:
    """Until it signs every server is asked; what was seen everywhere is looked at again soon, an absent one is not."""
    assert second_key.wants_all(WITH_KEY)
    assert not second_key.wants_all(live())
    assert not second_key.wants_all(claim(HealthState.VERIFIED))
    settling = looked(WITH_KEY, seen(THERE, THERE), 0)
    soon, why = check_schedule.next_check(settling, T0, 0.0)
    assert soon is not None
    assert soon - T0 <= 2 * MINUTE
    assert "Ed25519" in why
    without = replace(WITH_KEY, ed25519=None)
    assert check_schedule.next_check(WITH_KEY, T0, 0.0) == check_schedule.next_check(without, T0, 0.0)


def test_nothing_wrong_with_it_blocks() -> None:
    """Absent or wrong it is a warning, and all that is required is there."""
    plan = samples.plan()
    plan = replace(plan, records=(*plan.records, RECORD))
    for answer, code in ((GONE, "dkim.ed25519-missing"), (served(f"v=DKIM1; k=ed25519; p={OTHER}"), "dkim.wrong-key")):
        examined = check.examine(plan, samples.asked(RECORD.host, "TXT", View.EVERY_SERVER, answer, answer))
        found = [each for each in examined.findings if each.record == "dkim_ed25519"]
        assert [(each.code, each.severity) for each in found] == [(code, Severity.WARNING)]
