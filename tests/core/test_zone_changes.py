"""What is written in a zone: the planned records stand in it afterwards, and what others have there stays."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.core.check.check import DIAGNOSES
from letterhead.core.dns.answers import NxDomain, Question, View
from letterhead.core.dns.records import Mx, Rdata, RRset, Soa, Target, Txt, split_text
from letterhead.core.domain.domain import KeyDelegation
from letterhead.core.plan.plan import Plan, RecordId
from letterhead.core.spf.record import parse_spf_record
from letterhead.core.zone_changes.changes import WRITTEN, Action, PlannedChange, contents, is_same, rrset_changes
from letterhead.core.zone_changes.plan_changes import (
    ZoneContext,
    changes_left,
    find_drift,
    from_zone,
    outside_questions,
    plan_changes,
    plan_undo,
    zone_before,
)
from letterhead.core.zone_changes.zone_state import ZoneState
from tests.core import samples

KEY, NAME = "lh1._domainkey.acme.dev", "lh.acme.dev"
PLAN = samples.plan()
SLOTS = samples.plan(slots=KeyDelegation(zone="keys.operator.example", token="abcd"))
OURS = next(each.value for each in PLAN.records if each.id is RecordId.DKIM)
OTHER_KEY = f"v=DKIM1; k=rsa; p={samples.KEY.replace('q7R2', 'zZ9y')}"
INCLUDE = "include:spf.mail.example"


def rrset(owner: str, rdtype: str, *rdatas: Rdata, ttl: int = 60) -> RRset:
    """Make an RRset."""
    return RRset(owner=owner, rdtype=rdtype, ttl=ttl, rdatas=rdatas)


def txt(owner: str, *values: str, ttl: int = 60) -> RRset:
    """Make an RRset of texts."""
    return rrset(owner, "TXT", *samples.txt(*values), ttl=ttl)


def cname(owner: str, target: str, rdtype: str = "CNAME") -> RRset:
    """Make a CNAME, or what looks like one."""
    return rrset(owner, rdtype, Target(name=target))


def mx(owner: str, *hosts: str) -> RRset:
    """Make an RRset of MX."""
    return rrset(owner, "MX", *samples.mx(*hosts))


TOP = (
    rrset("acme.dev", "SOA", Soa(primary="ns1.host.example", serial=1, minimum=300)),
    rrset("acme.dev", "NS", Target(name="ns1.host.example"), Target(name="ns2.host.example")),
)


def planned(*rrsets: RRset, plan: Plan = PLAN, context: ZoneContext | None = None) -> dict[str, PlannedChange]:
    """Plan for a zone with these records besides its top, by the record's id."""
    return {each.id.value: each for each in plan_changes(plan, (*TOP, *rrsets), context or ZoneContext())}


def written(rrsets: Iterable[RRset], changes: Iterable[PlannedChange], plan: Plan = PLAN) -> ZoneState:
    """Write the changes."""
    state = ZoneState(plan=plan, registrable=plan.zone, rrsets=tuple(rrsets), outside={})
    return state.after(rrset_changes(changes))


def texts(change: PlannedChange) -> list[str]:
    """Return the texts that stand there after a change."""
    return [each.text for each in change.after.rdatas if isinstance(each, Txt)] if change.after else []


def test_an_empty_zone_gets_every_record() -> None:
    """All are created, with a lifetime that every DNS host takes."""
    found = planned()
    assert {each.action for each in found.values()} == {Action.CREATE}
    assert all(each.before is None and each.after and 300 <= each.after.ttl <= 3600 for each in found.values())
    assert texts(found["dkim"]) == [OURS]
    assert texts(found["mail_from_spf"]) == [f"v=spf1 {INCLUDE} ~all"]


@pytest.mark.parametrize(
    ("there", "merged"),
    [
        ("v=spf1 include:_spf.other.example -all", f"v=spf1 include:_spf.other.example {INCLUDE} -all"),
        ("v=spf1 redirect=_spf.other.example", f"v=spf1 {INCLUDE} redirect=_spf.other.example"),
        ("v=spf1 -all", f"v=spf1 {INCLUDE} -all"),
        ("v=spf1 a mx", f"v=spf1 a mx {INCLUDE}"),
        (f"v=spf1 a ~all {INCLUDE}", f"v=spf1 a {INCLUDE} ~all"),
        (f"v=spf1 -{INCLUDE} ip4:192.0.2.1 ?all", f"v=spf1 ip4:192.0.2.1 {INCLUDE} ?all"),
        ("v=spf1 exp=why.acme.dev ip6:2001:db8::/32 -all", None),
    ],
)
def test_spf_is_merged_into_the_record_that_is_there(there: str, merged: str | None) -> None:
    """RFC 7208 3.2: one record; ours goes in before what ends it, and all that others have in it stays."""
    found = planned(txt(NAME, "site-verification=1", there, ttl=77))["mail_from_spf"]
    assert found.action is Action.CHANGE and found.after and found.after.ttl == 77
    first, record = texts(found)
    assert first == "site-verification=1"
    assert merged in (None, record)
    assert parse_spf_record(record).permanent_error is None


@pytest.mark.parametrize(
    ("there", "record", "code"),
    [
        (txt(NAME, "v=spf1 -all", f"v=spf1 {INCLUDE} ~all"), "mail_from_spf", "spf.several-records"),
        (txt(NAME, "v=spf1 inlcude:x.example -all"), "mail_from_spf", "spf.unknown-mechanism"),
        (txt(NAME, f"v=spf1 {' '.join(f'ip4:192.0.2.{n}' for n in range(36))} -all"), "mail_from_spf", "spf.too-long"),
        (txt(NAME, f"v=spf1 {'ip4:192.0.2.1 ' * 200}-all"), "mail_from_spf", "spf.not-read"),
        (txt(NAME, f"v=spf1 {' '.join(f'a:h{n}.x.example' for n in range(10))} -all"), "mail_from_spf",
         "spf.too-many-lookups"),
        (mx(NAME, "aspmx.l.google.com"), "mail_from_mx", "mail-from.in-use"),
        (mx(NAME, "mx.other.example"), "mail_from_mx", "mail-from.mx-wrong-host"),
        (mx(NAME, "feedback.mail.example", "mx.other.example"), "mail_from_mx", "mail-from.mx-extra"),
        (mx(NAME, ""), "mail_from_mx", "mail-from.mx-null"),
        (cname(NAME, "site.other.example"), "mail_from_mx", "mail-from.cname-conflict"),
        (cname(KEY, "key.other.example"), "dkim", "dkim.cname-conflict"),
        (cname("_dmarc.acme.dev", "dmarc.other.example"), "dmarc", "dmarc.cname-conflict"),
        (cname("_domainkey.acme.dev", "keys.other.example", "DNAME"), "dkim", "dkim.cname-conflict"),
        (cname(NAME, NAME), "mail_from_mx", "zone.cname-loop"),
        (cname("_domainkey.acme.dev", "ns.other.example", "NS"), "dkim", "zone.subzone-delegated"),
        (cname(NAME, "ns.other.example", "NS"), "mail_from_mx", "zone.subzone-delegated"),
        (txt(KEY, "heritage=external-dns"), "dkim", "dkim.not-dkim"),
        (txt(KEY, "heritage=external-dns", OTHER_KEY), "dkim", "dkim.several-records"),
        (txt("_dmarc.acme.dev", "v=DMARC1; p=reject", "v=DMARC1; p=none"), "dmarc", "dmarc.several-records"),
        (txt("_dmarc.acme.dev", "v=DMARC1; p=rejct"), "dmarc", "dmarc.policy-invalid"),
    ],
)  # fmt: skip
def test_what_belongs_to_others_is_refused_with_the_finding_of_the_check(there: RRset, record: str, code: str) -> None:
    """The code is that of the finding, with what to do, and nothing is written at that name and type."""
    found = planned(there)[record]
    assert (found.action, found.code) == (Action.REFUSE, code)
    assert found.after == found.before
    assert found.reason and found.fix and "new plan" in found.fix


def test_what_is_advised_names_the_record_that_is_in_the_way() -> None:
    """A DNAME above the name is not called a CNAME at it, which nobody would find."""
    found = planned(cname("acme.dev", "other.example", "DNAME"))
    assert {each.action for each in found.values()} == {Action.REFUSE}
    assert all(each.fix and "Remove the DNAME acme.dev" in each.fix for each in found.values())


def test_beside_another_services_mx_no_spf_is_written() -> None:
    """The name is that service's, so our terms would have no use in its SPF record."""
    found = planned(mx(NAME, "aspmx.l.google.com"), txt(NAME, "v=spf1 include:_spf.google.com -all"))
    assert (found["mail_from_spf"].action, found["mail_from_spf"].code) == (Action.REFUSE, "mail-from.in-use")


@pytest.mark.parametrize(
    "there",
    [
        txt("_dmarc.acme.dev", "v=DMARC1; p=reject; rua=mailto:d@acme.dev"),
        txt("*.acme.dev", "v=DMARC1; p=quarantine"),
    ],
)
def test_a_dmarc_policy_is_never_weakened(there: RRset) -> None:
    """Where one applies, also by a wildcard, none is written."""
    assert planned(there)["dmarc"].action is Action.KEEP


def test_an_inherited_policy_is_never_weakened() -> None:
    """A record of the subdomain's own would replace the stricter one above; where that is unknown, none is written."""
    plan = samples.plan("news.acme.dev", zone="acme.dev")
    found = planned(txt("_dmarc.acme.dev", "v=DMARC1; p=reject"), plan=plan)["dmarc"]
    assert (found.action, found.code, found.after) == (Action.KEEP, "dmarc.inherited", None)
    assert planned(plan=plan)["dmarc"].action is Action.CREATE
    below = replace(TOP[0], owner="news.acme.dev")
    for outside, action in (({}, Action.KEEP), ({("_dmarc.acme.dev", "TXT"): NxDomain(negative_ttl=1)}, Action.CREATE)):
        seen = {Question(name=n, rdtype=t, view=View.ONE_RESOLVER): samples.replies(View.ONE_RESOLVER, answer)
                for (n, t), answer in outside.items()}  # fmt: skip
        context = ZoneContext(zone="news.acme.dev", outside=seen)
        by_id = {each.id: each for each in plan_changes(plan, [below], context)}
        assert by_id[RecordId.DMARC].action is action


def test_an_older_or_spoilt_key_of_ours_is_replaced() -> None:
    """At a selector that we made, or where the text has a part of a key of ours, nobody else has anything."""
    own = f"v=DKIM1; p={samples.KEY.replace('q7R2', 'Ab1c')}"
    at = "s1._domainkey.acme.dev"
    chosen = replace(PLAN, records=(replace(PLAN.records[0], host=at), *PLAN.records[1:]))
    assert planned(txt(KEY, OTHER_KEY))["dkim"].action is Action.CHANGE
    assert planned(txt(at, OTHER_KEY), plan=chosen)["dkim"].code == "dkim.wrong-key"
    for spoilt in (f'"{OURS}"', OURS[:200], OURS.lower(), OURS.replace(";", "\\;"), "v=DKIM1"):
        found = planned(txt(at, spoilt), plan=chosen)["dkim"]
        assert (found.action, texts(found)) == (Action.CHANGE, [OURS]), spoilt
    known = ZoneContext(own_keys=(samples.KEY.replace("q7R2", "Ab1c"),))
    assert planned(txt(at, own), plan=chosen)["dkim"].action is Action.REFUSE
    assert planned(txt(at, own), plan=chosen, context=known)["dkim"].action is Action.CHANGE


def test_delegated_keys_are_aliases() -> None:
    """Two CNAMEs; one that leads to an older place of ours is changed, any other is refused."""
    found = planned(plan=SLOTS)
    assert [(found[each].rdtype, found[each].action) for each in ("dkim", "dkim_next")] == [
        ("CNAME", Action.CREATE)
    ] * 2
    assert planned(cname(KEY, "lh1.older.keys.operator.example"), plan=SLOTS)["dkim"].action is Action.CHANGE
    other = planned(cname(KEY, "lh1.other.example"), plan=SLOTS)["dkim"]
    assert (other.action, other.code) == (Action.REFUSE, "dkim.wrong-target")
    assert planned(txt(KEY, OURS), plan=SLOTS)["dkim"].code == "dkim.not-alias"


def test_wildcards_are_in_nobodys_way() -> None:
    """RFC 4592 2.2: a record of its own ends the wildcard at that name alone, and the plan says so."""
    found = planned(mx("*.acme.dev", "mail.acme.dev"))
    assert found["mail_from_mx"].action is Action.CREATE
    assert "*.acme.dev answers there no longer" in found["mail_from_mx"].reason


def test_a_name_that_a_wildcard_answers_for_is_not_taken_from_it() -> None:
    """RFC 4592 2.2.2: a record below a name makes that name exist, and its web site by the wildcard would be gone."""
    plan = samples.plan("news.acme.dev", zone="acme.dev")
    site = rrset("*.acme.dev", "A", *samples.address("192.0.2.80"))
    found = planned(site, plan=plan)
    assert {(each.action, each.code) for each in found.values()} == {(Action.REFUSE, "zone.wildcard-answers")}
    own = planned(site, rrset("news.acme.dev", "A", *samples.address("192.0.2.80")), plan=plan)
    assert {each.action for each in own.values()} == {Action.CREATE}


def test_other_zones_are_asked_for_what_the_plan_depends_on() -> None:
    """The include of the merged record, and the policies of names above; once answered they are asked no more."""
    rrsets = (*TOP, txt(NAME, "v=spf1 include:_spf.other.example -all"))
    names = {each.name for each in outside_questions(PLAN, rrsets)}
    assert {"_spf.other.example", "spf.mail.example", "_dmarc.dev"} <= names
    seen = {each: samples.replies(each.view, NxDomain(negative_ttl=1)) for each in outside_questions(PLAN, rrsets)}
    assert outside_questions(PLAN, rrsets, ZoneContext(outside=seen)) == ()
    broken = planned(*rrsets[2:], context=ZoneContext(outside=seen))["mail_from_spf"]
    assert (broken.action, broken.code) == (Action.REFUSE, "spf.include-missing")


def test_a_term_of_the_provider_with_another_qualifier_is_named_where_it_is_replaced() -> None:
    """Nobody is told that all stays where something does not."""
    found = planned(txt(NAME, "v=spf1 -include:spf.mail.example ip4:192.0.2.1 -all"))["mail_from_spf"]
    assert found.after is not None
    assert found.after.rdatas[0] == samples.txt("v=spf1 ip4:192.0.2.1 include:spf.mail.example -all")[0]
    assert "in the place of -include:spf.mail.example; all else" in found.reason
    assert "; all that it had stays" in planned(txt(NAME, "v=spf1 -all"))["mail_from_spf"].reason


def test_thousands_of_records_at_one_name_are_refused() -> None:
    """They are not judged one by one; what stands there is told whole, and the rest is planned as ever."""
    many = txt(NAME, *(f"{number:06d}" for number in range(500)))
    found = planned(many)
    spf = found["mail_from_spf"]
    assert (spf.action, spf.code, spf.before) == (Action.REFUSE, "zone.answer-too-large", many)
    assert "500 TXT records" in spf.reason
    assert found["dkim"].action is Action.CREATE
    few = replace(many, rdatas=many.rdatas[:499])
    assert planned(few)["mail_from_spf"].action is Action.CHANGE


def test_undo_leaves_what_somebody_changed_since() -> None:
    """What stands as it was written is put back, the rest is refused."""
    rrsets = (*TOP, txt(NAME, "v=spf1 -all"))
    changes = plan_changes(PLAN, rrsets)
    now = [each for each in written(rrsets, changes).rrsets if (each.owner, each.rdtype) != (KEY, "TXT")]
    undo = {each.id.value: each for each in plan_undo(changes, [*now, txt(KEY, "changed")])}
    assert (undo["dkim"].action, undo["dkim"].code) == (Action.REFUSE, "zone-changed")
    assert undo["mail_from_mx"].action is Action.DELETE
    assert texts(undo["mail_from_spf"]) == ["v=spf1 -all"]


def test_drift_is_found_by_content() -> None:
    """Another TTL or splitting is no change of the zone; another text, or one more, is."""
    rrsets = (*TOP, txt(NAME, "v=spf1 -all"))
    changes = plan_changes(PLAN, rrsets)
    assert find_drift(changes, rrsets) == ()
    split = rrset(NAME, "TXT", Txt(strings=("v=spf1 ", "-all")), ttl=5)
    assert find_drift(changes, (*TOP, split)) == ()
    assert [each.id.value for each in find_drift(changes, (*TOP, txt(NAME, "v=spf1 -all", "new")))] == ["mail_from_spf"]
    assert [each.id.value for each in find_drift(changes, (*rrsets, mx(NAME, "mx.other.example")))] == ["mail_from_mx"]
    half = written(rrsets, [each for each in changes if each.id is RecordId.DKIM]).rrsets
    assert find_drift(changes, half) == ()
    assert {each.id for each in changes_left(changes, half)} == {each.id for each in changes} - {RecordId.DKIM}


@pytest.mark.parametrize("left", [(), (0,), (1,), (0, 1), (0, 1, 2), (0, 1, 3), (2,)])
def test_an_rrset_that_a_host_left_half_written_is_finished_or_put_back(left: tuple[int, ...]) -> None:
    """Hosts write one record after the other: what is left of before and after is ours, and nothing else is."""
    rrsets = (*TOP, txt(NAME, "site=1", "v=spf1 -all"))
    changes = plan_changes(PLAN, rrsets)
    spf = next(each for each in changes if each.id is RecordId.MAIL_FROM_SPF)
    new = next(text for text in texts(spf) if text.startswith("v=spf1"))
    values = [("site=1", "v=spf1 -all", new, "v=spf1 -all")[each] for each in left]
    half = (*TOP, txt(NAME, *dict.fromkeys(values))) if values else TOP
    assert plan_changes(PLAN, zone_before(changes, half)) == changes
    assert find_drift(changes, zone_before(changes, half)) == ()
    rest = from_zone(changes_left(changes, half), half)
    assert all(
        is_same(each.before, {(r.owner, r.rdtype): r for r in half}.get((each.owner, each.rdtype))) for each in rest
    )
    assert plan_changes(PLAN, written(half, rest).rrsets) == plan_changes(PLAN, written(rrsets, changes).rrsets)
    undo = next(each for each in plan_undo(changes, half, cut_off=True) if each.id is RecordId.MAIL_FROM_SPF)
    assert sorted(texts(undo)) == ["site=1", "v=spf1 -all"]
    other = (*TOP, txt(NAME, *dict.fromkeys([*values, "another"])))
    assert [each.id for each in find_drift(changes, zone_before(changes, other))] == [RecordId.MAIL_FROM_SPF]
    kept = next(each for each in plan_undo(changes, other, cut_off=True) if each.id is RecordId.MAIL_FROM_SPF)
    assert (kept.action, kept.code) == (Action.REFUSE, "zone-changed")


# --- any zone ---------------------------------------------------------------------------------------------------------

NAMES = (KEY, NAME, "_dmarc.acme.dev", "_domainkey.acme.dev", "acme.dev", "*.acme.dev", "*._domainkey.acme.dev",
         "lh.acme.dev.acme.dev", "www.acme.dev", "news.acme.dev", "lh.news.acme.dev",
         "_dmarc.news.acme.dev", "lh2._domainkey.acme.dev")  # fmt: skip
TEXTS = (
    *("v=spf1 -all", "v=spf1 include:_spf.other.example ~all", "v=spf1 redirect=_spf.other.example", "v=spf1 +all"),
    *(f"v=spf1 {INCLUDE} ~all", f"v=spf1 -{INCLUDE} a -all", "v=spf1 include:acme.dev -all", "v=spf1 x -all"),
    *("v=spf2.0/pra -all", f'"v=spf1 {INCLUDE} ~all"', "v=spf1 a:%{i}.x.example mx/24 exp=e.acme.dev ?all"),
    *(OURS, OTHER_KEY, f'"{OURS}"', OURS[:150], "v=DKIM1; p=", "heritage=external-dns", "é\xff\x00", ""),
    *("v=DMARC1; p=reject", "v=DMARC1; p=none", "v=DMARC1;p=quarantine;sp=none", "v=DMARC1", "p=reject", "x" * 3000),
)
HOSTS = ("feedback.mail.example", "feedback.mail.example.acme.dev", "aspmx.l.google.com", "mx.other.example", "")
TARGETS = ("site.other.example", "www.acme.dev", KEY, "lh1.abcd.keys.operator.example", "lh1.old.keys.operator.example")


def _sets() -> st.SearchStrategy[RRset]:
    owners = st.sampled_from(NAMES)
    some = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3, unique=True)
    servers = st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True)
    return st.one_of(
        st.builds(lambda owner, values: txt(owner, *values), owners, some),
        st.builds(lambda owner, hosts: mx(owner, *hosts), owners, servers),
        st.builds(cname, owners, st.sampled_from(TARGETS), st.sampled_from(("CNAME", "CNAME", "DNAME", "NS"))),
    )


ZONES = st.lists(_sets(), max_size=8, unique_by=lambda each: (each.owner, each.rdtype)).map(
    lambda sets: (*TOP, *(each for each in sets if (each.owner, each.rdtype) != ("acme.dev", "NS")))
)


PLANS = (PLAN, SLOTS, samples.plan("news.acme.dev", zone="acme.dev"))


@settings(max_examples=150, deadline=None)
@given(rrsets=ZONES, plan=st.sampled_from(PLANS))
def test_any_zone(rrsets: tuple[RRset, ...], plan: Plan) -> None:
    """Foreign records stay, ours are present, a second time nothing is written, and undo gives the zone of before."""
    changes = plan_changes(plan, rrsets)
    after = written(rrsets, changes, plan)
    touched = {(each.owner, each.rdtype) for each in changes if each.action in WRITTEN}
    now = {(each.owner, each.rdtype): each for each in after.rrsets}
    for each in rrsets:
        if (each.owner, each.rdtype) not in touched:
            assert now[each.owner, each.rdtype] == each
    for change, record in zip(changes, plan.records, strict=True):
        if change.action is Action.REFUSE:
            assert change.code in DIAGNOSES and change.fix and change.after == change.before
        elif change.action in WRITTEN:
            assert after.is_present(record), change
            assert (
                change.id is not RecordId.DMARC or change.before is None or _foreign(change) == contents(change.before)
            )
        elif change.id is not RecordId.DMARC:
            assert after.is_present(record), change
        if change.action is Action.CHANGE and change.id is RecordId.MAIL_FROM_SPF:
            assert _senders_stay(change)
    again = plan_changes(plan, after.rrsets)
    assert [each for each in again if each.action in WRITTEN] == []
    back = {(each.owner, each.rdtype): each for each in written(after.rrsets, plan_undo(changes, after.rrsets)).rrsets}
    assert back == {(each.owner, each.rdtype): each for each in rrsets}


def _foreign(change: PlannedChange) -> frozenset[tuple[object, ...]]:
    assert change.after is not None and change.before is not None
    return contents(change.after) & contents(change.before)


def _senders_stay(change: PlannedChange) -> bool:
    """Tell whether every text that is no SPF record is still there, and every term of the one that is."""
    assert change.before is not None
    old = [each.text for each in change.before.rdatas if isinstance(each, Txt)]
    new = texts(change)
    spf = [text for text in old if text.startswith("v=spf1")]
    kept = [text for text in old if text not in spf and text.strip('"') != f"v=spf1 {INCLUDE} ~all"]
    terms = {term.text for text in spf for term in parse_spf_record(text).terms if term.text.lstrip("-") != INCLUDE}
    merged = next(text for text in new if text.startswith("v=spf1"))
    return set(kept) <= set(new) and terms <= {term.text for term in parse_spf_record(merged).terms}


def test_sides_are_compared_by_content() -> None:
    """None is like None alone, and host names are compared without regard to case."""
    one = rrset(NAME, "MX", Mx(preference=10, exchange="A.example"))
    assert is_same(one, rrset(NAME, "MX", Mx(preference=10, exchange="a.example"), ttl=1))
    assert not is_same(one, None)
    assert is_same(None, None)
    assert split_text("") == ("",)
