"""Names that are only looked at: everything that DNS takes, where adding a domain asks for more (RFC 2181 11)."""

import re
from typing import Final

import idna

from letterhead.core.names.domain_names import DomainName, parse_anywhere, parse_selector
from letterhead.core.names.host_names import ASKABLE, NAME_LIMIT, NUMBER

_LABELS: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def parse_lookup_name(raw: str) -> DomainName:
    """Parse a domain to look at, with underscores and any xn-- label; raise Fault(domain-…)."""
    text = raw.lower().removesuffix(".") if raw.isascii() else ""
    labels = text.split(".")
    is_record = any(label.startswith("_") for label in labels)  # lh1._domainkey.acme.dev: refused with its domain
    if ASKABLE.fullmatch(text) and not NUMBER.fullmatch(labels[-1]) and not is_record:
        return DomainName(text)
    return parse_anywhere(raw)


def parse_lookup_selector(raw: str, domain: DomainName) -> str:
    """Parse a selector to look at, or the name of its record; raise Fault(selector-invalid)."""
    selector = raw.partition("._domainkey")[0].lower()
    if raw.isascii() and _LABELS.fullmatch(selector) and len(domain.under(f"{selector}._domainkey")) <= NAME_LIMIT:
        return selector
    return parse_selector(raw, domain)


def foreign_label(name: str) -> str | None:
    """Return the first xn-- label that is none of IDNA 2008 (RFC 5891 5.4), such as an emoji's; None without one."""
    for label in name.split("."):
        try:
            if label.startswith("xn--"):
                idna.ulabel(label)
        except UnicodeError:
            return label
    return None
