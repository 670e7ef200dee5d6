"""Parse the name of a sender domain that somebody adds, and ask DNS where the Public Suffix List alone can't decide."""

from typing import Final, Protocol

from letterhead.core.dns.answers import Question, View
from letterhead.core.dns.lookup import NoRecords, seen_records
from letterhead.core.dns.records import Mx
from letterhead.core.names.domain_names import DomainName, NameRules, parse_domain
from letterhead.core.spf.record import spf_texts
from letterhead.errors import Fault, Kind
from letterhead.operations.dns_questions import allowance
from letterhead.ports.resolver import Resolver

SUFFIXES: Final = (Kind.DOMAIN_PUBLIC_SUFFIX, Kind.DOMAIN_SHARED_SUFFIX)
SECONDS: Final = 5.0  # somebody waits for the answer


class SenderNameNeeds(Protocol):
    """What parsing the name of a new sender needs."""

    @property
    def names(self) -> NameRules: ...
    @property
    def resolver(self) -> Resolver: ...


async def parse_sender(deps: SenderNameNeeds, raw: object) -> DomainName:
    """Parse a sender domain; raise Fault(domain-…).

    A public suffix is refused (nobody sends from github.io), unless mail is sent from the name itself, as universities
    and ministries do that are on the list: then it has an MX or an SPF record. This alone asks DNS.
    """
    try:
        return parse_domain(raw, deps.names)
    except Fault as refused:
        if refused.kind not in SUFFIXES:
            raise
        name = parse_domain(raw, deps.names, owns_suffix=True)
        why = await _why_not_sender(deps.resolver, name.ascii)
        if why is None:
            return name
        fix = f"{refused.fix} If {name} itself is yours, publish its MX or its SPF record first."
        raise Fault(refused.kind, f"{refused.detail} {why}", fix) from refused


async def _why_not_sender(resolver: Resolver, name: str) -> str | None:
    """Return why nothing shows that mail is sent from a name; None where its MX or SPF does."""
    mx, txt = (Question(name=name, rdtype=rdtype, view=View.ONE_RESOLVER) for rdtype in ("MX", "TXT"))
    seen = await resolver.ask([mx, txt], allowance(SECONDS))
    hosts, texts = seen_records(seen, mx), seen_records(seen, txt)
    if not isinstance(hosts, NoRecords) and any(isinstance(each, Mx) and each.exchange for each in hosts):
        return None
    if not isinstance(texts, NoRecords) and spf_texts(texts):
        return None
    if NoRecords.UNKNOWN in (hosts, texts):
        return "Whether it has an MX or an SPF record of its own could not be seen: DNS did not answer."
    return "It has neither an MX nor an SPF record of its own."
