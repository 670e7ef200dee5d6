"""A text that was meant as a DMARC record, written as receivers use it (RFC 9989 4.7 and 4.8), for a fix.

What the owner meant is kept as far as it can be read: a policy is never weakened, an address never lost; what nothing
can be made of is left out, since receivers ignore it anyway.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from letterhead.core.dmarc.record import (
    BLANK,
    KNOWN,
    POLICIES,
    POLICY_TAGS,
    REMOVED,
    WORDS,
    is_failure_options,
    report_host,
)

_TAGS: Final = "|".join((*KNOWN, *REMOVED))
# A known tag, at the beginning of a piece or glued to the tag before it.
_TAG_START = re.compile(rf"(?<![^\s,:.|])({_TAGS})[ \t]*[=:]", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z]+")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_WITHOUT_SIGN = re.compile(rf"({_TAGS})[ \t]+(\S+)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:mailto:)?(?://)?([^\s,;:/@]+@[^\s,;/@]+)", re.IGNORECASE)


def corrected(text: str, without: str = "") -> str:
    """Return the record that was meant, without one tag where its name is given."""
    tags = dict(_merged(_readable(_pieces(text))))
    tags.pop(without, None)
    policy = tags.pop("p", "none")
    return "; ".join(["v=DMARC1", f"p={policy}", *(f"{name}={value}" for name, value in tags.items())])


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield each tag's name in lower case and its value; a piece that is no tag has the name "" and is its value."""
    for piece in text.split(";"):
        starts = list(_TAG_START.finditer(piece))
        ends = [*(hit.start() for hit in starts), len(piece)]
        head = piece[: ends[0]].strip()
        name, equals, value = head.partition("=")
        bare = _WITHOUT_SIGN.fullmatch(head)
        if bare:
            yield bare[1].lower(), bare[2]
        elif head:
            yield (name.strip().lower(), value.strip()) if equals and _NAME.fullmatch(name.strip(BLANK)) else ("", head)
        for hit, end in zip(starts, ends[1:], strict=True):
            yield hit[1].lower(), piece[hit.end() : end].strip(f"{BLANK},:.|")


def _readable(pieces: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the tags, with values that receivers use."""
    last = ""
    for name, value in pieces:
        if name in ("rua", "ruf") or (name == "" and "@" in value):  # an address behind a semicolon, for a comma
            last = name or last or "rua"
            yield last, ",".join(_addresses(value))
        elif name in POLICY_TAGS:
            yield name, _policy(value, name)
        elif name in WORDS:
            yield name, value.lower() if value.lower() in WORDS[name] else ""
        elif name == "fo":
            yield name, value if is_failure_options(value) else ""
        elif name not in ("", "v"):
            yield name, _UNPRINTABLE.sub("", value)


def _addresses(value: str) -> Iterator[str]:
    """Yield each address for reports that can be read, as a URI."""
    for part in re.split(r"[,\s]+", value):
        found = _ADDRESS.fullmatch(part)
        uri = part if report_host(part) else f"mailto:{found[1]}" if found else ""
        if report_host(uri) and not _TAG_START.search(uri) and not _UNPRINTABLE.search(uri):
            yield uri


def _policy(value: str, name: str) -> str:
    """Return the policy that was meant; what resembles none is "none" for `p`, and left out for the others."""
    word = "".join(value.lower().split())
    return next(iter(get_close_matches(word, POLICIES, n=1, cutoff=0.7)), "none" if name == "p" else "")


def _merged(tags: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Join what stands twice: the addresses of both, the stricter policy, of others the first."""
    merged: dict[str, str] = {}
    for name, value in tags:
        if not value:
            continue
        before = merged.get(name)
        if before is None:
            merged[name] = value
        elif name in ("rua", "ruf"):
            merged[name] = ",".join(dict.fromkeys([*before.split(","), *value.split(",")]))
        elif name in POLICY_TAGS:
            merged[name] = max(before, value, key=POLICIES.index)
    return merged
