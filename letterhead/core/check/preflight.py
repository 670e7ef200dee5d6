"""Knows what is worth reading of a domain before anything is added to it, and what follows for what will be planned.

Judges nothing and blocks nothing: it tells what is there, so that what we ask for collides with none of it.
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
from letterhead.core.spf.record import merge_records, spf_texts

MORE_LABELS = ("lh", "lh-mail", "lh-bounces", "lh2", "lh3")  # beside the one that is set
TYPES = ("MX", "TXT", "A")


class ExistingCname(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a name that we would use is a CNAME."""

    host: str
    target: str


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what is there.

    `spf_merged` is the one record to put in the place of several. `dnssec` is "signed", "unsigned", "bogus" or
    "unknown"; `negative_ttl` in seconds, None where nobody told. `mail_from` is free; None where no name tried is, or
    where nobody told. `taken` are the MAIL FROM names that are not free, `silent` what could not be asked.
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
    """Says what a preflight is about: the sender, the first label for its MAIL FROM, names that would be used.

    Where `our_mx` alone is the MX of a name, it is there because we asked for it, and the name is free for us.
    """

    sender: str
    label: str
    names: tuple[str, ...]
    our_mx: str | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names the MAIL FROM domains to choose from, the wished one first."""
        return tuple(f"{label}.{self.sender}" for label in dict.fromkeys((self.label, *MORE_LABELS)))


def questions(wanted: PreflightInput, seen: Seen) -> tuple[Question, ...]:
    """Says what to ask next; nothing when all is known."""
    asked = [*_first(wanted), *_of_zone(wanted, seen), *_of_candidates(wanted, seen)]
    return tuple(dict.fromkeys(each for each in asked if each not in seen))


def _first(wanted: PreflightInput) -> Iterator[Question]:
    sender = wanted.sender
    yield Question(name=sender, rdtype="NS", view=View.DELEGATION)
    yield from (Question(name=sender, rdtype=rdtype, view=View.ONE_RESOLVER) for rdtype in ("TXT", "MX"))
    yield from (Question(name=name, rdtype="TXT", view=View.ONE_SERVER) for name in wanted.names)
    yield from (question(name) for name in walk(sender))
    yield from (_at(_nobody(wanted), rdtype) for rdtype in TYPES)


def _of_zone(wanted: PreflightInput, seen: Seen) -> Iterator[Question]:
    told = delegation(wanted.sender, seen)
    if told is not None:
        yield Question(name=told.zone, rdtype="DS", view=View.ONE_RESOLVER)
        yield Question(name=told.zone, rdtype="SOA", view=View.RECURSIVE)


def _of_candidates(wanted: PreflightInput, seen: Seen) -> Iterator[Question]:
    """Asks for one name after the other, until one is free."""
    for name in wanted.candidates:
        asked = [_at(name, rdtype) for rdtype in TYPES]
        yield asked[0]
        if asked[0] not in seen:
            return
        if _is_gone(seen[asked[0]]) or _is_ours(wanted, name, seen):
            return
        yield from asked[1:]
        if any(each not in seen for each in asked) or _as_wildcard(wanted, name, seen):
            return


def _at(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.ONE_SERVER)


def _nobody(wanted: PreflightInput) -> str:
    return f"{UNUSED_LABEL}.{wanted.sender}"


# --- what was seen ----------------------------------------------------------------------------------------------------


def read(wanted: PreflightInput, seen: Seen, hosts: Sequence[DnsHost] = ()) -> Preflight:
    """Reads the answers."""
    told = delegation(wanted.sender, seen)
    servers = tuple(server.name for server in told.servers) if told else ()
    panel = host_of(servers, hosts)
    texts = [text for answer in _answers(seen, wanted.sender, "TXT") for text in _spf(answer)]
    free = [name for name in wanted.candidates if _is_free(wanted, name, seen)]
    known = [name for name in wanted.candidates if answering(seen.get(_at(name, "MX"), ()))]
    return Preflight(
        sender=wanted.sender,
        zone=told.zone if told else None,
        nameservers=servers,
        dns_host=panel.name if panel else None,
        spf=tuple(texts),
        spf_merged=merge_records(texts) if len(texts) > 1 else None,
        mx=_mx(seen, wanted.sender),
        aliases=tuple(_aliases(wanted, seen)),
        dmarc=policy_in_force(wanted.sender, seen),
        wildcard=_wildcard(wanted, seen),
        dnssec=_dnssec(told, seen),
        negative_ttl=_negative_ttl(told, seen),
        mail_from=free[0] if free else None,
        taken=tuple(name for name in known if name not in free),
        silent=tuple(sorted({f"{asked.rdtype} {asked.name}" for asked, replies in seen.items() if _silent(replies)})),
    )


def _answers(seen: Seen, name: str, rdtype: str) -> list[Answer]:
    views = (View.ONE_RESOLVER, View.ONE_SERVER)
    return [reply.answer for view in views for reply in seen.get(Question(name=name, rdtype=rdtype, view=view), ())]


def _spf(answer: Answer) -> list[str]:
    return spf_texts(answer.rrset.rdatas) if isinstance(answer, Found) else []


def _mx(seen: Seen, name: str) -> tuple[str, ...]:
    found = [each for each in _answers(seen, name, "MX") if isinstance(each, Found)]
    hosts = sorted(
        (rdata for each in found for rdata in each.rrset.rdatas if isinstance(rdata, Mx)),
        key=lambda rdata: (rdata.preference, rdata.exchange),
    )
    return display_texts(hosts)


def _aliases(wanted: PreflightInput, seen: Seen) -> Iterator[ExistingCname]:
    """Finds CNAMEs at names that we would use; what a wildcard says at all names is told once, as a wildcard."""
    nobody = {fingerprint(each) for each in _answers(seen, _nobody(wanted), "TXT")}
    for name in (*wanted.names, *wanted.candidates):
        for rdtype in ("TXT", "MX"):
            for answer in _answers(seen, name, rdtype):
                if isinstance(answer, Found | Aliased) and answer.aliases and fingerprint(answer) not in nobody:
                    yield ExistingCname(host=name, target=answer.aliases[0])
                    break
            else:
                continue
            break


def _wildcard(wanted: PreflightInput, seen: Seen) -> tuple[str, ...]:
    """Tells what a name that nobody published answers."""
    told: list[str] = []
    for rdtype in TYPES:
        for answer in _answers(seen, _nobody(wanted), rdtype):
            if isinstance(answer, Found | Aliased) and answer.aliases:
                told.append(f"CNAME {answer.aliases[0]}")
            elif isinstance(answer, Found):
                told += (f"{rdtype} {text}" for text in display_texts(answer.rrset.rdatas))
    return tuple(dict.fromkeys(told))


def _is_free(wanted: PreflightInput, name: str, seen: Seen) -> bool:
    gone = _is_gone(seen.get(_at(name, "MX"), ()))
    return gone or _is_ours(wanted, name, seen) or _as_wildcard(wanted, name, seen)


def _is_ours(wanted: PreflightInput, name: str, seen: Seen) -> bool:
    found = [each for each in _answers(seen, name, "MX") if isinstance(each, Found)]
    hosts = {rdata.exchange for each in found for rdata in each.rrset.rdatas if isinstance(rdata, Mx)}
    return wanted.our_mx is not None and hosts == {wanted.our_mx}


def _is_gone(replies: Iterable[Reply]) -> bool:
    answers = [reply.answer for reply in answering(replies)]
    return bool(answers) and all(isinstance(answer, NxDomain) for answer in answers)


def _as_wildcard(wanted: PreflightInput, name: str, seen: Seen) -> bool:
    """Says whether a name answers just as one that nobody published: our own records end that there (RFC 4592 2.2)."""
    pairs = [(_fingerprints(seen, name, rdtype), _fingerprints(seen, _nobody(wanted), rdtype)) for rdtype in TYPES]
    some = any(isinstance(each, Found | Aliased) for rdtype in TYPES for each in _answers(seen, name, rdtype))
    return some and all(here and here == there for here, there in pairs)


def _fingerprints(seen: Seen, name: str, rdtype: str) -> set[bytes]:
    found = (fingerprint(each) for each in _answers(seen, name, rdtype))
    return {each for each in found if each is not None}


def _dnssec(told: Delegated | None, seen: Seen) -> str:
    if told is None:
        return "unknown"
    asked = Question(name=told.zone, rdtype="SOA", view=View.RECURSIVE)
    if any(isinstance(reply.answer, Unanswered) and reply.answer.why is Why.BOGUS for reply in seen.get(asked, ())):
        return "bogus"
    for answer in _answers(seen, told.zone, "DS"):
        if isinstance(answer, Found):
            return "signed"
        if isinstance(answer, NoData | NxDomain):
            return "unsigned"
    return "unknown"


def _negative_ttl(told: Delegated | None, seen: Seen) -> int | None:
    """Says for how long a missing record is remembered (RFC 2308 5), as a negative answer says it, else the SOA."""
    for replies in seen.values():
        for reply in replies:
            negative = isinstance(reply.answer, NxDomain | NoData)
            if told is not None and negative and reply.perspective.zone == told.zone:
                return reply.answer.negative_ttl  # type: ignore[union-attr]
    return told.negative_ttl or None if told else None


def _silent(replies: Iterable[Reply]) -> bool:
    return not answering(replies)
