"""The DMARC record that applies to a domain, found by the tree walk of RFC 9989 4.10 over what was seen in DNS."""

from collections.abc import Mapping

import msgspec

from letterhead.core.dmarc.record import POLICIES, DmarcRecord, parse_dmarc_record
from letterhead.core.dns.answers import Found, NxDomain, Question, Seen, Unanswered, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Txt

MOST_LABELS = 7  # RFC 9989 4.10: after the first query, no name has more; so there are eight queries at most
TRUSTED_FIRST = (View.EVERY_SERVER, View.TWO_SERVERS, View.ONE_SERVER, View.ONE_RESOLVER, View.RECURSIVE)


class DiscoveredPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that receivers are asked to apply to mail from `sender`, and the record that asks for it.

    `domain` is where the record was found, `name` its owner name, `asked` the policy of the tag that applies (`p`,
    `sp` or `np`), `applied` what that means: with `t=y` it is one step milder (RFC 9989 4.7).
    """

    sender: str
    domain: str
    name: str
    text: str
    asked: str
    applied: str
    strict_dkim: bool = False
    strict_spf: bool = False

    @property
    def is_inherited(self) -> bool:
        """Return whether it is the record of another name."""
        return self.domain != self.sender


def walk(domain: str) -> tuple[str, ...]:
    """Return the domains that a tree walk queries, in its order, the domain itself first."""
    above = domain.split(".")[1:][-MOST_LABELS:]
    return (domain, *(".".join(above[at:]) for at in range(len(above))))


def question(domain: str, view: View = View.ONE_RESOLVER) -> Question:
    """Ask for the DMARC record of a domain."""
    return Question(name=f"_dmarc.{domain}", rdtype="TXT", view=view)


def policy_in_force(sender: str, seen: Seen) -> DiscoveredPolicy | None:
    """Return the policy that applies to mail from a domain; None where none does, or where DNS did not answer."""
    if texts_at(sender, seen) is None:
        return None
    records = _records(sender, seen)
    domain = sender if sender in records else _organisational_domain(sender, records)
    if domain not in records:  # RFC 9989 4.10.1: then that of the public suffix
        domain = next((name for name, record in records.items() if record.keyword("psd") == "y"), domain)
    record = records.get(domain)
    if record is None or not record.is_enforceable:
        return None
    tags = ("p",) if domain == sender else ("sp", "p") if exists(sender, seen) else ("np", "sp", "p")
    asked = record.policy_of(*tags)
    milder = POLICIES[max(0, POLICIES.index(asked) - 1)]
    return DiscoveredPolicy(
        sender=sender,
        domain=domain,
        name=f"_dmarc.{domain}",
        text=record.text,
        asked=asked,
        applied=milder if record.keyword("t") == "y" else asked,
        strict_dkim=record.keyword("adkim") == "s",
        strict_spf=record.keyword("aspf") == "s",
    )


def is_without_policy(sender: str, seen: Seen) -> bool:
    """Return whether no policy applies to mail from a domain for certain: each name of the walk has answered."""
    return policy_in_force(sender, seen) is None and all(texts_at(name, seen) is not None for name in walk(sender))


def organisational_domain(domain: str, seen: Seen) -> str:
    """Return the organisational domain (RFC 9989 4.10.2), as far as the names of the domain's walk were seen."""
    return _organisational_domain(domain, _records(domain, seen))


def texts_at(domain: str, seen: Seen) -> tuple[str, ...] | None:
    """Return the texts of the TXT records at a domain's DMARC name.

    None where DNS did not answer, or a record there is too long to be read: which policy applies is not known then.
    """
    for view in TRUSTED_FIRST:
        for reply in follow_aliases(seen, question(domain, view)):
            if isinstance(reply.answer, Found):
                texts = tuple(each.text for each in reply.answer.rrset.rdatas if isinstance(each, Txt))
                return None if any(map(is_unread, texts)) else texts
            if not isinstance(reply.answer, Unanswered):
                return ()
    return None


def is_unread(text: str) -> bool:
    """Return whether a text is a DMARC record that is too long to be read."""
    record = parse_dmarc_record(text)
    return record.is_dmarc and record.too_long


def _records(domain: str, seen: Seen) -> dict[str, DmarcRecord]:
    """Return the valid records of a walk, which ends at the first with `psd`, by domain."""
    records: dict[str, DmarcRecord] = {}
    for name in walk(domain):
        found = [record for record in map(parse_dmarc_record, texts_at(name, seen) or ()) if record.is_dmarc]
        if len(found) == 1 and found[0].is_valid:  # RFC 9989 4.10: several at one name are all discarded
            records[name] = found[0]
            if found[0].keyword("psd") in ("y", "n"):
                break
    return records


def _organisational_domain(domain: str, records: Mapping[str, DmarcRecord]) -> str:
    for name, record in records.items():  # from the longest name to the shortest
        if record.keyword("psd") == "n":
            return name
        if record.keyword("psd") == "y" and name != domain:
            below = domain.removesuffix(f".{name}").rpartition(".")[2]
            return f"{below}.{name}"
    return min(records, key=lambda name: name.count("."), default=domain)


def exists(domain: str, seen: Seen) -> bool:
    """Return whether a name exists as far as was seen: NXDOMAIN for any type denies it (RFC 8020)."""
    for asked, replies in seen.items():
        if asked.name == domain and any(isinstance(reply.answer, NxDomain) for reply in replies):
            return False
    return True
