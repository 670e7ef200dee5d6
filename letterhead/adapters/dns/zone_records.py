"""Read the tokens of one record of zone text: TTL, class, type and RDATA, as DNS hosts write them."""

import re
from typing import Final, NamedTuple

import dns.exception
import dns.rdata
import dns.rdatatype
import dns.ttl
from dns.name import Name
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from letterhead.adapters.dns.text_zone import Types
from letterhead.core.dns.records import STRING_LIMIT

UNREADABLE: Final = (dns.exception.DNSException, ValueError, OverflowError)
ADDRESSES: Final = frozenset({RdataType.A, RdataType.AAAA})
# Types of single DNS hosts that stand for addresses; they are in no RFC.
_ADDRESS_TYPES = frozenset(
    ("ALIAS", "ANAME", "FLATTEN", "FORWARD", "FRAME", "LUA", "PROXY", "REDIRECT", "REDIRECT_URL", "URL", "URL301")
    + ("URL302", "URLFRAME", "WEBFORWARD", "WEBREDIRECT", "WR")
)
_HOST_ALIASES = {"AWS": "Route 53", "AZURE": "Azure"}  # `AWS ALIAS A target zone true`, `AZURE ALIAS A /resource`
_CLASSES = frozenset(("IN", "CH", "HS", "CS"))
_TTL = re.compile(r"\d{1,10}|(?:\d{1,10}[WDHMS])+")
_AGE = re.compile(r"\[AGE:\d+\]")  # Windows DNS, before the TTL: when the record was last renewed
_TEXT_TYPES = frozenset({RdataType.TXT, RdataType.SPF})
_LETTER = re.compile(r"\\[0-9]{3}|\\.|.")


class RecordHead(NamedTuple):
    """What stands before the RDATA: TTL, class, the type (None: not a type of DNS), and the RDATA's tokens.

    `hides` are the types of which the record may be where it can't be read.
    """

    ttl: int | None
    rdclass: str
    rdtype: RdataType | None
    hides: Types
    why: str
    data: tuple[str, ...]


def begins_record(tokens: tuple[str, ...]) -> bool:
    """Tell whether the tokens begin with a TTL, a class or a type, so that a line of them has no owner."""
    first = tokens[0].upper()
    return (
        bool(_TTL.fullmatch(first) or _AGE.fullmatch(first))
        or first in _CLASSES | _ADDRESS_TYPES | set(_HOST_ALIASES)
        or is_type(first)
    )


def is_type(token: str) -> bool:
    """Tell whether a token is a type of DNS records."""
    try:
        return not dns.rdatatype.is_metatype(dns.rdatatype.from_text(token))
    except UNREADABLE:
        return False


def read_head(tokens: tuple[str, ...]) -> RecordHead:
    """Read TTL, class and type, the first two in either order (RFC 1035 5.1)."""
    ttl, rdclass, rest = None, "IN", tokens
    while rest:
        word = rest[0].upper()
        if ttl is None and _TTL.fullmatch(word):
            ttl = _seconds(word)
        elif word in _CLASSES:
            rdclass = word
        elif not _AGE.fullmatch(word):
            break
        rest = rest[1:]
    word, data = rest[0].upper() if rest else "", rest[1:]
    if word in _HOST_ALIASES and data[:1] and data[0].upper() == "ALIAS":
        hides = _hidden_by(dns.rdatatype.from_text(data[1])) if data[1:] and is_type(data[1]) else ADDRESSES
        why = f"it is an alias of {_HOST_ALIASES[word]}, which is in no standard"
        return RecordHead(ttl, rdclass, None, hides, why, data)
    if word and is_type(word):
        rdtype = dns.rdatatype.from_text(word)
        return RecordHead(ttl, rdclass, rdtype, _hidden_by(rdtype), "", data)
    why = f"{word[:20]} is no type of DNS records" if word else "it has no type"
    return RecordHead(ttl, rdclass, None, ADDRESSES if word in _ADDRESS_TYPES else None, why, data)


def _hidden_by(rdtype: RdataType) -> Types:
    """Return the types of which nothing is known where a record of this one can't be read: an alias is for all."""
    return None if rdtype in (RdataType.CNAME, RdataType.DNAME) else frozenset({rdtype})


def _seconds(word: str) -> int:
    try:
        return dns.ttl.from_text(word)
    except UNREADABLE:  # RFC 2181 8: over 2^31 it means 0
        return 0


def read_rdata(head: RecordHead, origin: Name) -> dns.rdata.Rdata:
    """Read the RDATA; raise one of `UNREADABLE`."""
    assert head.rdtype is not None  # noqa: S101 the caller has looked
    return dns.rdata.from_text(RdataClass.IN, head.rdtype, " ".join(head.data), origin, relativize=False)


def split_long_strings(head: RecordHead) -> tuple[RecordHead, int]:
    """Return the record with its texts in strings of at most 255 octets, and the octets of the longest as it was."""
    if head.rdtype not in _TEXT_TYPES:
        return head, 0
    longest, data = 0, []
    for token in head.data:
        letters = _LETTER.findall(token[1:-1] if token.startswith('"') else token)
        octets = sum(len(each.encode()) if len(each) == 1 else 1 for each in letters)
        if octets <= STRING_LIMIT:
            data.append(token)
            continue
        longest = max(longest, octets)
        size = STRING_LIMIT if token.isascii() else STRING_LIMIT // 4  # RFC 3629 3: four octets at most
        data += ['"' + "".join(letters[at : at + size]) + '"' for at in range(0, len(letters), size)]
    return head._replace(data=tuple(data)), longest
