"""Knows what a receiver makes of an SPF record for one mail (check_host, RFC 7208 4), over what was seen. Asks nothing.

Says what is still to be asked; a question is asked only where the terms before it did not decide.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, SeenRecords, resolver_question, seen_records
from letterhead.core.dns.records import Address, Mx, Target
from letterhead.core.message.auth_result import AuthResult, ResultCode, sentence
from letterhead.core.names.host_names import ASKABLE
from letterhead.core.spf.lookups import MAX_EXCHANGES, MAX_LOOKUPS, MAX_VOIDS, display_term
from letterhead.core.spf.macros import Client, expand, wants_name
from letterhead.core.spf.record import SpfRecord, SyntaxProblem, Term, parse, spf_texts

MAX_NAMES: Final = 10  # RFC 7208 4.6.4: of a client's reverse names
QUALIFIERS: Final = {"+": ResultCode.PASS, "-": ResultCode.FAIL, "~": ResultCode.SOFTFAIL, "?": ResultCode.NEUTRAL}
CODES: Final = {
    SyntaxProblem.SYNTAX: "spf.syntax",
    SyntaxProblem.UNKNOWN_MECHANISM: "spf.unknown-mechanism",
    SyntaxProblem.BAD_ADDRESS: "spf.bad-address",
}


class SpfCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what SPF says of one mail; while something is `wanted` it says nothing yet."""

    domain: str
    judgement: AuthResult
    lookups: int = 0
    wanted: tuple[Question, ...] = ()


class _Open(Exception):
    """Ends an evaluation at what was not asked yet."""

    def __init__(self, wanted: Sequence[Question]) -> None:
        self.wanted = tuple(wanted)


class _Broken(Exception):
    """Ends an evaluation by an error of the record's or of DNS's."""

    def __init__(self, judgement: AuthResult) -> None:
        self.judgement = judgement


class _Match(msgspec.Struct, frozen=True, kw_only=True):
    """Says how one record ended: by a term, or by its end."""

    result: ResultCode
    term: Term | None = None


def check_host(client: Client, domain: str, seen: Seen) -> SpfCheck:
    """Judges whether the client may send for a domain."""
    visit = _Evaluation(client, seen)
    try:
        judgement = _told(client, domain, visit.host(domain, ()))
    except _Open as still:
        unknown = AuthResult(result=ResultCode.TEMPERROR, why=_silent(still.wanted[0]))
        return SpfCheck(domain=domain, judgement=unknown, lookups=visit.lookups, wanted=still.wanted)
    except _Broken as broken:
        judgement = broken.judgement
    return SpfCheck(domain=domain, judgement=judgement, lookups=visit.lookups)


def _told(client: Client, domain: str, match: _Match) -> AuthResult:
    """Says in words how the evaluation ended."""
    term = f"“{display_term(match.term)}”" if match.term else "its end"
    of = f"the SPF record of {domain}"
    network = f"ip{'6' if ':' in client.ip else '4'}:{client.ip}"
    allow = f"Send through a server that {of} names, or add {network} (or its service's include:) to it."
    match match.result:
        case ResultCode.PASS if match.term is not None and match.term.matches_all:
            why = sentence(f"{of} lets every server in the world pass: {term}")
            fix = "End it in ~all, and name the servers that send."
            return AuthResult(result=ResultCode.PASS, why=why, code="spf.plus-all", fix=fix)
        case ResultCode.PASS:
            return AuthResult(result=ResultCode.PASS, why=f"{client.ip} may send: {term} in {of} lets it pass.")
        case ResultCode.NONE:
            fix = f"Publish an SPF record at {domain} that names the servers which send."
            return AuthResult(result=ResultCode.NONE, why=f"{domain} has no SPF record.", code=_MISSING, fix=fix)
        case ResultCode.FAIL | ResultCode.SOFTFAIL:
            weight = "must not" if match.result is ResultCode.FAIL else "should not"
            return AuthResult(result=match.result, why=f"{client.ip} {weight} send: {term} in {of}.", fix=allow)
        case _:
            why = sentence(f"{of} says nothing of {client.ip}: it came to {term}")
            return AuthResult(result=ResultCode.NEUTRAL, why=why, code=None if match.term else "spf.no-all", fix=allow)


_MISSING: Final = "mail-from.spf-missing"


def _silent(asked: Question) -> str:
    return f"DNS did not answer for the {asked.rdtype} of {asked.name}; receivers try again later."


class _Evaluation:
    """Evaluates records for one client, and counts what that costs."""

    def __init__(self, client: Client, seen: Seen) -> None:
        self._client, self._seen = client, seen
        self._ip = ip_address(client.ip)
        self.lookups = 0
        self._voids = 0

    def host(self, domain: str, path: tuple[str, ...]) -> _Match:
        """Evaluates a domain's record; `path` are the domains whose records led here."""
        record = self._record(domain)
        if record is None:
            return _Match(result=ResultCode.NONE)
        for term in record.evaluated_terms:
            if term.modifier:
                return self._below(term, domain, path)
            if self._matches(term, domain, path):
                return _Match(result=QUALIFIERS[term.qualifier], term=term)
        return _Match(result=ResultCode.NEUTRAL)  # RFC 7208 4.7

    def _record(self, domain: str) -> SpfRecord | None:
        there = self._ask(domain, "TXT")
        found = spf_texts(there) if isinstance(there, tuple) else []
        if len(found) > 1:
            why = f"{domain} has {len(found)} SPF records, and one is allowed"
            raise _permanent(why, "spf.several-records", f"Leave one SPF record at {domain}, with the terms of all.")
        record = parse(found[0]) if found else None
        mark = record.permanent_error if record else None
        if record is not None and mark is not None:
            part = record.text[slice(*mark.span)][:80]
            why = f"the SPF record of {domain} can't be read: “{part}” {mark.why}"
            raise _permanent(why, CODES[mark.fault], f"Correct “{part}” in the SPF record of {domain}.")
        return record

    def _below(self, term: Term, domain: str, path: tuple[str, ...]) -> _Match:
        """Evaluates the record that an include or a redirect leads to."""
        self._spend(domain)
        target = self._target(term, domain)
        if target in (*path, domain):
            code = "spf.include-loop" if term.name == "include" else "spf.redirect-loop"
            chain = " → ".join((*path, domain, target))
            raise _permanent(f"the SPF records lead in a circle: {chain}", code, f"Take “{display_term(term)}” out.")
        match = self.host(target, (*path, domain))
        if match.result is ResultCode.NONE:  # RFC 7208 5.2 and 6.1
            why = f"“{display_term(term)}” in the SPF record of {domain} leads to {target or 'no name'}, which has none"
            raise _permanent(why, "spf.include-missing", f"Take “{display_term(term)}” out, or correct its name.")
        return match

    def _matches(self, term: Term, domain: str, path: tuple[str, ...]) -> bool:
        match term.name:
            case "all":
                return True
            case "ip4" | "ip6":
                network = ip_network(term.network or "", strict=False)
                return network.version == self._ip.version and self._ip in network
            case "include":
                return self._below(term, domain, path).result is ResultCode.PASS
            case _:
                return self._finds(term, domain)

    def _finds(self, term: Term, domain: str) -> bool:
        """Says whether the client is among what a term looks up."""
        self._spend(domain)
        target = self._target(term, domain)
        match term.name:
            case "a":
                return self._holds(self._addresses([target]), term)
            case "mx":
                return self._holds(self._addresses(self._exchanges(target)), term)
            case "exists":
                return isinstance(self._counted(self._ask(target, "A")), tuple)  # RFC 7208 5.7: A, whatever the family
            case _:  # ptr
                self._counted(self._asked([self._ip.reverse_pointer], "PTR")[0])
                return any(f".{name}".endswith(f".{target}") for name in self._names())

    # --- what is looked up ---

    def _spend(self, domain: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            why = f"the SPF record of {domain} needs more than {MAX_LOOKUPS} lookups with all that it includes"
            raise _permanent(why, "spf.too-many-lookups", "Take out the includes of services that you no longer use.")

    def _counted(self, there: SeenRecords) -> SeenRecords:
        """Counts a term that found nothing (RFC 7208 4.6.4)."""
        if there is NoRecords.VOID:
            self._voids += 1
            if self._voids > MAX_VOIDS:
                why = f"more than {MAX_VOIDS} terms of the SPF record lead to names that hold nothing"
                raise _permanent(why, "spf.void-lookups", "Take out the terms whose names are gone.")
        return there

    def _target(self, term: Term, domain: str) -> str:
        if not term.spec:
            return domain
        name = self._name(domain) if wants_name(term.spec) else ""
        return expand(term.spec, self._client, domain, name)

    def _ask(self, name: str, rdtype: str) -> SeenRecords:
        """Gives what was seen, where DNS told it."""
        there = self._asked([name], rdtype)[0]
        if there is NoRecords.UNKNOWN:
            why = _silent(resolver_question(name, rdtype))
            fix = "Try again in some minutes; if it stays so, look at the nameservers of that name."
            raise _Broken(AuthResult(result=ResultCode.TEMPERROR, why=why, fix=fix))
        return there

    def _asked(self, names: Sequence[str], rdtype: str) -> list[SeenRecords]:
        """Gives what was seen of several names, that of a name which DNS can't hold being nothing (RFC 7208 4.3)."""
        questions = {name: resolver_question(name, rdtype) for name in names if ASKABLE.fullmatch(name)}
        missing = [each for each in questions.values() if each not in self._seen]
        if missing:
            raise _Open(missing)
        return [seen_records(self._seen, questions[name]) if name in questions else NoRecords.VOID for name in names]

    def _exchanges(self, target: str) -> list[str]:
        there = self._ask(target, "MX")
        hosts = [rdata.exchange for rdata in there if isinstance(rdata, Mx)] if isinstance(there, tuple) else []
        if len(hosts) > MAX_EXCHANGES:
            why = f"{target} has {len(hosts)} MX records, and “mx” may look up {MAX_EXCHANGES}"
            raise _permanent(why, "spf.too-many-lookups", "Name the servers by ip4: and ip6: instead of mx.")
        return hosts

    def _addresses(self, names: Sequence[str]) -> list[str]:
        """Looks names' addresses up, of the client's family; counts one void where there is none at all."""
        rdtype = self._client.address_type
        self._asked(names, rdtype)
        seen = [self._ask(name, rdtype) for name in names]
        found = [
            rdata.ip for there in seen if isinstance(there, tuple) for rdata in there if isinstance(rdata, Address)
        ]
        if not found:
            self._counted(NoRecords.VOID)
        return found

    def _holds(self, addresses: Sequence[str], term: Term) -> bool:
        bits = term.prefixes[self._ip.version == 6]
        return any(self._ip in ip_network(f"{address}/{bits}", strict=False) for address in addresses)

    def _names(self) -> list[str]:
        """Lists the client's reverse names that lead back to it (RFC 7208 5.5); DNS errors only make them fewer."""
        there = self._asked([self._ip.reverse_pointer], "PTR")[0]
        told = [rdata.name for rdata in there if isinstance(rdata, Target)] if isinstance(there, tuple) else []
        names = told[:MAX_NAMES]
        seen = self._asked(names, self._client.address_type)
        return [name for name, there in zip(names, seen, strict=True) if self._leads_back(there)]

    def _leads_back(self, there: SeenRecords) -> bool:
        rdatas = there if isinstance(there, tuple) else ()
        return any(isinstance(rdata, Address) and ip_address(rdata.ip) == self._ip for rdata in rdatas)

    def _name(self, domain: str) -> str:
        """Chooses the name of `%{p}`: the domain itself, else one below it, else any (RFC 7208 7.3)."""
        names = self._names()
        near = [name for name in names if f".{name}".endswith(f".{domain}")]
        return domain if domain in names else next(iter([*near, *names]), "unknown")


def _permanent(why: str, code: str, fix: str) -> _Broken:
    return _Broken(AuthResult(result=ResultCode.PERMERROR, why=sentence(why), code=code, fix=fix))
