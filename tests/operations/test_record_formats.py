"""Each format is read back as the tool reads it, and gives what went in, whatever stands in a value or a name."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.cli.records import _FILES, Format
from letterhead.core.check.record_export import export_of, merge_exports
from letterhead.core.dns.answers import Aliased, Delegated, NxDomain, Question, Seen, Unanswered, View, Why
from letterhead.core.dns.records import Txt
from letterhead.core.domain.domain import OldKey
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict
from letterhead.core.plan.record_formats import FORMATS, ZoneExport, dnscontrol_js
from letterhead.errors import Fault
from tests.core import samples
from tests.rigs.record_readers import READERS, ReadRecord, expected, read_octodns

PLAIN = ZoneExport(zone="acme.dev", records=samples.plan().records, notes=("A note.",))
SUB = ZoneExport(zone="other.dev", records=samples.plan("news.other.dev", zone="other.dev").records)
IN_PROCESS = sorted(set(READERS) - {"dnscontrol"})  # which starts a process for each text

labels = st.from_regex(r"\A_?[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?\Z")
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=600)
TOKENS = (
    '"',
    "\\",
    "${",
    "%{",
    "${x}",
    "%{if}",
    "$",
    "%",
    "'",
    "\\n",
    "`",
    "#",
    "//",
    "/*",
    ";",
    "--",
    "}",
    ": ",
    "- ",
)
nasty = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=40).map("".join)


@st.composite
def exports(draw: st.DrawFn) -> ZoneExport:
    """Plan records with any text at any name; a CNAME stands alone at its name."""
    zone = draw(st.sampled_from(["acme.dev", "1and1.example", "a-b.co.example"]))
    records = []
    for number in range(draw(st.integers(0, 5))):
        name = draw(st.lists(labels, min_size=0, max_size=3))
        host = ".".join([*name, zone])
        match draw(st.sampled_from(["TXT", "MX", "CNAME"])):
            case "TXT":
                value = draw(st.one_of(printable, nasty))
                records.append(PlannedRecord(id=RecordId.DKIM, host=host, rdtype="TXT", value=value))
            case "MX":
                value = f"{draw(labels).strip('_')}.mail.example"
                records.append(
                    PlannedRecord(id=RecordId.MAIL_FROM_MX, host=host, rdtype="MX", value=value, priority=number)
                )
            case _:
                host = f"c{number}.{host}"
                records.append(PlannedRecord(id=RecordId.DKIM, host=host, rdtype="CNAME", value="key.example"))
    return ZoneExport(zone=zone, records=tuple(records), notes=("Left out\n}: \"'`${x}\u2028 */ ---",))


def test_the_command_names_each_format() -> None:
    """The command has the formats that there are, and a file's name for each; each has its reader here."""
    assert set(get_args(Format)) == set(_FILES) == set(FORMATS) == {*READERS, "octodns"}
    for name, each in FORMATS.items():
        assert ("{zone}" in _FILES[name]) is each.one_zone
        assert _FILES[name].endswith(each.suffix)


@pytest.mark.parametrize("name", READERS)
def test_each_format_is_read_back(name: str) -> None:
    """A usual plan in two zones comes back as it went in; a key of over 255 octets is whole."""
    assert READERS[name](FORMATS[name].write([PLAIN, SUB])) == expected(PLAIN, SUB)
    assert READERS[name](FORMATS[name].write([])) == set()
    assert READERS[name](FORMATS[name].write([ZoneExport(zone="acme.dev", records=())])) == set()


def test_octodns_reads_its_own(tmp_path: Path) -> None:
    """octoDNS's own provider reads a usual plan in two zones, and a zone without records."""
    empty = ZoneExport(zone="empty.dev", records=())
    assert read_octodns(FORMATS["octodns"].write([PLAIN, SUB, empty]), tmp_path) == expected(PLAIN, SUB)


@pytest.mark.parametrize("name", IN_PROCESS)
@settings(max_examples=150, deadline=None)
@given(export=exports())
def test_nothing_breaks_out(name: str, export: ZoneExport) -> None:
    """Any text at any name comes back as it went in, or is refused; nothing else comes with it."""
    if name.startswith("terraform"):  # python-hcl2 reads an escaped ${ or %{ only with its brace closed, Terraform any
        assume(not any(re.search(r"[$%]\{[^}]*\Z", each.value) for each in export.records))
    try:
        text = FORMATS[name].write([export])
    except Fault as fault:
        assert name.startswith("terraform")
        assert "interpolates" in fault.detail
        return
    assert READERS[name](text) == expected(export)


@settings(max_examples=20, deadline=None)
@given(export=exports())
def test_nothing_breaks_out_of_javascript(export: ZoneExport) -> None:
    """The same for JavaScript, which node runs."""
    assert READERS["dnscontrol"](dnscontrol_js([export])) == expected(export)


@settings(max_examples=100, deadline=None)
@given(export=exports())
def test_octodns_reads_any_value_that_it_can_hold(export: ZoneExport, tmp_path_factory: pytest.TempPathFactory) -> None:
    """octoDNS reads names in the order that it wants; what it would change (quotation marks) is refused."""
    try:
        text = FORMATS["octodns"].write([export])
    except Fault:
        assert any(re.search(r'["\\]', each.value) for each in export.records)
        return
    assert read_octodns(text, tmp_path_factory.mktemp("zones")) == expected(export)


@pytest.mark.parametrize("name", FORMATS)
def test_octets_beyond_ascii(name: str, tmp_path: Path) -> None:
    """A value of any octets is written by bind and json, and refused by the others instead of changed."""
    record = PlannedRecord(id=RecordId.DKIM, host="x.acme.dev", rdtype="TXT", value="k\xe9y\n\x00")
    export = ZoneExport(zone="acme.dev", records=(record,))
    if name in ("bind", "json"):
        assert READERS[name](FORMATS[name].write([export])) == {ReadRecord("x.acme.dev", "TXT", record.value)}
    else:
        with pytest.raises(Fault, match="can't hold"):
            FORMATS[name].write([export])


def test_one_zone_of_many_domains() -> None:
    """Domains in one zone share one block; what two plan alike stands there once, and names differ in every tool."""
    apart = [
        ZoneExport(zone="acme.dev", records=samples.plan(f"s{number}.acme.dev", zone="acme.dev").records)
        for number in range(300)
    ]
    (merged,) = merge_exports([*apart, apart[0]])
    for name, read in READERS.items():
        assert read(FORMATS[name].write([merged])) == expected(merged), name
    objects = [each for each in FORMATS["external-dns"].write([merged]).split("---\n") if "kind" in each]
    assert len(objects) == 2  # of at most 1000 endpoints each
    assert len({re.search(r"name: (\S+)", each)[1] for each in objects}) == 2  # type: ignore[index]


def results_of(**verdicts: Verdict) -> list[RecordResult]:
    """Judge the records of the usual plan, all present but those named."""
    found = []
    for record in samples.plan().records:
        verdict = verdicts.get(record.id.value, Verdict.PRESENT)
        observed = (record.value,) if verdict is Verdict.PRESENT else ()
        found.append(RecordResult(record=record, verdict=verdict, observed=observed))
    return found


NO_POLICY = {  # the whole tree walk of acme.dev
    **samples.asked("_dmarc.acme.dev", "TXT", View.EVERY_SERVER, NxDomain(negative_ttl=60)),
    **samples.asked("_dmarc.dev", "TXT", View.ONE_RESOLVER, NxDomain(negative_ttl=60)),
}


def observing(name: str, *texts: str, verdict: Verdict = Verdict.WRONG) -> list[RecordResult]:
    """Judge the usual plan, one record with these texts there."""
    changed = {RecordId(name): {"verdict": verdict, "observed": texts}}
    return [replace(each, **changed.get(each.record.id, {})) for each in results_of()]


def written(results: list[RecordResult], *codes: str, seen: Seen = NO_POLICY) -> tuple[set[str], str]:
    """Return the ids of the records that are written, and all notes."""
    export = export_of(samples.domain(), samples.plan(), results, codes, seen)
    return {each.id.value for each in export.records}, " ".join(export.notes)


ALL = {"dkim", "mail_from_mx", "mail_from_spf", "dmarc"}


def test_a_policy_that_is_there_is_left_alone() -> None:
    """DMARC is written where there is none and where ours is there, never beside or over a policy of the owner's."""
    assert written(results_of()) == (ALL, "")
    assert written(results_of(dmarc=Verdict.ABSENT)) == (ALL, "")
    reject = samples.found("_dmarc.dev", "TXT", (Txt(strings=("v=DMARC1; p=reject; psd=y",)),))
    above = samples.asked("_dmarc.dev", "TXT", View.ONE_RESOLVER, reject)
    kept, why = written(results_of(dmarc=Verdict.ABSENT), seen={**NO_POLICY, **above})
    assert (kept, "parent domain applies" in why) == (ALL - {"dmarc"}, True)
    silent = samples.asked("_dmarc.dev", "TXT", View.ONE_RESOLVER, Unanswered(why=Why.TIMEOUT))
    kept, why = written(results_of(dmarc=Verdict.ABSENT), seen={**NO_POLICY, **silent})
    assert (kept, "not known yet" in why) == (ALL - {"dmarc"}, True)
    for verdict in (Verdict.WRONG, Verdict.UNANSWERED):
        kept, why = written(results_of(dmarc=verdict))
        assert (kept, "Left out: TXT _dmarc.acme.dev" in why) == (ALL - {"dmarc"}, True)
    own = [
        replace(each, observed=("v=DMARC1; p=reject",)) if each.record.id is RecordId.DMARC else each
        for each in results_of()
    ]
    assert written(own)[0] == ALL - {"dmarc"}
    assert written([])[0] == ALL - {"dmarc"}  # no check yet


def test_a_name_that_receives_mail_is_left_alone() -> None:
    """Where the MAIL FROM name is somebody else's, neither of its records is written; a wrong one gets a note."""
    ours = samples.plan().records[1].value
    for there in (
        ("10 aspmx.l.google.com",),
        ("0 .",),
        ("5 192.0.2.7", "10 aspmx.l.google.com"),
        (f"5 {ours}", "9 a.b"),
    ):
        for code in ("mail-from.in-use", "mail-from.mx-is-address", "mail-from.mx-extra"):
            if len(there) == 1 and code == "mail-from.mx-is-address":
                continue
            assert written(observing("mail_from_mx", *there), code)[0] == {"dkim", "dmarc"}, (there, code)
    kept, why = written(observing("mail_from_mx", "5 192.0.2.7"), "mail-from.mx-is-address")
    assert (kept, "to replace it, not to stand beside it" in why) == (ALL, True)
    for unknown in (results_of(mail_from_mx=Verdict.UNANSWERED), []):
        kept, why = written(unknown)
        assert ({"mail_from_mx"} <= kept, "may be in use for other mail" in why) == (True, True)


def test_keys_that_mail_under_way_needs_stay() -> None:
    """The key before the present one is written until it is safe to remove, so that no tool deletes it too early."""
    replaced = OldKey(selector="lh0", replaced_at=samples.BORN, public_key=samples.KEY)
    second = OldKey(selector="ed0", replaced_at=samples.BORN, public_key="A" * 43 + "=")
    unknown = OldKey(selector="un0", replaced_at=samples.BORN)
    gone = OldKey(selector="older", replaced_at=samples.BORN, safe=True, public_key=samples.KEY)
    domain = samples.domain(old_keys=(replaced, second, unknown, gone))
    export = export_of(domain, samples.plan(), results_of(), (), {})
    hosts = [each.host for each in export.records]
    assert "lh0._domainkey.acme.dev" in hosts
    assert "older._domainkey.acme.dev" not in hosts
    values = {each.host: each.value for each in export.records}
    assert values["ed0._domainkey.acme.dev"].startswith("v=DKIM1; k=ed25519; p=AAAA")
    assert "Do not remove its record before" in " ".join(each for each in export.notes if "un0." in each)
    assert f"{samples.BORN + timedelta(days=7):%Y-%m}" in " ".join(export.notes)


def test_an_spf_record_with_more_in_it_stays() -> None:
    """At the MAIL FROM name, ours is written over what is the same but for spaces, never over one that has more."""
    for text, kept in (
        ("V=spf1  include:spf.mail.example ~all ", ALL),
        ("v=spf1 include:spf.mail.example ip4:192.0.2.7 ~all", ALL - {"mail_from_spf"}),
    ):
        seen = [
            replace(each, observed=(text,)) if each.record.id is RecordId.MAIL_FROM_SPF else each
            for each in results_of()
        ]
        assert written(seen)[0] == kept
    ours, other = samples.plan().records[2].value, "google-site-verification=x"
    assert written(observing("mail_from_spf", ours, other, verdict=Verdict.PRESENT)) == (ALL, "")
    kept, why = written(observing("mail_from_spf", other))
    assert (kept, "and stay" in why, "replace" in why) == (ALL, True, False)
    kept, why = written(observing("mail_from_spf", other, "v=spf1 include:other.example -all"))
    assert (kept, "Put include:spf.mail.example into it" in why) == (ALL - {"mail_from_spf"}, True)


def test_a_name_in_a_zone_of_its_own() -> None:
    """A record whose name is delegated gets a note that names its zone."""
    (reply,) = samples.replies(View.EVERY_SERVER, NxDomain(negative_ttl=60))
    for zone, notes in (("acme.dev", 0), ("_domainkey.acme.dev", 1)):
        held = replace(reply, perspective=replace(reply.perspective, zone=zone))
        asked = Question(name="lh1._domainkey.acme.dev", rdtype="TXT", view=View.EVERY_SERVER)
        export = export_of(samples.domain(), samples.plan(), results_of(), (), {asked: (held,)})
        assert len(export.notes) == notes
        assert all("Write it there, not in acme.dev" in each for each in export.notes)


def test_a_name_that_is_a_cname() -> None:
    """A record that is right behind a CNAME is left out; where it is not, a note says that the CNAME must go first."""
    record = samples.plan().records[0]
    answer = Aliased(target="key.elsewhere.dev", aliases=("key.elsewhere.dev",), ttl=300)
    seen = samples.asked(record.host, "TXT", View.EVERY_SERVER, answer)
    for verdict, is_written in ((Verdict.PRESENT, False), (Verdict.ABSENT, True)):
        export = export_of(samples.domain(), samples.plan(), results_of(dkim=verdict), (), seen)
        assert (record in export.records) is is_written
        assert "CNAME" in " ".join(export.notes)


def test_the_zone_is_the_one_that_was_found() -> None:
    """A zone cut below the registered domain is honoured; one that the names do not lie in is not."""
    plan = samples.plan("news.acme.dev", zone="acme.dev")
    domain = samples.domain("news.acme.dev")
    for found, zone in (("news.acme.dev", "news.acme.dev"), ("elsewhere.dev", "acme.dev"), ("dev", "acme.dev")):
        answer = Delegated(zone=found, servers=(), negative_ttl=60)
        seen = samples.asked("news.acme.dev", "NS", View.DELEGATION, answer)
        assert export_of(domain, plan, (), (), seen).zone == zone
    assert export_of(domain, plan, (), (), {}).zone == "acme.dev"


def test_json_has_names_for_forms() -> None:
    """Programs get the full name, and the one relative to the zone."""
    (zone,) = json.loads(FORMATS["json"].write([PLAIN]))["zones"]
    assert {each["recordName"] for each in zone["records"]} == {"_dmarc", "lh", "lh1._domainkey"}
    assert zone["notes"] == ["A note."]
