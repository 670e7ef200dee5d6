"""The languages that there are, and which of them a browser asks for (RFC 9110 12.5.4, RFC 4647 3.4)."""

import re
from collections.abc import Container
from enum import StrEnum
from typing import Final


class PageLanguage(StrEnum):
    """The languages of the pages and mails for customers."""

    EN = "en"
    DE = "de"
    ES = "es"
    FR = "fr"
    IT = "it"
    JA = "ja"
    NL = "nl"
    PL = "pl"
    PT = "pt"


# Each by its own name, as a reader looks for it.
NAMES: Final = {
    PageLanguage.EN: "English",
    PageLanguage.DE: "Deutsch",
    PageLanguage.ES: "Español",
    PageLanguage.FR: "Français",
    PageLanguage.IT: "Italiano",
    PageLanguage.JA: "日本語",
    PageLanguage.NL: "Nederlands",
    PageLanguage.PL: "Polski",
    PageLanguage.PT: "Português",
}
DEFAULT: Final = PageLanguage.EN.value
PARAMETER: Final = "lang"  # names the language in the address of a page
MOST_RANGES: Final = 30  # of one header; a browser sends a handful
_RANGE: Final = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,8})\s*(?:;\s*[qQ]\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


def known_language(code: str | None) -> str | None:
    """Return the code of a language that there is; None for any other text."""
    return code if code in frozenset(NAMES) else None


def address_in(url: str, language: str | None) -> str:
    """Return the address of a page for customers in a language; where none is named, the page asks the browser."""
    return f"{url}?{PARAMETER}={language}" if language else url


def accepted_language(header: str, offered: Container[str] = frozenset(NAMES)) -> str:
    """Return the offered language that an Accept-Language wants most; English where it wants none of them.

    Each range is looked up by leaving out its last subtags until it fits (`pt-BR` finds `pt`); what is no range counts
    as absent. A language that is refused (`q=0`) is not taken for a range of it that is accepted at less.
    """
    wanted: list[tuple[float, str]] = []
    refused: set[str] = set()
    for part in header.split(",")[:MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        tag, weight = found[1].lower(), float(found[2] or 1)
        if weight:
            wanted.append((-weight, tag))
        else:
            refused.add(tag)
    for _, tag in sorted(wanted, key=lambda each: each[0]):  # stable: of equal weights the first
        language = DEFAULT if tag == "*" else lookup(tag, offered)
        if language is not None and language not in refused:
            return language
    return DEFAULT


def lookup(tag: str, offered: Container[str] = frozenset(NAMES)) -> str | None:
    """Return the offered language of a tag, or None (RFC 4647 3.4)."""
    subtags = tag.lower().split("-")
    while subtags:
        if "-".join(subtags) in offered:
            return "-".join(subtags)
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:  # a singleton goes with what it introduces
            subtags.pop()
    return None
