"""Strict parsers of one mail address, in a header field (RFC 5322 3.4) and in an envelope (RFC 5321 4.1.2).

What two programs could read in two ways is refused: the one would judge another domain than the other shows. Each
`parse_…` raises ValueError with the problem as the end of a sentence that begins with the field: "holds a group".
"""

import re
import unicodedata
from typing import Final

import msgspec

from letterhead.core.names.domain_names import parse_anywhere
from letterhead.errors import Fault

LOCAL_LIMIT: Final = 64  # octets: RFC 5321 4.5.3.1.1
FIELD_LIMIT: Final = 2000  # characters of a field that holds one mailbox
_TOKEN: Final = re.compile(
    r'(?P<q>"(?:[^"\\]|\\.)*")|(?P<s>[<>@,;:\[\]()\\"])|(?P<a>[^\s<>@,;:\[\]()\\"]+)|(?P<w>\s+)', re.DOTALL
)
_NAMED: Final = re.compile(r" ?(?:[qa] ?)*<([qa]@a)> ?")
_BARE: Final = re.compile(r" ?([qa]@a) ?")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"  # RFC 5322 3.2.3, RFC 6532 3.2
_DOT_ATOM: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SPECIAL_IN_COMMENT: Final = '("\\'
_ENCODED_WORD: Final = re.compile(r"=\?[^?]*\?[BbQq]\?")


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """One address: `local` as it was written, `domain` in lower-case A-labels."""

    local: str
    domain: str

    @property
    def address(self) -> str:
        """The address as text."""
        return f"{self.local}@{self.domain}"


def parse_mailbox(text: str) -> Mailbox:
    """Parse the one mailbox of a From or Sender field, unfolded: `a@acme.dev` or `Name <a@acme.dev>`."""
    if len(text) > FIELD_LIMIT:
        raise ValueError(f"is longer than {FIELD_LIMIT} characters")
    if any(ord(sign) < 32 and sign != "\t" for sign in text) or "\x7f" in text:
        raise ValueError("holds a control character")
    tokens = [(match.lastgroup or "", match[0]) for match in _TOKEN.finditer(_without_comments(text))]
    # One character for each token: itself where it is special, else its kind, and a space for white space.
    shape = "".join(token if kind == "s" else kind.replace("w", " ") for kind, token in tokens)
    found = _NAMED.fullmatch(shape) or _BARE.fullmatch(shape)
    if found is None:
        raise ValueError(_why_not(shape))
    at = found.start(1)
    local = tokens[at][1]
    if local.startswith('"'):  # other programs read the address that they find within the quotes
        raise ValueError("has a quoted part before the @, which two programs could read as two addresses")
    return _mailbox(local, tokens[at + 2][1])


def parse_path(text: str) -> Mailbox:
    """Parse an address of an envelope, without its angle brackets."""
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError("has no @")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError("holds a control character")
    return _mailbox(local, domain)


def safe_local(local: str, otherwise: str) -> str:
    """Return a local part that any server takes (ASCII, a dot-atom, at most 64 octets), or `otherwise`."""
    plain = re.sub(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", "_", local.strip('"'))
    plain = re.sub(r"\.{2,}", ".", plain)[:LOCAL_LIMIT].strip(".")
    return plain if plain.strip("_") else otherwise


def _without_comments(text: str) -> str:
    """Put a space in the place of each comment; within quotes there is none (RFC 5322 3.2.2).

    There may be one, without a sign that means something outside of it: some programs read on within.
    """
    kept, quoted, escaped, opened, comments = list[str](), False, False, False, 0
    for sign in text:
        if opened:
            if sign in _SPECIAL_IN_COMMENT:
                raise ValueError(f"has a {sign} within a comment, where two programs could read two addresses")
            opened = sign != ")"
            continue
        if escaped:
            escaped = False
        elif sign == "\\" and quoted:
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == "(" and not quoted:
            opened, sign, comments = True, " ", comments + 1
        kept.append(sign)
    if comments > 1:
        raise ValueError("has several comments, which some programs do not tell from the address")
    if opened or quoted:
        raise ValueError("has a comment or a quotation without an end")
    return "".join(kept)


def _why_not(shape: str) -> str:
    if ":" in shape or ";" in shape:
        return "holds a group or a route instead of one address"
    if "," in shape:
        return "holds several addresses"
    if "[" in shape:
        return "holds an IP address instead of a domain"
    if "@" not in shape:
        return "holds no address"
    if shape.count("@") > 1:
        return "has more than one @ outside of quotes, so that two programs would read two addresses"
    return "is not of the form Name <address@domain>, with any special sign of the name in quotes"


def _mailbox(local: str, domain: str) -> Mailbox:
    compatible = unicodedata.normalize("NFKC", local)  # a full-width @ becomes a plain one (UAX 15)
    if not ((_DOT_ATOM.fullmatch(local) and _DOT_ATOM.fullmatch(compatible)) or _QUOTED.fullmatch(local)):
        raise ValueError("has signs before the @ that stand there only in quotes")
    if len(local.encode("utf-8", "surrogatepass")) > LOCAL_LIMIT:
        raise ValueError(f"has more than {LOCAL_LIMIT} octets before the @")
    if _ENCODED_WORD.search(local) or _ENCODED_WORD.search(domain):  # RFC 2047 5 (3)
        raise ValueError("has an encoded word within the address, where it may not be")
    if domain.endswith("."):  # RFC 5321 4.1.2: a Domain has no final dot
        raise ValueError("has a domain with a final dot")
    try:
        return Mailbox(local=local, domain=parse_anywhere(domain).ascii)
    except Fault as unreadable:
        raise ValueError(f"has no readable domain: {unreadable.detail}") from unreadable
