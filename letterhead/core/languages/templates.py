"""Templates with {named} places: filled in, and read back from a text that was made of one.

Reading back takes time linear in the text: each piece between two places is looked for once, from left to right, and
the result counts only where it fills the template to the same text again. So a text that came from DNS can mislead it
only about itself.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

_PLACE = re.compile(r"\{(\w+)\}")


def place_names(template: str) -> tuple[str, ...]:
    """Return the names of a template's places, in their order."""
    return tuple(_PLACE.findall(template))


@lru_cache(maxsize=2048)
def split_template(template: str) -> tuple[str, ...]:
    """Split a template: text, name of a place, text, name of a place, …, text."""
    return tuple(_PLACE.split(template))


def read_places(template: str, text: str) -> dict[str, str] | None:
    """Return what a text has at the places of a template; None where it was not made of it."""
    first, *rest = split_template(template)
    if not text.startswith(first):
        return None
    places: dict[str, str] = {}
    at = len(first)
    for index in range(0, len(rest), 2):
        name, after = rest[index], rest[index + 1]
        if name in places:
            end = at + len(places[name])
        elif index == len(rest) - 2:
            end = len(text) - len(after)
        else:
            end = text.find(after, at) if after else at
        if end < at:
            return None
        places[name] = text[at:end]
        at = end + len(after)
    return places if _PLACE.sub(lambda found: places[found[1]], template) == text else None


def fill_places(template: str, places: Mapping[str, object]) -> str:
    """Fill a template; what stands in braces and is no place stays, such as a macro of SPF in a value."""
    return _PLACE.sub(lambda found: str(places.get(found[1], found[0])), template)
