"""Domain names, selectors and MAIL FROM names, and their parsers, which refuse bad ones in a fixed order.

Names are parsed once, at the border, into lower-case A-labels; a `DomainName` need not be checked again. Whether a name
exists is not asked; the public suffix rules are passed in.
Not the stdlib's `idna` codec and not UTS 46 mapping: both turn faß.de into fass.de, another owner's name.
"""

import ipaddress
import re
import unicodedata
from typing import Protocol

import idna
import msgspec

from letterhead.core.names import mailbox_providers
from letterhead.core.names.host_names import LABEL, LABELS, NAME_LIMIT, NUMBER
from letterhead.errors import Fault, Kind

RAW_LIMIT = 1024  # characters as typed: counted before any work on them
LABEL_LIMIT = 63  # RFC 1035 2.3.4
LABELS_LIMIT = 10
SELECTOR_ROOM = 32  # octets left free in front of `._domainkey.`; a longer selector is measured by itself
SHOWN_LIMIT = 60

# RFC 2606, 6761, 6762 (and its appendix G), 7686, 9476, ICANN's .internal and the names it never delegates
SPECIAL_TLDS: frozenset[str] = frozenset(
    {"alt", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain"}
    | {"localhost", "mail", "onion", "private", "test"}
)
# RFC 2606 3; `arpa` holds home.arpa (RFC 8375) and the reverse trees
RESERVED: frozenset[str] = SPECIAL_TLDS | {"arpa", "example.com", "example.net", "example.org"}

_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Cs", "Zl", "Zp", "Zs"))  # categories: control, format, …, spaces
_RTL = frozenset(("R", "AL", "AN"))  # RFC 5893 1.4: what makes a Bidi domain name
_ASCII_JUNK = re.compile(r"[!-,/:-@\[-`{-~]")  # what letters, digits, hyphens and dots leave over
_SELECTOR = re.compile(LABELS)
_HOST = re.compile(rf"(?:{LABEL}\.)+(?![0-9]){LABEL}")
_PLAIN_FIX = "Type the domain alone, such as acme.dev: letters, digits, hyphens and dots."


class SuffixRules(Protocol):
    """The public suffix list, as `publicsuffixlist.PublicSuffixList` answers it."""

    def publicsuffix(self, domain: str, accept_unknown: bool | None = None) -> str | None:
        """Return the suffix of an A-label name, None where no rule matches and `accept_unknown` is False."""


class NameRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules by which an installation accepts names.

    `icann` has the registries' suffixes, `any_suffix` the private ones too (github.io). `forbidden` are the operator's
    own names as lower-case A-labels. `allow_special_use` lets a test installation use `.test` and the like.
    """

    icann: SuffixRules
    any_suffix: SuffixRules
    allow_special_use: bool = False
    forbidden: frozenset[str] = frozenset()


class DomainName(msgspec.Struct, frozen=True, order=True):
    """A parsed name: `ascii` in lower-case A-labels without a final dot; see `parse_domain`."""

    ascii: str

    def __str__(self) -> str:
        return self.ascii

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, leftmost first."""
        return tuple(self.ascii.split("."))

    @property
    def unicode(self) -> str:
        """The name with U-labels, for people to read; a label that has none stays as it is."""
        labels = []
        for label in self.labels:
            try:
                labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
            except UnicodeError:  # not one of ours: `ascii` was set by hand
                labels.append(label)
        return ".".join(labels)

    def parent(self) -> "DomainName | None":
        """Return the name without its first label, None for a single label."""
        _, dot, rest = self.ascii.partition(".")
        return DomainName(rest) if dot else None

    def is_under(self, other: "DomainName") -> bool:
        """Tell whether the name lies strictly below the other; no name lies below itself."""
        return self.ascii.endswith(f".{other.ascii}")

    def under(self, labels: str) -> str:
        """Return the owner name that has `labels` before this name, such as `lh1._domainkey.acme.dev`."""
        return f"{labels}.{self.ascii}"


def parse_domain(raw: object, rules: NameRules, *, owns_suffix: bool = False) -> DomainName:
    """Parse a sender domain as somebody typed it; raise Fault(domain-…).

    `owns_suffix`: the name may be on the Public Suffix List, since it is known that mail is sent from the name itself.
    """
    name = parse_anywhere(raw)
    _refuse_place(name, rules, owns_suffix=owns_suffix)
    return name


def parse_anywhere(raw: object) -> DomainName:
    """Parse a domain as somebody typed it, wherever it lies and whoever it belongs to; raise Fault(domain-…)."""
    if not isinstance(raw, str):
        raise Fault(Kind.DOMAIN_TYPE, f"The domain is {_json_type(raw)}, not text.", 'Send it as text: "acme.dev".')
    if not raw:
        raise Fault(Kind.DOMAIN_REQUIRED, "The domain is empty.", "Type the domain you send from, such as acme.dev.")
    name = _parse_name(raw)
    shown = show_foreign(name.ascii)
    if len(name.labels) > LABELS_LIMIT:
        detail = f"{shown} has {len(name.labels)} parts between dots; we take at most {LABELS_LIMIT}."
        raise Fault(Kind.DOMAIN_TOO_MANY_LABELS, detail, "Use a name with fewer parts.")
    if len(name.under("s" * SELECTOR_ROOM + "._domainkey")) > NAME_LIMIT:
        room = NAME_LIMIT - len(f"{'s' * SELECTOR_ROOM}._domainkey.")
        detail = f"{shown} takes {len(name.ascii)} octets and leaves its DKIM record no room."
        raise Fault(Kind.DOMAIN_TOO_LONG, detail, f"Use a name of at most {room} octets.")
    if NUMBER.fullmatch(name.labels[-1]):  # no TLD is a number
        detail = f"{shown} ends in a number, so it reads as an IP address."
        raise Fault(Kind.DOMAIN_IS_IP, detail, "Type the domain that the mail comes from, such as acme.dev.")
    return name


def parse_selector(raw: object, domain: DomainName) -> str:
    """Parse a DKIM selector (RFC 6376 3.1) for that domain; raise Fault(selector-invalid)."""
    fix = "Type one short word such as lh1: letters, digits and hyphens."
    if not isinstance(raw, str) or not raw:
        raise Fault(Kind.SELECTOR_INVALID, f"The selector is {_json_type(raw)}, not a word.", fix)
    selector = raw.lower() if raw.isascii() else raw
    if len(raw) > NAME_LIMIT or not _SELECTOR.fullmatch(selector):
        word, owner, _ = selector[:RAW_LIMIT].partition("._domainkey")
        if owner and len(word) <= NAME_LIMIT and _SELECTOR.fullmatch(word):
            fix = f"Type {word} only: ._domainkey and the domain are added by us."
        raise Fault(Kind.SELECTOR_INVALID, f"{show_foreign(raw)} is not a selector.", fix)
    if len(domain.under(f"{selector}._domainkey")) > NAME_LIMIT:
        detail = (
            f"{show_foreign(selector)} is too long in front of ._domainkey.{domain.ascii}: names end at 253 octets."
        )
        raise Fault(Kind.SELECTOR_INVALID, detail, "Type a shorter selector, such as lh1.")
    return selector


def parse_label_or_name(raw: object, domain: DomainName, rules: NameRules) -> DomainName:
    """Parse a MAIL FROM name, a label or a full name below the domain; raise Fault(mail-from-invalid)."""
    fix = f"Type one label such as lh, or a name below the domain, such as {show_foreign(domain.under('lh'))}."
    if not isinstance(raw, str) or not raw:
        raise Fault(Kind.MAIL_FROM_INVALID, f"The MAIL FROM name is {_json_type(raw)}, not a name.", fix)
    try:
        name = _parse_name(raw)
        if name.parent() is None:
            name = _parse_name(domain.under(name.ascii))
        if name.is_under(domain):
            _refuse_place(name, rules)
    except Fault as refused:
        detail = f"{show_foreign(raw)} cannot be the MAIL FROM name. {refused.detail}"
        raise Fault(Kind.MAIL_FROM_INVALID, detail, fix) from refused
    if not name.is_under(domain):
        raise Fault(
            Kind.MAIL_FROM_INVALID, f"{show_foreign(raw)} does not lie below {show_foreign(domain.ascii)}.", fix
        )
    # Under RFC 7489 3.2 SPF would never align. Below a suffix that is itself the sender it does by RFC 9989 4.10.2.
    if registrable(name, rules) != registrable(domain, rules) and not is_suffix(domain, rules):
        detail = (
            f"{show_foreign(name.ascii)} lies under a shared suffix, "
            f"so it cannot align with {show_foreign(domain.ascii)}."
        )
        raise Fault(Kind.MAIL_FROM_INVALID, detail, fix)
    return name


def registrable(name: DomainName, rules: NameRules) -> DomainName:
    """Return the organisational domain, one label more than the public suffix; without one the name itself."""
    suffix = public_suffix(name, rules)
    if suffix is None:
        return name
    return DomainName(".".join(name.labels[-(suffix.count(".") + 2) :]))


def is_suffix(name: DomainName, rules: NameRules) -> bool:
    """Tell whether a name is on the Public Suffix List: a registry's, a service's, or a university's or ministry's."""
    return public_suffix(name, rules) == name.ascii


def organisation_of(host: str, suffixes: SuffixRules) -> str:
    """Return the organisational domain of any host name by the public suffix list (RFC 7489 3.2)."""
    labels = host.lower().rstrip(".").split(".")
    suffix = suffixes.publicsuffix(".".join(labels)) or labels[-1]
    return ".".join(labels[-(suffix.count(".") + 2) :])


def show_foreign(text: str) -> str:
    """Return foreign text for a message: quoted, cut to 60 characters, what is not printable as an escape."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:SHOWN_LIMIT])
    cut = "…" if len(text) > SHOWN_LIMIT or len(escaped) > SHOWN_LIMIT else ""
    return f"'{escaped[:SHOWN_LIMIT]}{cut}'"


def _json_type(raw: object) -> str:
    match raw:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "empty" if not raw else "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _parse_name(raw: str) -> DomainName:
    """Parse a host name of at most 253 octets, wherever it may lie."""
    if len(raw) > RAW_LIMIT:  # first of all: normalising and IDNA cost time that a stranger would choose
        detail = f"{show_foreign(raw)} is {len(raw)} characters long; a domain has at most 253."
        raise Fault(Kind.DOMAIN_TOO_LONG, detail, _PLAIN_FIX)
    for at, character in enumerate(raw, 1):
        if unicodedata.category(character) in _UNSEEN and not _joins(raw, at - 1):
            what = "a space" if character == " " else f"U+{ord(character):04X}, a character that is not seen"
            detail = f"{show_foreign(raw)} has {what}, at position {at}; no domain has one."
            raise Fault(Kind.DOMAIN_CHARSET, detail, _fix(raw, _PLAIN_FIX))
    text = _fold(raw).removesuffix(".")
    if "*" in text.split("."):
        detail = f"{show_foreign(text)} is a wildcard; mail is sent from one domain at a time."
        raise Fault(Kind.DOMAIN_WILDCARD, detail, _fix(text, "Type one domain, such as acme.dev."))
    junk = _ASCII_JUNK.search(text)
    if junk:
        raise Fault(Kind.DOMAIN_INVALID, _why_not_host(text, junk[0]), _fix(text, _PLAIN_FIX))
    for label in text.split("."):
        _refuse_label(label, raw)
    name = DomainName(".".join(_a_label(label, raw) for label in text.split(".")))
    shown = name.unicode
    if any(unicodedata.bidirectional(character) in _RTL for character in shown):
        for label in shown.split("."):  # RFC 5893 2: then every label must satisfy the rule
            try:
                idna.check_bidi(label, check_ltr=True)
            except idna.IDNAError as refused:
                raise _not_idna(shown, label, refused) from refused
    if len(name.ascii) > NAME_LIMIT:
        detail = f"{show_foreign(raw)} takes {len(name.ascii)} octets in DNS; a name has at most 253."
        raise Fault(Kind.DOMAIN_TOO_LONG, detail, "Use a shorter name.")
    return name


def _joins(text: str, at: int) -> bool:
    """Tell whether a joiner stands where letters need it (RFC 5892 A.1, A.2)."""
    if text[at] not in "\u200c\u200d":
        return False
    start = text.rfind(".", 0, at) + 1
    label = text[start:].partition(".")[0]
    try:
        return len(label) <= LABEL_LIMIT and idna.valid_contextj(label, at - start)
    except ValueError:  # beside a character that Unicode does not have
        return False


def _fold(text: str) -> str:
    # One character at a time (RFC 5895 2): lower() on the whole makes a final sigma where it sees fit.
    # What folds to itself stays: of Cherokee, IDNA takes the capitals (RFC 5892 2.2). NFC again: lower() may decompose.
    lowered = "".join(c if c.casefold() == c else c.lower() for c in unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", lowered)


def _why_not_host(text: str, junk: str) -> str:
    try:
        ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    else:
        return f"{show_foreign(text)} is an IP address, not a domain."
    if "@" in text:
        return f"{show_foreign(text)} looks like a mail address, not a domain."
    if "/" in text:
        return f"{show_foreign(text)} looks like a web address, not a domain."
    if junk == "_":
        if any(label.startswith("_") for label in text.split(".")):  # RFC 8552 1.1
            return f"{show_foreign(text)} is the name of a record: the part that begins with _ is no domain's."
        return (
            f"{show_foreign(text)} has an underscore. A mail domain has letters, digits and hyphens alone "
            "(RFC 5321 4.1.2), and many servers refuse others."
        )
    return f"{show_foreign(text)} has the character '{junk}', which no domain has."


def _refuse_label(label: str, raw: str) -> None:
    if not label:
        detail = f"{show_foreign(raw)} has a dot at its start or two in a row."
        raise Fault(Kind.DOMAIN_INVALID, detail, _fix(raw, _PLAIN_FIX))
    if len(label) > LABEL_LIMIT:  # an A-label is never shorter than its U-label, so IDNA need not look at it
        raise _label_too_long(label)
    if label.startswith("-") or label.endswith("-"):
        detail = f"{show_foreign(label)} in {show_foreign(raw)} starts or ends with a hyphen; RFC 1123 forbids it."
        raise Fault(Kind.DOMAIN_INVALID, detail, "Take the hyphen away, or type the domain that you registered.")
    if label[2:4] == "--" and not label.startswith("xn--"):  # RFC 5891 4.2.3.1
        detail = (
            f"{show_foreign(label)} in {show_foreign(raw)} has hyphens in third and fourth place, "
            "which RFC 5890 2.3.1 keeps for names like xn--…; programs refuse it."
        )
        fix = "Check the spelling. A name of your own below your domain: choose one without these hyphens."
        raise Fault(Kind.DOMAIN_INVALID, detail, fix)


def _label_too_long(label: str) -> Fault:
    detail = f"{show_foreign(label)} is too long: what stands between two dots has at most 63 octets in DNS."
    return Fault(Kind.DOMAIN_TOO_LONG, detail, "Check the spelling, or use a shorter name.")


def _a_label(label: str, raw: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError as refused:
        if refused.code == "label_too_long":
            raise _label_too_long(label) from refused
        raise _not_idna(raw, label, refused) from refused


def _not_idna(raw: str, label: str, refused: idna.IDNAError) -> Fault:
    if isinstance(refused, idna.IDNABidiError):
        why = f"the part {show_foreign(label)} mixes directions of writing, so it can be misread (RFC 5893)"
    elif refused.codepoint is not None:
        sign = chr(refused.codepoint)
        why = (
            f"{show_foreign(sign)} (U+{refused.codepoint:04X}) may not stand there in {show_foreign(label)} (RFC 5892)"
        )
    else:
        why = f"the part {show_foreign(label)} is not a genuine internationalised label (RFC 5891)"
    fix = "Copy the domain from your registrar, in its xn--… form if it has one."
    if label.startswith("xn--"):
        fix = "Send from a name of IDNA 2008; programs that follow it refuse this one. `letterhead check` looks at it."
    return Fault(Kind.DOMAIN_INVALID_IDN, f"{show_foreign(raw)} is not a domain: {why}.", _fix(raw, fix))


def _refuse_place(name: DomainName, rules: NameRules, *, owns_suffix: bool = False) -> None:
    """Refuse a name for where it lies: reserved, not public, a suffix, the operator's own or a mail provider's."""
    shown = show_foreign(name.ascii)
    # Before the suffixes, of which .onion and home.arpa are also some.
    reserved = None if rules.allow_special_use else _first_at_or_above(name, RESERVED)
    if reserved is not None:
        detail = f"{shown} lies in {reserved}, which is reserved and not in the public DNS."
        raise Fault(Kind.DOMAIN_RESERVED, detail, "Use a domain that you registered.")
    suffix, by_registry = public_suffix(name, rules), rules.icann.publicsuffix(name.ascii, accept_unknown=False)
    if suffix is None or name.parent() is None:
        why = "is a single word" if name.parent() is None else "ends in no known top-level domain"
        detail = f"{shown} {why}, so nobody can look it up."
        raise Fault(Kind.DOMAIN_NOT_PUBLIC, detail, "Type the whole domain, such as acme.dev, and check its spelling.")
    fix = f"Type your own name below it, such as {show_foreign(name.under('acme'))}."
    if by_registry == name.ascii and not owns_suffix:
        detail = f"{shown} is a public suffix: names are registered below it."
        raise Fault(Kind.DOMAIN_PUBLIC_SUFFIX, detail, fix)
    if suffix == name.ascii and not owns_suffix:
        detail = f"{shown} is on the Public Suffix List: others hold the names below it."
        raise Fault(Kind.DOMAIN_SHARED_SUFFIX, detail, fix)
    own = _first_at_or_above(name, rules.forbidden)
    if own is not None:
        detail = f"{shown} lies in {own}, which belongs to this service."
        raise Fault(Kind.DOMAIN_FORBIDDEN, detail, "Use a domain of your own.")
    # By the registries' suffixes alone: yahoo.github.io is somebody else's.
    registered = name.labels[: -(by_registry.count(".") + 1)] if by_registry else ()
    is_brand = registered[-1:] != () and registered[-1] in mailbox_providers.BRANDS
    if is_brand or _first_at_or_above(name, mailbox_providers.NAMES):
        detail = f"{shown} is a mail provider's own: only the provider can publish records there."
        raise Fault(Kind.DOMAIN_FORBIDDEN, detail, "Use a domain that you registered yourself.")


def public_suffix(name: DomainName, rules: NameRules) -> str | None:
    """Return the public suffix that a name is or lies below, of a registry or private; None where there is none."""
    if rules.allow_special_use and name.labels[-1] in SPECIAL_TLDS:
        return name.labels[-1]
    return rules.any_suffix.publicsuffix(name.ascii, accept_unknown=False)


def _first_at_or_above(name: DomainName, names: frozenset[str]) -> str | None:
    labels = name.labels
    above = (".".join(labels[at:]) for at in range(len(labels)))
    return next((each for each in above if each in names), None)


def _fix(raw: str, otherwise: str) -> str:
    """Return a hint with the domain that a web address, a mail address or a record's name has in it, if it has one."""
    text = unicodedata.normalize("NFKC", _fold(raw)).strip()
    text = re.sub(r"^[a-z]+:/*", "", text)  # http://, mailto:
    text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    text = text[text.rfind("_") :].partition(".")[2] if "_" in text else text  # lh1._domainkey.acme.dev
    host = re.split(r"[^a-z0-9.-]", text.lstrip("*."), maxsplit=1)[0].strip(".-")
    is_domain = len(host) <= NAME_LIMIT and _HOST.fullmatch(host) and host != raw
    return f"Type {host} only." if is_domain else otherwise
