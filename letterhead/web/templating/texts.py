"""The texts of the pages, by their keys."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from letterhead.core.languages.language import ENGLISH, Language

_OPERATION = re.compile(r"\b(?P<method>GET|POST|PUT|PATCH|DELETE) (?P<path>/[\w{}./-]*[\w}])")
_FIXED = frozenset(
    (
        "accepted-findings",
        "account",
        "accounts",
        "alert-channels",
        "check",
        "deliveries",
        "dkim-rotation",
        "dns-credentials",
        "dns-hosts",
        "dns-plan",
        "dns-plans",
        "domain-connect",
        "domains",
        "events",
        "invitations",
        "keys",
        "members",
        "proof",
        "setup-links",
        "webhooks",
    )
)  # the parts of a path that are no names
FOLDER = Path(__file__).parent / "texts"


class Texts:
    """The texts of one language by their keys, `section.name`; {named} places are filled in, and not escaped yet.

    The keys are those of the English texts, whose translations the language has.
    """

    def __init__(self, catalogue: Mapping[str, str] | None = None, language: Language = ENGLISH) -> None:
        self.catalogue = read_texts() if catalogue is None else catalogue
        self.language = language

    def __call__(self, key: str, /, **places: object) -> str:
        """Return a text with its places filled in; KeyError where the catalogue has no such key, which is a bug."""
        text = self.language.template(self.catalogue[key])
        return text.format_map(places) if places else text

    def count(self, key: str, number: int, /, **places: object) -> str:
        """Return the text for a number: `key.one`, or `key.other` with {number} filled in, or a further form."""
        one, other = self.catalogue[f"{key}.one"], self.catalogue[f"{key}.other"]
        return self.language.count(one, other, number, **places)

    def translated(self, language: Language) -> "Texts":
        """Return the same texts in another language."""
        return Texts(self.catalogue, language)

    def without_operations(self, text: str) -> str:
        """Return a message with the operations of the API that it names as what a person finds on the pages."""
        return _OPERATION.sub(self._of_operation, text)

    def _of_operation(self, named: re.Match[str]) -> str:
        parts = (part if part in _FIXED else "*" for part in named["path"].split("/") if part)
        return self.catalogue.get(f"operations.{named['method']} /{'/'.join(parts)}", self("operations.elsewhere"))


def read_texts() -> Mapping[str, str]:
    """Read the English texts by their full keys, such as `domain.back`."""
    nested = tomllib.loads((FOLDER / "en.toml").read_text("utf-8"))
    return dict(_flatten("", nested))


def _flatten(prefix: str, nested: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in nested.items():
        if isinstance(value, dict):
            found.extend(_flatten(f"{prefix}{name}.", value))
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found
