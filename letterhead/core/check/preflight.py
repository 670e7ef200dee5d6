"""What is in DNS before a domain is added, so that the records to be planned collide with none of it.

Nothing here blocks: the answers are reported as they are.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from letterhead.core.dmarc.tree_walk import DiscoveredPolicy, policy_in_force, question, walk
from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    NoData,
    NxDomain,
    Question,
    Reply,
    Seen,
    Unanswered,
    View,
    Why,
    answering,
    fingerprint,
)
from letterhead.core.dns.records import Mx, display_texts
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.dns_hosts import DnsHost, delegation, host_of
from letterhead.core.spf.corrections import merge_records
from letterhead.core.spf.record import spf_texts

MORE_LABELS = ("lh", "lh-mail", "lh-bounces", "lh2", "lh3")  # besides the one that is set
TYPES = ("MX", "TXT", "A")


class ExistingCname(msgspec.Struct, frozen=True, kw_only=True):
    """A name to be planned that is a CNAME already."""

    host: str
    target: str


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What is there.

    `spf_merged` is the one record to put in the place of several. `dnssec` is "signed", "unsigned", "bogus" or
    "unknown"; `negative_ttl` in seconds, None where it is not known. `mail_from` is the first free MAIL FROM name; None
    where none is free, or where that is not known. `taken` are the MAIL FROM names that are not free, `silent` the
    questions without an answer.
    """

    sender: str
    zone: str | None
    nameservers: tuple[str, ...]
    dns_host: str | None
    spf: tuple[str, ...]
    spf_merged: str | None
    mx: tuple[str, ...]
    aliases: tuple[ExistingCname, ...]
    dmarc: DiscoveredPolicy | None
    wildcard: tuple[str, ...]
    dnssec: str
    negative_ttl: int | None
    mail_from: str | None
    taken: tuple[str, ...]
    silent: tuple[str, ...]


class PreflightInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input: the sender, the first label for its MAIL FROM, other names to be planned.

    Where `our_mx` alone is the MX of a name, it is there because this service planned it, and the name is free.
    """

    sender: str
    label: str
    names: tuple[str, ...]
    our_mx: str | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The MAIL FROM names to choose from, that with the given label first."""
        return tuple(f"{label}.{self.sender}" for label in dict.fromkeys((self.label, *MORE_LABELS)))

    @property
    def control(self) -> str:
        """A name below the sender that does not exist, so that only a wildcard answers there."""
        return f"{UNUSED_LABEL}.{self.sender}"


def questions(given: PreflightInput, seen: Seen) -> tuple[Question, ...]:
    """Return what to ask next; nothing when all is known."""
    sender, delegated = given.sender, delegation(given.sender, seen)
    asked = [Question(name=sender, rdtype="NS", view=View.DELEGATION)]
    asked += [Question(name=sender, rdtype=rdtype, view=View.ONE_RESOLVER) for rdtype in ("TXT", "MX")]
    asked += [_one_server(name, "TXT") for name in given.names]
    asked += [question(name) for name in walk(sender)]
    asked += [_one_server(given.control, rdtype) for rdtype in TYPES]
    if delegated is not None:
        asked.append(Question(name=delegated.zone, rdtype="DS", view=View.ONE_RESOLVER))
        asked.append(Question(name=delegated.zone, rdtype="SOA", view=View.RECURSIVE))
    for name in given.candidates:  # one after the other, until one is free
        first, *others = (_one_server(name, rdtype) for rdtype in TYPES)
        asked.append(first)
        if first not in seen or _is_nonexistent(seen[first]) or _is_ours(given, name, seen):
            break
        asked += others
        if any(each not in seen for each in others) or _is_like_control(given, name, seen):
            break
    return tuple(dict.fromkeys(each for each in asked if each not in seen))


def _one_server(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.ONE_SERVER)


# --- what was seen ----------------------------------------------------------------------------------------------------


def read(given: PreflightInput, seen: Seen, hosts: Sequence[DnsHost] = ()) -> Preflight:
    """Return what the answers say; `hosts` is the table of DNS hosts."""
    delegated = delegation(given.sender, seen)
    servers = tuple(server.name for server in delegated.servers) if delegated else ()
    host = host_of(servers, hosts)
    found = [each.rrset.rdatas for each in _answers(seen, given.sender, "TXT") if isinstance(each, Found)]
    texts = [text for rdatas in found for text in spf_texts(rdatas)]
    mx = sorted(_mx(seen, given.sender), key=lambda each: (each.preference, each.exchange))
    replies = {name: seen.get(_one_server(name, "MX"), ()) for name in given.candidates}
    free = [
        name
        for name in given.candidates
        if _is_nonexistent(replies[name]) or _is_ours(given, name, seen) or _is_like_control(given, name, seen)
    ]
    unanswered = {f"{asked.rdtype} {asked.name}" for asked, replies in seen.items() if not answering(replies)}
    return Preflight(
        sender=given.sender,
        zone=delegated.zone if delegated else None,
        nameservers=servers,
        dns_host=host.name if host else None,
        spf=tuple(texts),
        spf_merged=merge_records(texts) if len(texts) > 1 else None,
        mx=display_texts(mx),
        aliases=tuple(_existing_cnames(given, seen)),
        dmarc=policy_in_force(given.sender, seen),
        wildcard=_wildcard_texts(given, seen),
        dnssec=_dnssec(delegated, seen),
        negative_ttl=_negative_ttl(delegated, seen),
        mail_from=free[0] if free else None,
        taken=tuple(name for name in given.candidates if answering(replies[name]) and name not in free),
        silent=tuple(sorted(unanswered)),
    )


def _answers(seen: Seen, name: str, rdtype: str) -> list[Answer]:
    views = (View.ONE_RESOLVER, View.ONE_SERVER)
    return [reply.answer for view in views for reply in seen.get(Question(name=name, rdtype=rdtype, view=view), ())]


def _mx(seen: Seen, name: str) -> list[Mx]:
    found = [each.rrset.rdatas for each in _answers(seen, name, "MX") if isinstance(each, Found)]
    return [rdata for rdatas in found for rdata in rdatas if isinstance(rdata, Mx)]


def _existing_cnames(given: PreflightInput, seen: Seen) -> Iterator[ExistingCname]:
    """Return the CNAMEs at names to be planned; one that a wildcard has at all names is only reported as a wildcard."""
    synthesised = {fingerprint(each) for each in _answers(seen, given.control, "TXT")}
    for name in (*given.names, *given.candidates):
        answers = [*_answers(seen, name, "TXT"), *_answers(seen, name, "MX")]
        for answer in answers:
            if isinstance(answer, Found | Aliased) and answer.aliases and fingerprint(answer) not in synthesised:
                yield ExistingCname(host=name, target=answer.aliases[0])
                break


def _wildcard_texts(given: PreflightInput, seen: Seen) -> tuple[str, ...]:
    """Return what a wildcard has at a name that does not exist."""
    texts: list[str] = []
    for rdtype in TYPES:
        for answer in _answers(seen, given.control, rdtype):
            if isinstance(answer, Found | Aliased) and answer.aliases:
                texts.append(f"CNAME {answer.aliases[0]}")
            elif isinstance(answer, Found):
                texts += (f"{rdtype} {text}" for text in display_texts(answer.rrset.rdatas))
    return tuple(dict.fromkeys(texts))


def _is_ours(given: PreflightInput, name: str, seen: Seen) -> bool:
    return given.our_mx is not None and {each.exchange for each in _mx(seen, name)} == {given.our_mx}


def _is_nonexistent(replies: Iterable[Reply]) -> bool:
    answers = [reply.answer for reply in answering(replies)]
    return bool(answers) and all(isinstance(answer, NxDomain) for answer in answers)


def _is_like_control(given: PreflightInput, name: str, seen: Seen) -> bool:
    """Tell whether a wildcard alone answers at a name: our own records there end that (RFC 4592 2.2)."""
    pairs = [(_fingerprints(seen, name, rdtype), _fingerprints(seen, given.control, rdtype)) for rdtype in TYPES]
    some = any(isinstance(each, Found | Aliased) for rdtype in TYPES for each in _answers(seen, name, rdtype))
    return some and all(here and here == there for here, there in pairs)


def _fingerprints(seen: Seen, name: str, rdtype: str) -> set[bytes]:
    found = (fingerprint(each) for each in _answers(seen, name, rdtype))
    return {each for each in found if each is not None}


def _dnssec(delegated: Delegated | None, seen: Seen) -> str:
    if delegated is None:
        return "unknown"
    asked = Question(name=delegated.zone, rdtype="SOA", view=View.RECURSIVE)
    if any(isinstance(reply.answer, Unanswered) and reply.answer.why is Why.BOGUS for reply in seen.get(asked, ())):
        return "bogus"
    for answer in _answers(seen, delegated.zone, "DS"):
        if isinstance(answer, Found):
            return "signed"
        if isinstance(answer, NoData | NxDomain):
            return "unsigned"
    return "unknown"


def _negative_ttl(delegated: Delegated | None, seen: Seen) -> int | None:
    """Return for how long caches keep that a record is missing (RFC 2308 5): from a negative answer, else the SOA."""
    if delegated is None:
        return None
    for replies in seen.values():
        for reply in replies:
            if isinstance(reply.answer, NxDomain | NoData) and reply.perspective.zone == delegated.zone:
                return reply.answer.negative_ttl
    return delegated.negative_ttl or None
