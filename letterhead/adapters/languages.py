"""Read the catalogues of translations (gettext's .po files) and the formats of dates and numbers.

A catalogue is read where its language is first asked for, from the file that translators edit: there is nothing to
compile. It is what Babel writes: each text in double quotes, on one line or on several.
"""

import json
from collections.abc import Iterator
from functools import cache
from gettext import c2py
from pathlib import Path

import msgspec

from letterhead.core.languages.formats import Formats
from letterhead.core.languages.language import BETWEEN, ENGLISH, Language, is_singular
from letterhead.core.languages.negotiation import NAMES

FOLDER = Path(__file__).parents[1] / "data" / "languages"


@cache
def read_language(code: str) -> Language:
    """Return a language by its code, read once in the life of the process; English where there is no such language."""
    path = FOLDER / f"{code}.po"
    if code not in NAMES or code == ENGLISH.code or not path.exists():
        return ENGLISH
    messages = dict(read_catalogue(path.read_text("utf-8")))
    head = dict(line.split(": ", 1) for line in messages.pop("", ("",))[0].splitlines())
    rule = head.get("Plural-Forms", "").partition("plural=")[2].rstrip(";\n ")
    formats = msgspec.toml.decode((FOLDER / "formats.toml").read_bytes(), type=dict[str, Formats])[code]
    return Language(code=code, messages=messages, plural=c2py(rule) if rule else is_singular, formats=formats)


def read_catalogue(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each message of a .po file and its translations; its head has the empty message."""
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        lines = block.splitlines()
        if any(line.startswith("#,") and "fuzzy" in line for line in lines):
            continue  # a guess of a tool, which nobody has read
        name = ""
        for line in lines:
            if line.startswith("#"):
                continue
            if not line.startswith('"'):
                name, _, line = line.partition(" ")
            fields[name] = fields.get(name, "") + json.loads(line)
        if "msgid" not in fields:
            continue
        context = f"{fields['msgctxt']}{BETWEEN}" if "msgctxt" in fields else ""
        forms = tuple(value for key, value in fields.items() if key.startswith("msgstr"))
        if all(forms):
            yield f"{context}{fields['msgid']}", forms
