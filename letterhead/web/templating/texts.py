"""The texts of the pages, one catalogue for each language."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"


class Texts:
    """Texts by their keys, `section.name`; {named} places are filled in, and escaped by the template later."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.catalogue = catalogue(language)

    def __call__(self, key: str, /, **places: object) -> str:
        """Fill in one text; a key that is not in the catalogue is a bug."""
        text = self.catalogue[key]
        return text.format_map(places) if places else text

    def count(self, key: str, number: int, /, **places: object) -> str:
        """Fill in the text for this number: `key.one`, or `key.other` with {number}."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", number=number, **places)


def catalogue(language: str) -> Mapping[str, str]:
    """Read a language's texts, flat."""
    nested = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    return dict(_flatten("", nested))


def _flatten(prefix: str, nested: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in nested.items():
        if isinstance(value, dict):
            found.extend(_flatten(f"{prefix}{name}.", value))
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found
