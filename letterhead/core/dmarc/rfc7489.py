"""The verdict of receivers that still go by RFC 7489, which RFC 9989 replaced in 2026, where it is another one.

They take the organisational domain from the public suffix list instead of a tree walk, heed `pct`, and ignore `t`, `np`
and `psd`.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from letterhead.core.dmarc.record import POLICIES, DmarcRecord, parse_dmarc_record
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy, texts_at
from letterhead.core.dns.answers import Seen

WHO: Final = "Receivers that still go by RFC 7489"
DOES: Final = {"none": "deliver", "quarantine": "quarantine", "reject": "reject"}


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """A domain that passed DKIM (`tag` is adkim) or SPF (`tag` is aspf)."""

    domain: str
    tag: str


def difference(
    author: str,
    policy: DiscoveredPolicy | None,
    passed: bool,
    identifiers: Iterable[Identifier],
    organisation: Callable[[str], str],
    seen: Seen,
) -> str | None:
    """Return a sentence on how these receivers judge otherwise; None where they do not, or DNS did not answer.

    `policy` and `passed` are what RFC 9989 finds, `identifiers` what passed SPF or DKIM, aligned or not.
    """
    if any(texts_at(name, seen) is None for name in (author, organisation(author))):
        return None
    at, record = _record(author, organisation, seen)
    if record is None:
        return f"{WHO} find no DMARC policy for {author}." if policy is not None and not passed else None
    aligned = [each.domain for each in identifiers if _is_aligned(each, author, record, organisation)]
    asked = record.policy_of(*(("p",) if at == author else ("sp", "p")))
    if passed:
        if aligned or asked == "none":
            return None
        others = ", ".join(dict.fromkeys(each.domain for each in identifiers))
        return f"{WHO} {DOES[asked]} it: by the public suffix list, {others} is not of the organisation of {author}."
    if aligned:
        return f"{WHO} let it pass: by the public suffix list, {aligned[0]} and {author} are of one organisation."
    return _milder_or_stricter(asked, record, at, policy)


def _record(author: str, organisation: Callable[[str], str], seen: Seen) -> tuple[str, DmarcRecord | None]:
    """Return the record that applies and where it is: at the author's domain, or the organisational one (6.6.3)."""
    for name in dict.fromkeys((author, organisation(author))):
        found = [record for record in map(parse_dmarc_record, texts_at(name, seen) or ()) if record.is_dmarc]
        if found:
            return name, found[0] if len(found) == 1 and found[0].is_enforceable else None
    return author, None


def _is_aligned(identifier: Identifier, author: str, record: DmarcRecord, organisation: Callable[[str], str]) -> bool:
    if identifier.domain == author:
        return True
    return record.keyword(identifier.tag) != "s" and organisation(identifier.domain) == organisation(author)


def _milder_or_stricter(asked: str, record: DmarcRecord, at: str, policy: DiscoveredPolicy | None) -> str | None:
    """Return how a message that fails is treated, where that differs."""
    text = record.keyword("pct", "100")
    share = min(int(text), 100) if text.isdecimal() and len(text) < 4 else 100
    if share < 100 and asked != "none":  # 6.6.4: the others get the next milder policy
        milder = DOES[POLICIES[POLICIES.index(asked) - 1]]
        does = f"{DOES[asked]} only {share} % of such messages and {milder} the rest" if share else f"{milder} it"
        return f"{WHO} {does}: pct={share}, which RFC 9989 does not know, is in the record of {at}."
    applied = policy.applied if policy else "none"
    if asked == applied:
        return None
    return f"{WHO} {DOES[asked]} it: the policy that they take from _dmarc.{at} is {asked}, not {applied}."
