"""The languages of customers: which one is taken, what is translated, and how dates and numbers are written."""

import re
from datetime import UTC, datetime

import pytest
from babel.dates import format_skeleton
from babel.lists import format_list
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.adapters.languages import FOLDER, read_catalogue, read_language
from letterhead.core.check.translated import translate_findings
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.languages import phrases
from letterhead.core.languages.language import BETWEEN, ENGLISH, Language
from letterhead.core.languages.negotiation import NAMES, accepted_language
from letterhead.core.languages.templates import fill_places, place_names, read_places
from tests.cases import case
from tests.core import beyond_zones
from tests.docs import catalogues

WRITTEN = sorted(path.stem for path in FOLDER.glob("*.po"))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("pt-BR", "pt"),
        ("zh-Hant-TW, fr;q=0.4, en;q=0.3", "fr"),
        ("en;q=0.5, PL;q=0.7", "pl"),
        ("ja;q=0, *", "en"),
        ("de;q=0, de-AT, nl;q=0.1", "nl"),
        ("sv, *;q=0.1", "en"),
        ("es; q=0.9 , it;q=1", "it"),
        ("de;q=2, fr;q=x, ;;, nl", "nl"),
        ("de-x-private", "de"),
    ],
)
def test_the_language_that_is_wanted_most_is_taken(header: str, language: str) -> None:
    """By weight, then by order; a range finds the language that it begins with (RFC 4647 3.4)."""
    offered = frozenset(("en", "de", "es", "fr", "it", "nl", "pl", "pt"))
    assert accepted_language(header, offered) == language


@given(st.one_of(st.text(), st.text(alphabet="de-;q=0.1,* \t")))
def test_no_header_is_too_odd(header: str) -> None:
    """Whatever stands in Accept-Language, there is a language to answer in."""
    assert accepted_language(header) in frozenset(NAMES)


@given(st.text(), st.text(), st.text())
def test_a_text_is_read_back_or_not_at_all(one: str, two: str, other: str) -> None:
    """What is read back fills the template to the same text; foreign text is at most misread."""
    template = "The value at {host} is {observed}: the quotes around {host} were lost."
    made = fill_places(template, {"host": one, "observed": two})
    for text in (made, other):
        places = read_places(template, text)
        assert places is None or fill_places(template, places) == text
    assert read_places("{host}: {reason}.", "ns1.acme.dev: timed out.") == {
        "host": "ns1.acme.dev",
        "reason": "timed out",
    }


# --- the catalogues -------------------------------------------------------------------------------------------------


def test_each_language_has_its_catalogue() -> None:
    """There is one for each language that the switch offers, and none besides."""
    assert sorted(set(NAMES) - {"en"}) == WRITTEN


@pytest.mark.parametrize("code", WRITTEN)
def test_a_catalogue_has_every_text_with_its_places(code: str) -> None:
    """None is missing, empty or fuzzy; places, values to type, and marks that a program reads are as in English."""
    source = (FOLDER / f"{code}.po").read_text("utf-8")
    assert "fuzzy" not in source
    language = read_language(code)
    for text, context in catalogues.messages():
        english = text if isinstance(text, str) else text[1]
        key = text if isinstance(text, str) else text[0]
        forms = language.messages.get(f"{context}{BETWEEN}{key}" if context else key, ())
        assert forms, f"not translated: {english!r}"
        for form in forms:
            lacks = {"number"} if not isinstance(text, str) else set()
            assert set(place_names(english)) - lacks <= set(place_names(form)) <= set(place_names(english)), form
            assert not set(re.findall(r"[{}<>&]", form)) - set(re.findall(r"[{}<>&]", english)), form
            assert _kept(english) <= _kept(form), (english, form)
            assert len(form) <= 30 + 2 * len(english), (english, form)


def _kept(text: str) -> set[str]:
    """Find what no language changes: names of records and protocols, settings, commands, tags."""
    shapes = r"\b(?:DKIM|CNAME|TXT|SPF|DMARC|SERVFAIL|DNSSEC|RFC \d+|LETTERHEAD_\w+|v=\w+1|[a-z]{1,5}=[a-z]\b|--[\w-]+)"
    return set(re.findall(shapes, text))


@pytest.mark.parametrize("code", WRITTEN)
def test_a_catalogue_is_up_to_date_and_read_as_babel_reads_it(code: str) -> None:
    """`./dev languages` would write nothing new; our reader sees what Babel's sees."""
    path = FOLDER / f"{code}.po"
    assert catalogues.update(code) == path.read_text("utf-8"), "run ./dev languages, and translate what is new"
    ours = dict(read_catalogue(path.read_text("utf-8")))
    ours.pop("")
    assert ours == catalogues.read_by_babel(code)


def test_the_formats_are_those_of_cldr() -> None:
    """formats.toml is what Babel's data say."""
    assert (FOLDER / "formats.toml").read_text("utf-8") == catalogues.formats()


@given(
    st.sampled_from(WRITTEN),
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 hypothesis wants them without a zone
    st.integers(0, 10**7),
    st.lists(st.sampled_from("abcd"), max_size=4),
)
def test_dates_numbers_and_lists_are_written_as_babel_writes_them(
    code: str, at: datetime, number: int, items: list[str]
) -> None:
    """Our templates say the same as the patterns of CLDR that they are made of."""
    formats, utc = read_language(code).formats, at.replace(tzinfo=UTC)
    assert formats.date(utc) == format_skeleton("yMMMd", utc, locale=code)
    assert format_skeleton("Hm", utc, locale=code) in formats.date_time(utc)
    assert formats.number(number) == format_decimal(number, locale=code)
    assert formats.listing(items) == (format_list(items, locale=code) if items else "")


# --- findings -------------------------------------------------------------------------------------------------------


class Listening(Language, frozen=True):
    """A language that keeps what it had no translation for."""

    untold: list[str]

    def phrase(self, english: str) -> str:
        """Translate, and note a phrase that stays as it was."""
        translated = super().phrase(english)
        if translated == english and re.search(r"[a-z]{3,} [a-z]{2,}", english) and english not in self.untold:
            self.untold.append(english)
        return translated


def shown(findings: tuple[Finding, ...]) -> list[Finding]:
    """Leave out what no set-up page shows."""
    return [each for each in findings if each.severity is not Severity.TIP and each.code not in catalogues.NEVER_SHOWN]


@pytest.mark.parametrize("code", WRITTEN)
def test_every_finding_of_every_case_is_translated(code: str) -> None:
    """Title, detail and fix of each finding are in the language, and so is each phrase at a place of them."""
    read = read_language(code)
    language = Listening(code=code, messages=read.messages, plural=read.plural, formats=read.formats, untold=[])
    count = 0
    for each in case.cases():
        if not all(record.exact for record in each.plan.records):
            continue  # a check without a plan, which no set-up page shows
        english, found = case.examine(each)[0], case.examine(each, language)[0].findings
        stored = shown(english.findings)
        for one, other in zip(stored, shown(translate_findings(english.findings, found, language)), strict=True):
            count += 1
            assert replace(other, title=one.title, detail=one.detail, fix=one.fix) == one
            assert one.title != other.title
            assert one.fix != other.fix, one.fix
            assert one.detail != other.detail, one.detail
    assert count > 300
    assert [each for each in language.untold if not TECHNICAL.search(each)] == []


# Reasons of the network, which a DNS host's support searches for as they are.
TECHNICAL = re.compile(
    r"^\"?v=| → |^Connection refused$"
    r"|^more than \d+ strings|^line \d+ |^the zone text does not hold"
)


def test_findings_that_do_not_follow_from_dns_are_translated_too() -> None:
    """Those of the provider, of claims and of an outage are read back by their templates."""
    german = read_language("de")
    found = shown(tuple(beyond_zones.findings()))
    assert len(found) > 8
    for one, other in zip(found, translate_findings(found, (), german), strict=True):
        assert one.title != other.title
        assert one.detail != other.detail, one.detail
        assert one.host in other.detail


def test_english_stays_as_it_is() -> None:
    """Without a language the core writes what it always wrote."""
    assert read_language("en") is ENGLISH
    assert read_language("../de") is ENGLISH
    assert ENGLISH.phrase("at Hetzner (DNS Console)") == "at Hetzner (DNS Console)"
    assert ENGLISH.count("one", "{number} others", 1234) == "1\u202f234 others"


def test_phrases_are_sorted_so_that_the_longer_comes_first() -> None:
    """No template takes a text that a later and longer one was made of."""
    taken = []
    for at, template in enumerate(phrases.TEMPLATES):
        text = fill_places(template, {name: f"{name}1" for name in place_names(template)})
        first = next(each for each in phrases.TEMPLATES if read_places(each, text) is not None or each == text)
        taken += [(template, first)] if phrases.TEMPLATES.index(first) < at else []
    assert taken == []
