"""The evaluation of an SPF record for one client (check_host(), RFC 7208 4), over what was seen in DNS.

The result names the questions that are still open: only those of a term that the terms before it leave undecided.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, SeenRecords, resolver_question, seen_records
from letterhead.core.dns.records import Address, Mx, Rdata, Target
from letterhead.core.message.auth_result import AuthResult, ResultCode, to_sentence
from letterhead.core.names.host_names import question_name
from letterhead.core.spf.lookups import MAX_EXCHANGES, MAX_LOOKUPS, MAX_VOIDS, display_term
from letterhead.core.spf.macros import Client, expand, needs_name
from letterhead.core.spf.record import SyntaxProblem, Term, parse_spf_record, spf_texts

MAX_NAMES: Final = 10  # RFC 7208 4.6.4: of a client's reverse names
QUALIFIERS: Final = {"+": ResultCode.PASS, "-": ResultCode.FAIL, "~": ResultCode.SOFTFAIL, "?": ResultCode.NEUTRAL}
MISSING: Final = "mail-from.spf-missing"
CODES: Final = {
    SyntaxProblem.SYNTAX: "spf.syntax",
    SyntaxProblem.UNKNOWN_MECHANISM: "spf.unknown-mechanism",
    SyntaxProblem.BAD_ADDRESS: "spf.bad-address",
    SyntaxProblem.NOT_READ: "spf.not-read",
}


class SpfCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The SPF result for one message; it is none yet while questions are `wanted`."""

    domain: str
    judgement: AuthResult
    lookups: int = 0
    wanted: tuple[Question, ...] = ()


class _QuestionOpen(Exception):
    """Raised where the evaluation needs an answer that was not asked for yet."""

    def __init__(self, wanted: Sequence[Question]) -> None:
        self.wanted = tuple(wanted)


class _EvaluationError(Exception):
    """Raised for a permerror or a temperror (RFC 7208 2.6.6, 2.6.7)."""

    def __init__(self, judgement: AuthResult) -> None:
        self.judgement = judgement


class _CheckHostResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one record, and the term that matched; None where no term did."""

    result: ResultCode
    term: Term | None = None


def check_host(client: Client, domain: str, seen: Seen) -> SpfCheck:
    """Evaluate whether the client may send for a domain."""
    evaluation = _Evaluation(client, seen)
    try:
        judgement = _describe(client, domain, evaluation.check(domain, ()))
    except _QuestionOpen as still:
        unknown = AuthResult(result=ResultCode.TEMPERROR, why=_no_answer_text(still.wanted[0]))
        return SpfCheck(domain=domain, judgement=unknown, lookups=evaluation.lookups, wanted=still.wanted)
    except _EvaluationError as error:
        judgement = error.judgement
    return SpfCheck(domain=domain, judgement=judgement, lookups=evaluation.lookups)


def _describe(client: Client, domain: str, found: _CheckHostResult) -> AuthResult:
    """Return the result of an evaluation with the reason for it, and the fix."""
    term = f"“{display_term(found.term)}”" if found.term else "its end"
    of = f"the SPF record of {domain}"
    network = f"ip{'6' if ':' in client.ip else '4'}:{client.ip}"
    allow = f"Send through a server that {of} names, or add {network} (or its service's include:) to it."
    match found.result:
        case ResultCode.PASS if found.term is not None and found.term.matches_all:
            why = to_sentence(f"{of} lets every server in the world pass: {term}")
            fix = "End it in ~all, and name the servers that send."
            return AuthResult(result=ResultCode.PASS, why=why, code="spf.plus-all", fix=fix)
        case ResultCode.PASS:
            return AuthResult(result=ResultCode.PASS, why=f"{client.ip} may send: {term} in {of} lets it pass.")
        case ResultCode.NONE:
            fix = f"Publish an SPF record at {domain} that names the servers which send."
            return AuthResult(result=ResultCode.NONE, why=f"{domain} has no SPF record.", code=MISSING, fix=fix)
        case ResultCode.FAIL | ResultCode.SOFTFAIL:
            weight = "must not" if found.result is ResultCode.FAIL else "should not"
            return AuthResult(result=found.result, why=f"{client.ip} {weight} send: {term} in {of}.", fix=allow)
        case _:
            why = to_sentence(f"{of} says nothing of {client.ip}: it came to {term}")
            return AuthResult(result=ResultCode.NEUTRAL, why=why, code=None if found.term else "spf.no-all", fix=allow)


def _no_answer_text(question: Question) -> str:
    return f"DNS did not answer for the {question.rdtype} of {question.name}; receivers try again later."


class _Evaluation:
    """One evaluation for a client, with the count of its lookups."""

    def __init__(self, client: Client, seen: Seen) -> None:
        self._client, self._seen = client, seen
        self._ip = ip_address(client.ip)
        self.lookups = 0
        self._voids = 0

    def check(self, domain: str, path: tuple[str, ...]) -> _CheckHostResult:
        """Evaluate a domain's record; `path` are the domains whose records lead to it."""
        found = spf_texts(_rdatas(self._records(domain, "TXT")))
        if not found:
            return _CheckHostResult(result=ResultCode.NONE)
        if len(found) > 1:
            why = f"{domain} has {len(found)} SPF records, and one is allowed"
            raise _permerror(why, "spf.several-records", f"Leave one SPF record at {domain}, with the terms of all.")
        record = parse_spf_record(found[0])
        mark = record.permanent_error
        if mark is not None and mark.problem is SyntaxProblem.NOT_READ:
            why = to_sentence(
                f"the SPF record of {domain} is longer than this service reads, so nothing is known of it"
            )
            fix = f"Shorten the SPF record of {domain} to 450 characters."
            raise _EvaluationError(AuthResult(result=ResultCode.TEMPERROR, why=why, code=CODES[mark.problem], fix=fix))
        if mark is not None:
            part = record.text[slice(*mark.span)][:80]
            why = f"the SPF record of {domain} can't be read: “{part}” {mark.why}"
            raise _permerror(why, CODES[mark.problem], f"Correct “{part}” in the SPF record of {domain}.")
        for term in record.evaluated_terms:
            if term.modifier:
                return self._follow(term, domain, path)
            if self._matches(term, domain, path):
                return _CheckHostResult(result=QUALIFIERS[term.qualifier], term=term)
        return _CheckHostResult(result=ResultCode.NEUTRAL)  # RFC 7208 4.7

    def _follow(self, term: Term, domain: str, path: tuple[str, ...]) -> _CheckHostResult:
        """Evaluate the record to which an include or a redirect leads."""
        self._count_lookup(domain)
        target = self._target(term, domain)
        if target in (*path, domain):
            code = "spf.include-loop" if term.name == "include" else "spf.redirect-loop"
            chain = " → ".join((*path, domain, target))
            raise _permerror(f"the SPF records lead in a circle: {chain}", code, f"Take “{display_term(term)}” out.")
        found = self.check(target, (*path, domain))
        if found.result is ResultCode.NONE:  # RFC 7208 5.2 and 6.1
            why = f"“{display_term(term)}” in the SPF record of {domain} leads to {target or 'no name'}, which has none"
            raise _permerror(why, "spf.include-missing", f"Take “{display_term(term)}” out, or correct its name.")
        return found

    def _matches(self, term: Term, domain: str, path: tuple[str, ...]) -> bool:
        if term.name == "all":
            return True
        if term.network is not None:  # ip4, ip6
            network = ip_network(term.network, strict=False)
            return network.version == self._ip.version and self._ip in network
        if term.name == "include":
            return self._follow(term, domain, path).result is ResultCode.PASS
        self._count_lookup(domain)
        target = self._target(term, domain)
        match term.name:
            case "a":
                if not _rdatas(self._records(target, self._client.address_type)):
                    # An address of the other family keeps the term from being void: 4.6.4 counts terms, not queries.
                    self._count_void(self._records(target, self._client.other_address_type))
                return self._matches_address([target], term)
            case "mx":
                rdatas = _rdatas(self._count_void(self._records(target, "MX")))
                hosts = [rdata.exchange for rdata in rdatas if isinstance(rdata, Mx)]
                if len(hosts) > MAX_EXCHANGES:
                    why = f"{target} has {len(hosts)} MX records, and “mx” may look up {MAX_EXCHANGES}"
                    fix = "Name the servers by ip4: and ip6: instead of mx."
                    raise _permerror(why, "spf.too-many-lookups", fix)
                return self._matches_address(hosts, term)
            case "exists":  # RFC 7208 5.7: A, whatever the client's family
                return bool(_rdatas(self._count_void(self._records(target, "A"))))
            case _:  # ptr
                self._count_void(self._seen_of([self._ip.reverse_pointer], "PTR")[0])
                return any(f".{name}".endswith(f".{target}") for name in self._validated_names())

    # --- what is looked up ---

    def _count_lookup(self, domain: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            why = f"the SPF record of {domain} needs more than {MAX_LOOKUPS} lookups with all that it includes"
            raise _permerror(why, "spf.too-many-lookups", "Take out the includes of services that you no longer use.")

    def _count_void(self, rdatas: SeenRecords) -> SeenRecords:
        """Count a term that found nothing (RFC 7208 4.6.4); return what it found."""
        if rdatas is NoRecords.VOID:
            self._voids += 1
            if self._voids > MAX_VOIDS:
                why = f"more than {MAX_VOIDS} terms of the SPF record lead to names that hold nothing"
                raise _permerror(why, "spf.void-lookups", "Take out the terms whose names are gone.")
        return rdatas

    def _target(self, term: Term, domain: str) -> str:
        if not term.spec:
            return domain
        name = ""
        if needs_name(term.spec):  # RFC 7208 7.3: %{p} is the domain itself, else a name below it, else any
            names = self._validated_names()
            below = [name for name in names if f".{name}".endswith(f".{domain}")]
            name = domain if domain in names else next(iter([*below, *names]), "unknown")
        return expand(term.spec, self._client, domain, name)

    def _records(self, name: str, rdtype: str) -> SeenRecords:
        """Return the records that were seen; raise a temperror where DNS did not answer."""
        rdatas = self._seen_of([name], rdtype)[0]
        if rdatas is NoRecords.UNKNOWN:
            why = _no_answer_text(resolver_question(name, rdtype))
            fix = "Try again in some minutes; if it stays so, look at the nameservers of that name."
            raise _EvaluationError(AuthResult(result=ResultCode.TEMPERROR, why=why, fix=fix))
        return rdatas

    def _seen_of(self, names: Sequence[str], rdtype: str) -> list[SeenRecords]:
        """Return what was seen of several names.

        A name that DNS can't hold has no records (RFC 7208 4.3), which is no void lookup: nothing was asked (4.6.4).
        """
        asked = [question_name(name) for name in names]
        questions = [resolver_question(name, rdtype) if name else None for name in asked]
        missing = [each for each in questions if each is not None and each not in self._seen]
        if missing:
            raise _QuestionOpen(missing)
        return [seen_records(self._seen, each) if each is not None else () for each in questions]

    def _matches_address(self, names: Sequence[str], term: Term) -> bool:
        """Return whether the client has an address of these hosts."""
        rdtype = self._client.address_type
        self._seen_of(names, rdtype)  # all that is open at once
        rdatas = [rdata for name in names for rdata in _rdatas(self._records(name, rdtype))]
        addresses = [rdata.ip for rdata in rdatas if isinstance(rdata, Address)]
        bits = term.prefixes[self._ip.version == 6]
        return any(self._ip in ip_network(f"{address}/{bits}", strict=False) for address in addresses)

    def _validated_names(self) -> list[str]:
        """Return the client's reverse names that lead back to it (RFC 7208 5.5); DNS errors only make them fewer."""
        pointers = _rdatas(self._seen_of([self._ip.reverse_pointer], "PTR")[0])
        names = [rdata.name for rdata in pointers if isinstance(rdata, Target)][:MAX_NAMES]
        validated: list[str] = []
        for name, seen in zip(names, self._seen_of(names, self._client.address_type), strict=True):
            if any(isinstance(rdata, Address) and ip_address(rdata.ip) == self._ip for rdata in _rdatas(seen)):
                validated.append(name)
        return validated


def _rdatas(seen: SeenRecords) -> tuple[Rdata, ...]:
    return seen if isinstance(seen, tuple) else ()


def _permerror(why: str, code: str, fix: str) -> _EvaluationError:
    return _EvaluationError(AuthResult(result=ResultCode.PERMERROR, why=to_sentence(why), code=code, fix=fix))
