"""One language: the translations of texts, and how its dates, numbers and lists are written.

A text is found by its English wording, as in gettext. What is not translated is shown in English.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from letterhead.core.languages import phrases
from letterhead.core.languages.formats import ENGLISH_FORMATS, Formats
from letterhead.core.languages.negotiation import DEFAULT
from letterhead.core.languages.templates import fill_places, place_names, read_places

BETWEEN: Final = "\x04"  # stands between the context of a message and its English text, as in gettext's own files
NOTHING: Final = "nothing"  # what an empty place of a finding is called


def is_singular(number: int) -> int:
    """Return the plural form of English: 0 for one, else 1."""
    return int(number != 1)


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """The translations of one language, by their English texts; `plural` chooses among the forms for a number."""

    code: str = DEFAULT
    messages: Mapping[str, tuple[str, ...]] = {}
    plural: Callable[[int], int] = is_singular
    formats: Formats = ENGLISH_FORMATS

    def template(self, english: str, context: str = "") -> str:
        """Return the translation of a template, its places not filled in yet."""
        found = self.messages.get(f"{context}{BETWEEN}{english}" if context else english)
        return found[0] if found else english

    def text(self, english: str, /, **places: object) -> str:
        """Return the translation of a text, its places filled in."""
        return fill_places(self.template(english), places)

    def count(self, one: str, other: str, number: int, /, **places: object) -> str:
        """Return the translation for a number, which may stand at {number}."""
        found = self.messages.get(one)
        forms, form = (found, self.plural(number)) if found else ((one, other), is_singular(number))
        return fill_places(forms[min(form, len(forms) - 1)], {"number": self.formats.number(number), **places})

    def phrase(self, english: str) -> str:
        """Return the translation of a text that was filled in already, by the template that it was made of.

        Only `phrases` are such templates. What stands at their places is a phrase itself, or data that stays.
        """
        if self.code == DEFAULT:
            return english
        plain = self.template(english, phrases.CONTEXT)
        if plain != english:
            return plain
        for template in phrases.TEMPLATES:
            if template.startswith("{") or template[0] == english[:1]:
                places = read_places(template, english) if place_names(template) else None
                if places is not None:
                    translated = self.template(template, phrases.CONTEXT)
                    return fill_places(translated, {name: self.place(name, each) for name, each in places.items()})
        return english

    def place(self, name: str, english: str) -> str:
        """Return what stands at a place in this language: a phrase of ours is translated, data stays."""
        if name in phrases.PLACES or english == NOTHING:
            return self.phrase(english)
        return english


ENGLISH: Final = Language()
LanguageReader = Callable[[str], Language]  # returns a language by its code; English where there is no such


def english_only(_: str) -> Language:
    """Return English, whichever language is asked for."""
    return ENGLISH
