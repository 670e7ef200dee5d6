"""Domain names as in messages: tuples of labels, octets in lower case, without the root's empty label.

A name is a tuple, so that comparing it with a zone goes label by label: a dot inside a label is no border.
"""

from functools import lru_cache
from typing import Final

import dns.name

Name = tuple[bytes, ...]
ROOT: Final[Name] = ()
LABEL_LIMIT: Final = 63
NAME_LIMIT: Final = 255  # octets on the wire, the root's one among them (RFC 1035 3.1)
_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyz0123456789-_."


@lru_cache(maxsize=1024)  # at most 255 octets each; those of a zone and its servers come in every answer
def name_text(name: Name) -> str:
    """Return a name as core writes it: lower case, no final dot; the root is empty."""
    joined = b".".join(name)
    if joined.count(b".") < max(1, len(name)) and not joined.translate(None, _PLAIN):
        return joined.decode("ascii")
    return dns.name.Name(name).to_text().lower()


@lru_cache(maxsize=1024)  # the names of a check are asked for at several servers, and again by the next check
def name_from(text: str) -> Name:
    """Parse a name as core writes it; raise `dns.exception.DNSException` where it is none."""
    if not text:
        return ROOT
    name = tuple(text.encode("utf-8").split(b"."))
    if not text.encode("utf-8").translate(None, _PLAIN) and all(name) and fits(name):
        return name
    return own(dns.name.from_text(text, dns.name.root))


def own(name: dns.name.Name) -> Name:
    """Convert a name of dnspython's."""
    return tuple(label.lower() for label in name.labels if label)


def fits(name: Name) -> bool:
    """Return whether labels and name are within the length limits of DNS."""
    return octets(name) <= NAME_LIMIT and all(len(label) <= LABEL_LIMIT for label in name)


def octets(name: Name) -> int:
    """Return the length of a name on the wire, without compression."""
    return sum(map(len, name)) + len(name) + 1


def wire_form(name: Name) -> bytes:
    """Return a name in canonical form (RFC 4034 6.2)."""
    return b"".join([len(label).to_bytes() + label for label in name]) + b"\0"


def lies_in(name: Name, zone: Name) -> bool:
    """Return whether a name is a zone's own or below it."""
    return not zone or name[-len(zone) :] == zone


def from_the_right(name: Name) -> Name:
    """Return the labels in the order by which DNS sorts names (RFC 4034 6.1)."""
    return name[::-1]
