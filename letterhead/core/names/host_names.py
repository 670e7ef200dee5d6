"""The syntax of host names, and of the names that DNS may be asked for."""

import re
from typing import Final

NAME_LIMIT: Final = 253  # characters without a final dot; RFC 1035 3.1 allows 255 octets on the wire
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123 2.1, in lower case
LABELS: Final = rf"{LABEL}(?:\.{LABEL})*"
HOST_NAME: Final = re.compile(rf"(?=.{{1,{NAME_LIMIT}}}\Z){LABELS}")
# A name that somebody else wrote and that is worth a question: of several labels, as hosts or records have them.
ASKABLE: Final = re.compile(rf"(?=.{{1,{NAME_LIMIT}}}\Z)[a-z0-9_-]{{1,63}}(?:\.[a-z0-9_-]{{1,63}})+")
_ESCAPED: Final = frozenset(b'"().;\\@$')
# The last label of what inet_aton and browsers read as an IPv4 address: 127.1, 0177.0.0.1 and 0x7f000001 are 127.0.0.1.
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
UNUSED_LABEL: Final = "letterhead-asks-for-nobody"  # no zone has it: what answers there is a wildcard (RFC 4592)


def question_name(name: str) -> str | None:
    """Return a name of any octets as a question writes it (RFC 1035 5.1); None where DNS can't hold it.

    RFC 7208 4.3 calls malformed what has one label, an empty one, or one of more than 63 octets.
    """
    if ASKABLE.fullmatch(name):
        return name
    labels = [label.encode("utf-8", "replace") for label in name.lower().split(".")]
    fits = all(0 < len(label) <= 63 for label in labels) and sum(map(len, labels)) + len(labels) <= NAME_LIMIT + 1
    return ".".join(map(_escape_label, labels)) if len(labels) > 1 and fits else None


def _escape_label(label: bytes) -> str:
    return "".join(
        f"\\{chr(octet)}" if octet in _ESCAPED else chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
        for octet in label
    )
