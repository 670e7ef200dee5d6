"""What is to be done about each domain that another program or service has, so that no mail goes unsigned.

A key that the source shows, and that DNS serves, comes along: the records that are published verify at once, and the
source may go on signing beside us. In every other case the domain gets a new key under a new selector, which the
customer publishes beside the old one.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim.key_record import WEAK_BITS, parse_key_record, rsa_bits, without_whitespace
from letterhead.core.imports.found import FoundDomain, FoundKey
from letterhead.core.names.domain_names import DomainName, parse_anywhere, parse_selector
from letterhead.core.secret import Secret
from letterhead.errors import Fault

NEW_KEY: Final = "it gets a new key: publish its record, and leave those that are there"
STAYS: Final = (
    "an Ed25519 key, which can't come along: leave its record while the source signs with it. "
    "LETTERHEAD_ED25519=on, set before the import, gives the domain a new one here (docs/keys.md)"
)
MAY_READ: Final = "import it as a user who may read it, or mend the entry that names it"


class ImportAction(StrEnum):
    """What is to be done about a domain that was found, or why nothing is."""

    ADD_WITH_KEY = "add-with-key"  # with the source's own selector and key
    ADD = "add"  # with a new selector and key
    ADOPT = "adopt"  # its identity at the mail provider becomes ours
    WAIT = "wait"  # something must be published first
    KEEP = "keep"
    REFUSE = "refuse"
    FAILED = "failed"


class KeyReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a private key turned out to be: its public key as a DKIM record has it, or what is wrong with it.

    `is_ed25519`: it is good, and of a kind that is only made here, never taken.
    """

    public_key: str | None = None
    problem: str = ""
    is_ed25519: bool = False


class PlannedImport(msgspec.Struct, frozen=True, kw_only=True):
    """One domain, what is to be done about it, and why; `private_key` goes with `selector`."""

    sender: str
    action: ImportAction
    why: str = ""
    selector: str | None = None
    private_key: Secret | None = None
    has_short_key: bool = False
    mail_from: str | None = None


PublishedTexts = Mapping[str, Sequence[str] | None]  # TXT records by name; None where DNS did not say


def record_host(sender: str, selector: str) -> str:
    """Return the name of a DKIM record."""
    return f"{selector}._domainkey.{sender}"


def plan_imports(
    found: Iterable[FoundDomain], readings: Mapping[str, Sequence[KeyReading]], published: PublishedTexts,
    present: Mapping[str, str],
) -> list[PlannedImport]:  # fmt: skip
    """Return what is to be done about each domain, in the order of the names.

    `readings` are of each domain's keys, by domain. `present` has the selectors of the account's domains.
    """
    planned = [plan_import(each, readings.get(each.sender, ()), published, present) for each in found]
    return sorted(planned, key=lambda each: each.sender)


def plan_import(
    domain: FoundDomain, readings: Sequence[KeyReading], published: PublishedTexts, present: Mapping[str, str]
) -> PlannedImport:
    """Return what is to be done about one domain."""
    try:
        name = parse_anywhere(domain.sender)
    except Fault as fault:
        return PlannedImport(sender=domain.sender, action=ImportAction.REFUSE, why=f"{fault.detail} {fault.fix or ''}")
    if name.ascii in present:
        theirs = [key.selector for key in domain.keys]
        here = present[name.ascii]
        why = "" if here in theirs or not theirs else f"it signs with {here} here, and with {theirs[0]} there"
        return PlannedImport(sender=name.ascii, action=ImportAction.KEEP, why=why)
    if not_read := next((key for key in domain.keys if key.unread), None):
        why = f"{not_read.place} {not_read.unread}: {MAY_READ}"
        return PlannedImport(sender=name.ascii, action=ImportAction.REFUSE, why=why)
    pairs = list(zip(domain.keys, readings, strict=True))
    seconds = [f"the key of {key.selector} is {STAYS}" for key, reading in pairs if reading.is_ed25519]
    reasons = []
    for key, reading in pairs:
        if reading.is_ed25519:
            continue
        problem = why_not(name, key, reading, published)
        if problem is None:
            taken = plan_with_key(name.ascii, key, reading, published)
            return replace(taken, why="; ".join([taken.why, *seconds]))
        reasons.append(problem)
    if domain.is_verified is False:
        reasons.append("it is not verified there")
    why = "; ".join([*dict.fromkeys(reasons), NEW_KEY, *seconds])
    return PlannedImport(sender=name.ascii, action=ImportAction.ADD, why=why)


def why_not(name: DomainName, key: FoundKey, reading: KeyReading, published: PublishedTexts) -> str | None:
    """Return why a key can't come along, or None where it can: an unanswered question to DNS is no reason."""
    if reading.problem or reading.public_key is None:
        return f"the key of {key.selector} {reading.problem or 'is not shown'}"
    try:
        selector = parse_selector(key.selector, name)
    except Fault as fault:
        return fault.detail.rstrip(".")
    host = record_host(name.ascii, selector)
    texts = published.get(host)
    if texts is None:
        return None
    if not texts:
        return f"{host} is not published"
    if not any(holds_key(text, reading.public_key) for text in texts):
        return f"{host} holds another key than {key.place}"
    return None


def holds_key(text: str, public_key: str) -> bool:
    """Return whether a TXT record is a DKIM record of a public key (base64)."""
    record = parse_key_record(text)
    return record is not None and without_whitespace(record.get("p")).rstrip("=") == public_key.rstrip("=")


def plan_with_key(sender: str, key: FoundKey, reading: KeyReading, published: PublishedTexts) -> PlannedImport:
    """Plan a domain that comes with its own key."""
    selector = key.selector.lower()
    host = record_host(sender, selector)
    bits = rsa_bits(base64.b64decode(reading.public_key or "")) or 0
    parts = [f"{host} is published" if published.get(host) else f"DNS did not say whether {host} is published"]
    if is_short := bits < WEAK_BITS:
        parts.append(f"{bits} bits are few: rotate the key once mail is signed here")
    return PlannedImport(
        sender=sender,
        action=ImportAction.ADD_WITH_KEY,
        why="; ".join(parts),
        selector=selector,
        private_key=key.private_key,
        has_short_key=is_short,
    )
