"""Knows which DMARC record applies to a domain: the tree walk of RFC 9989 4.10, over what was seen. Asks nothing."""

from collections.abc import Iterator, Mapping

import msgspec

from letterhead.core.dmarc.record import POLICIES, DmarcRecord, parse
from letterhead.core.dns.answers import Found, NxDomain, Question, Seen, Unanswered, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Txt

MOST_LABELS = 7  # RFC 9989 4.10: after the first look, no name has more; so there are eight looks at most
TRUSTED_FIRST = (View.EVERY_SERVER, View.TWO_SERVERS, View.ONE_SERVER, View.ONE_RESOLVER, View.RECURSIVE)


class DiscoveredPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Says which policy receivers are asked to apply to mail from `sender`, and why.

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
        """Says whether another name's record applies."""
        return self.domain != self.sender


def walk(domain: str) -> tuple[str, ...]:
    """Lists the domains that a tree walk looks at, in its order, the domain itself first."""
    above = domain.split(".")[1:][-MOST_LABELS:]
    return (domain, *(".".join(above[at:]) for at in range(len(above))))


def question(domain: str, view: View = View.ONE_RESOLVER) -> Question:
    """Asks for a domain's DMARC record."""
    return Question(name=f"_dmarc.{domain}", rdtype="TXT", view=view)


def policy_in_force(sender: str, seen: Seen) -> DiscoveredPolicy | None:
    """Finds the record that applies to mail from a domain; nothing where none does, or too little was seen."""
    if texts_at(sender, seen) is None:
        return None
    records = _records(sender, seen)
    domain = sender if sender in records else _policy_domain(sender, records)
    record = records.get(domain) if domain else None
    if domain is None or record is None or not record.enforceable:
        return None
    return _policy(sender, domain, record, seen)


def _policy(sender: str, domain: str, record: DmarcRecord, seen: Seen) -> DiscoveredPolicy:
    asked = record.asked_of(
        *(("p",) if domain == sender else ("sp", "p") if exists(sender, seen) else ("np", "sp", "p"))
    )
    milder = POLICIES[max(0, POLICIES.index(asked) - 1)]
    return DiscoveredPolicy(
        sender=sender,
        domain=domain,
        name=f"_dmarc.{domain}",
        text=record.text,
        asked=asked,
        applied=milder if record.word("t") == "y" else asked,
        strict_dkim=record.word("adkim") == "s",
        strict_spf=record.word("aspf") == "s",
    )


def organisational_domain(domain: str, seen: Seen) -> str:
    """Finds a domain's organisational domain (RFC 9989 4.10.2), as far as the names of its walk were seen."""
    return _organisational(domain, _records(domain, seen))


def texts_at(domain: str, seen: Seen) -> tuple[str, ...] | None:
    """Gives the TXT at a domain's DMARC name; nothing where that is not known."""
    for view in TRUSTED_FIRST:
        for reply in follow_aliases(seen, question(domain, view)):
            if isinstance(reply.answer, Found):
                return tuple(each.text for each in reply.answer.rrset.rdatas if isinstance(each, Txt))
            if not isinstance(reply.answer, Unanswered):
                return ()
    return None


def _records(domain: str, seen: Seen) -> dict[str, DmarcRecord]:
    """Gathers the valid records of a walk, which ends at the first that says what kind of domain it stands at."""
    return dict(_walked(domain, seen))


def _walked(domain: str, seen: Seen) -> Iterator[tuple[str, DmarcRecord]]:
    for name in walk(domain):
        current = [record for record in map(parse, texts_at(name, seen) or ()) if record.current]
        if len(current) == 1 and current[0].valid:  # RFC 9989 4.10: several at one name are all discarded
            yield name, current[0]
            if current[0].word("psd") in ("y", "n"):
                return


def _policy_domain(sender: str, records: Mapping[str, DmarcRecord]) -> str | None:
    """Chooses between the organisational domain's record and the public suffix's (RFC 9989 4.10.1)."""
    domain = _organisational(sender, records)
    suffixes = (name for name, record in records.items() if record.word("psd") == "y")
    return domain if domain in records else next(suffixes, None)


def _organisational(domain: str, records: Mapping[str, DmarcRecord]) -> str:
    for name, record in records.items():  # from the longest name to the shortest
        if record.word("psd") == "n":
            return name
        if record.word("psd") == "y" and name != domain:
            below = domain.removesuffix(f".{name}").rpartition(".")[2]
            return f"{below}.{name}"
    return min(records, key=lambda name: name.count("."), default=domain)


def exists(domain: str, seen: Seen) -> bool:
    """Says whether a name exists, as far as we know: RFC 8020, what does not exist has nothing below it either."""
    replies = (reply for asked, told in seen.items() if asked.name == domain for reply in told)
    return not any(isinstance(reply.answer, NxDomain) for reply in replies)
