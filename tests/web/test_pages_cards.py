"""What a record's card says of it: gone where it went, right where only caches remember otherwise, without a box."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
from msgspec.structs import replace

from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.domain.domain import Event, EventKind, RecordChange
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict
from letterhead.core.zone.caching import NEGATIVE
from letterhead.ports.store.domains import DomainUpdate
from letterhead.web.pages.cards import PARTS, advice, wrong_part
from letterhead.web.templating.environment import mark_times
from tests.contracts.samples import checkup
from tests.web.conftest import Installation
from tests.web.test_pages import sign_in


async def shown(
    house: Installation,
    acme: httpx2.AsyncClient,
    verdict: Verdict,
    code: str,
    severity: Severity,
    since: datetime | None = None,
) -> str:
    """Open the set-up page of a domain whose key stands like this, with one finding on it."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    view = await house.world.view("acme.dev")
    record = view.plan.record(RecordId.DKIM)
    assert record is not None
    said = Finding(
        code=code, severity=severity, record=record.id, host=record.host, title="A title of its own",
        detail="So it is.", fix="Nothing to change: wait", since=since,
    )  # fmt: skip
    standing = RecordResult(record=record, verdict=verdict, agreed=True)
    done = replace(checkup(datetime.now(UTC)), results=(standing,), findings=(said,))
    domain = replace(view.domain, published=(record.id,))
    assert await house.deps.store.save(DomainUpdate(domain=domain, check=done))
    link = (await acme.post("/domains/acme.dev/setup-links")).json()["url"]
    page = await acme.get(urlsplit(link).path)
    card = re.search(r'<article[^>]*id="record-dkim".*?</article>', page.text, re.DOTALL)
    assert card is not None
    return card[0]


async def test_what_was_removed_is_gone_and_not_wrong(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Nothing else was published in its place, so that nobody looks for a mistake in it."""
    card = await shown(house, acme, Verdict.ABSENT, "dkim.removed", Severity.BLOCKING)
    assert 'data-state="gone"' in card
    assert "This record has been removed. Add it again." in card
    assert "A title of its own" in card


async def test_what_lies_elsewhere_is_wrong(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Absent where it belongs, with a finding that says where it was put."""
    card = await shown(house, acme, Verdict.ABSENT, "dkim.name-doubled", Severity.BLOCKING)
    assert 'data-state="wrong"' in card


async def test_what_caches_remember_is_a_line(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The record is right: when others see it stands where it said that it waits, and opens no box below."""
    card = await shown(house, acme, Verdict.PRESENT, NEGATIVE.code, Severity.INCONCLUSIVE)
    assert 'data-state="found"' in card
    line = re.search(r'<p class="line">(.*?)</p>', card, re.DOTALL)
    assert line is not None
    assert line[1].strip() == "Nothing to change: wait."
    assert "A title of its own" not in card


async def test_since_when_is_said(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Of a finding that several checks have found, the card says since when it is there, and so does the API."""
    since = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    card = await shown(house, acme, Verdict.ABSENT, "dkim.removed", Severity.BLOCKING, since)
    assert re.search(r"So it is\..*since.*2026-11-20", card, re.DOTALL)
    (finding,) = (await acme.get("/domains/acme.dev")).json()["findings"]
    assert finding["since"] == "2026-11-20T08:30:00Z"


async def test_an_event_about_a_finding_names_its_code(house: Installation, acme: httpx2.AsyncClient) -> None:
    """It has the code, and no change of a record: the ids of records are a closed list."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    domain, code = await house.world.domain("acme.dev"), "zone.dnssec-bogus"
    change = RecordChange(record=code, was="absent", now="present")
    raised = Event(kind=EventKind.FINDING_RAISED, at=datetime.now(UTC), detail="They are wrong.", change=change)
    assert await house.deps.store.save(DomainUpdate(domain=domain, events=(raised,)))
    told = (await acme.get("/events")).json()[-1]
    assert (told["kind"], told["finding"], "change" in told) == ("finding.raised", code, False)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = (await browser.get("/dashboard/domains/acme.dev")).text
    assert "A blocking finding stays" in page
    assert "They are wrong." in page


def test_a_fault_is_about_a_part_that_there_is() -> None:
    """Each end of a code that is about the name, the type or the priority belongs to a diagnosis; others are values."""
    ends = {code.partition(".")[2] for code in DIAGNOSES}
    assert set(PARTS) <= ends
    finding = Finding(code="dkim.name-doubled", severity=Severity.BLOCKING, host="h", title="t", detail="d", fix="f")
    assert wrong_part(finding) == "name"
    assert wrong_part(replace(finding, code="dkim.wrong-key")) == "value"
    assert wrong_part(replace(finding, code="dkim.wrong-type")) == "type"


def test_long_values_of_a_fix_are_copied_and_not_read() -> None:
    """A sentence stays whole, its long values are pieces of it, and what no row has a button for is given to copy."""
    value = "v=spf1 " + "include:a.example " * 9 + "~all"
    fix = f"Replace the value with {value} at your DNS host"
    finding = Finding(
        code="spf.syntax", severity=Severity.BLOCKING, host="h", record_type="TXT", title="t", detail="d", fix=fix,
        expected=value, observed=(value.replace("a.", "b."),),
    )  # fmt: skip
    said = advice(finding)
    assert "".join(text for text, _ in said.pieces) == f"{fix}."
    assert [text for text, is_value in said.pieces if is_value] == [value]
    assert said.values == (value,)
    ends_in_value = advice(replace(finding, fix="The value should be v=spf1 -all", expected="v=spf1 -all"))
    assert ends_in_value.pieces == (("The value should be v=spf1 -all", False),)


def test_times_in_sentences_are_times() -> None:
    """The script changes them to the reader's time zone; what only looks like a time, and markup, stay text."""
    said = mark_times("seen on 2026-11-29 03:18 UTC, <b> and 2026-13-31 29:00 UTC")
    assert said.startswith('seen on <time datetime="2026-11-29T03:18:00+00:00" data-when>29 Nov 2026, 03:18 UTC</time>')
    assert said.endswith(", &lt;b&gt; and 2026-13-31 29:00 UTC")
