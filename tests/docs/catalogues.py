"""The catalogues of letterhead/data/languages/, made by Babel: what is to be translated, and CLDR's formats.

`./dev languages` brings them up to date with the sources: new texts are there, to be translated, and old ones are gone.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po
from babel.numbers import format_decimal

from letterhead.adapters.languages import FOLDER
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.check.check import TOPICS
from letterhead.core.domain import progress
from letterhead.core.findings.diagnosis import Diagnosis, Severity
from letterhead.core.languages import phrases
from letterhead.core.languages.language import BETWEEN
from letterhead.core.languages.negotiation import DEFAULT, NAMES
from letterhead.core.schedule import reminder_mail, setup_mail
from letterhead.core.zone import zone_text
from letterhead.web.templating.texts import read_texts

ROOT = Path(__file__).parents[2]
CODES = [code.value for code in NAMES if code.value != DEFAULT]
# The parts of en.toml that a page for customers shows; every other text is for people of the operator.
PAGES = re.compile(
    r"setup\..*|record\..*|severity\..*|copy\.(?!key$|secret$).*|nav\.skip|done\.mail_sent|fault\..*|mailed\..*"
    r"|refusal\.(no_form|unreadable_form|foreign_form|unavailable|too_often|lost)(_fix)?|refusal\.wait"
)
# Where the core writes a text in the language that it is given: language.text(…) and language.count(…).
CALLS = {"text": None, "say": None, "count": (1, 2)}
SOURCES = (
    "core/check/check.py",
    "core/domain/progress.py",
    "core/mail_from/topic.py",
    "core/schedule/contact_mail.py",
    "core/schedule/reminder_mail.py",
    "core/schedule/setup_mail.py",
    "core/zone/topic.py",
)
MADE = datetime(2026, 11, 29, tzinfo=UTC)  # a date of the head that changes with nothing else says nothing

# About a zone text that somebody sent, or about keys that nobody has planned.
NEVER_SHOWN = frozenset(
    (
        *(each.code for each in zone_text.DIAGNOSES),
        *("zone.line-unread", "zone.not-in-text", "zone.target-empty", "dkim.no-usable-key"),
    )
)
WEIGHS_MORE = frozenset({"spf.sender-id"})  # tips that are more than that where mail depends on the record

Message = tuple[str | tuple[str, str], str]  # a text, or one and other, and its context


def messages() -> Iterator[Message]:
    """Yield everything that is to be translated, each once."""
    yield from dict.fromkeys((*_texts_of_pages(), *_texts_in_calls(), *_texts_of_findings(), *_phrases()))


def _texts_of_pages() -> Iterator[Message]:
    texts = {key: text for key, text in read_texts().items() if PAGES.fullmatch(key)}
    for key, text in texts.items():
        name, _, form = key.rpartition(".")
        if form == "one":
            yield (text, texts[f"{name}.other"]), ""
        elif form != "other":
            yield text, ""


def _texts_in_calls() -> Iterator[Message]:
    for source in SOURCES:
        path = ROOT / "letterhead" / source
        for _, found, _, _ in extract_from_file("python", path, keywords=CALLS):
            text: str | tuple[str, str] = found if isinstance(found, str) else (str(found[0]), str(found[1]))
            yield text, ""
    yield from ((each, "") for each in (*progress.TEXTS, *setup_mail.TEXTS, *reminder_mail.TEXTS))
    yield from ((label, "") for label in ("Type", "Name", "Value", "Priority"))


def shown_to_customers() -> list[Diagnosis]:
    """List the diagnoses that a set-up page can show: no tips, and nothing that only a check without a plan finds."""
    unique = dict.fromkeys((*(each for topic in TOPICS for each in topic.all_diagnoses()), *DIAGNOSES.values()))
    shown = (each for each in unique if each.severity is not Severity.TIP or each.code in WEIGHS_MORE)
    return [each for each in shown if each.code not in NEVER_SHOWN]


def _texts_of_findings() -> Iterator[Message]:
    for each in shown_to_customers():
        yield from ((text, "") for text in (each.title, each.detail, each.fix))


def _phrases() -> Iterator[Message]:
    yield from ((text, phrases.CONTEXT) for text in phrases.TEMPLATES)


def template() -> Catalog:
    """Make the catalogue without translations."""
    catalogue = Catalog(project="Letterhead", creation_date=MADE, revision_date=MADE, fuzzy=False)
    for text, context in messages():
        catalogue.add(text, context=context or None)
    return catalogue


def update(code: str) -> str:
    """Make a language's catalogue: the translations that it has, of the texts that there are."""
    path = FOLDER / f"{code}.po"
    catalogue = Catalog(locale=code, project="Letterhead", creation_date=MADE, revision_date=MADE, fuzzy=False)
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=code)
    catalogue.update(template(), no_fuzzy_matching=True)
    return written(catalogue)


def written(catalogue: Catalog) -> str:
    """Return a catalogue as Babel writes it, with the head that a reader of ours needs."""
    made = BytesIO()
    write_po(made, catalogue, width=110, omit_header=True, ignore_obsolete=True, sort_output=False, no_location=True)
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return head + made.getvalue().decode("utf-8").strip() + "\n"


def read_by_babel(code: str) -> dict[str, tuple[str, ...]]:
    """Read a catalogue with Babel: each text, after its context where it has one, with its translations."""
    with (FOLDER / f"{code}.po").open("rb") as file:
        read = read_po(file, locale=code)
    return {
        (f"{each.context}{BETWEEN}" if each.context else "") + (each.id if isinstance(each.id, str) else each.id[0]): (
            (each.string,) if isinstance(each.string, str) else tuple(each.string or ())
        )
        for each in read
        if each.id
    }


def formats() -> str:
    """Make formats.toml from CLDR."""
    return (
        "# How dates, times, numbers and lists are written, of Unicode's CLDR; written by ./dev languages.\n"
        + "".join(_formats_of(code) for code in CODES)
    )


def _formats_of(code: str) -> str:
    locale = Locale.parse(code)
    values = {
        "day": _pattern(locale.datetime_skeletons["yMMMd"].pattern),
        "clock": _pattern(locale.datetime_skeletons["Hm"].pattern),
        "moment": locale.datetime_formats["medium"].replace("{1}", "{day}").replace("{0}", "{time}").replace("'", ""),
        "decimal": locale.number_symbols["latn"]["decimal"],
        "group": locale.number_symbols["latn"]["group"],
    }
    lists = locale.list_patterns["standard"]
    values |= {"pair": lists["2"], "start": lists["start"], "middle": lists["middle"], "end": lists["end"]}
    numeric = "MMM" not in locale.datetime_skeletons["yMMMd"].pattern
    months = [str(each) if numeric else locale.months["format"]["abbreviated"][each] for each in range(1, 13)]
    lines = [f"\n[{code}]", f"months = [{', '.join(map(_quoted, months))}]"]
    lines += [f"{name} = {_quoted(str(value))}" for name, value in values.items()]
    # CLDR's minimumGroupingDigits: Spanish and Polish write 1234, and 12.345.
    is_grouped = values["group"] in format_decimal(1000, locale=code)
    lines.append(f"grouped_from = {1000 if is_grouped else 10000}")
    return "\n".join(lines) + "\n"


_FIELDS = {"y": "{year}", "d": "{day}", "dd": "{day:02}", "MMM": "{month}", "M": "{month}"}
_FIELDS |= {"H": "{hour}", "HH": "{hour:02}", "mm": "{minute:02}"}


def _pattern(pattern: str) -> str:
    """Turn a pattern of CLDR (UTS 35) into a template."""
    pieces = re.findall(r"'[^']*'|[A-Za-z]+|[^A-Za-z']+", pattern)
    return "".join(each[1:-1] if each.startswith("'") else _FIELDS.get(each, each) for each in pieces)


def _quoted(text: str) -> str:
    return '"' + "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text) + '"'


def write() -> None:
    """Write what has changed."""
    made = {f"{code}.po": update(code) for code in CODES} | {"formats.toml": formats()}
    for name, text in made.items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
