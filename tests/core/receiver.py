"""Judge a mail as a receiver does, over a zone that a test writes: name → type → records; what is listed is silent."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from letterhead.core.check import message_authentication
from letterhead.core.check.auth_report import AuthInput, AuthReport
from letterhead.core.dns.answers import Answer, NoData, NxDomain, Question, Reply, Seen, Unanswered, Why
from letterhead.core.dns.records import Address, Mx, Rdata, Target
from letterhead.core.message import message
from letterhead.core.message.envelope import envelope
from letterhead.core.names.domain_names import organisation_of
from letterhead.wiring.dns import suffixes
from tests.core import samples

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Zone = Mapping[str, Mapping[str, Iterable[str]]]


def records(rdtype: str, values: Iterable[str]) -> tuple[Rdata, ...]:
    """Make RDATA of what a zone file would say."""
    match rdtype:
        case "TXT":
            return samples.txt(*values)
        case "MX":
            return tuple(Mx(preference=int(each.split()[0]), exchange=each.split()[1]) for each in values)
        case "PTR":
            return tuple(Target(name=each) for each in values)
        case _:
            return tuple(Address(ip=each) for each in values)


def answers(wanted: Iterable[Question], zone: Zone, silent: Collection[str] = ()) -> Seen:
    """Answer questions from a zone."""
    return {each: samples.replies(each.view, _answer(each, zone, silent)) for each in wanted}


def _answer(question: Question, zone: Zone, silent: Collection[str]) -> Answer:
    held = zone.get(question.name)
    if question.name in silent:
        return Unanswered(why=Why.TIMEOUT)
    if held is None:
        below = any(name.endswith(f".{question.name}") for name in zone)
        return NoData(negative_ttl=60) if below else NxDomain(negative_ttl=60)
    if question.rdtype not in held:
        return NoData(negative_ttl=60)
    return samples.found(question.name, question.rdtype, records(question.rdtype, held[question.rdtype]))


def organisation(host: str) -> str:
    """Find whose a host is, by the public suffix list."""
    return organisation_of(host, suffixes())


def judged(
    octets: bytes,
    zone: Zone,
    *,
    silent: Collection[str] = (),
    ip: str | None = None,
    mail_from: str | None = None,
    helo: str | None = None,
    sender: str = "acme.dev",
    now: datetime = NOW,
    known_keys: Collection[str] = (),
) -> AuthReport:
    """Judge a mail."""
    read = message.parse_message(octets)
    came = envelope(read, ip, mail_from, helo, organisation)
    case = AuthInput(
        sender=sender, message=read, envelope=came, now=now, organisation=organisation, known_keys=tuple(known_keys)
    )
    seen: dict[Question, tuple[Reply, ...]] = {}
    while wanted := message_authentication.first_questions(case, seen):
        seen |= answers(wanted, zone, silent)
    signatures = message_authentication.verify_signatures(case, seen)
    seen |= answers(message_authentication.later_questions(case, signatures, seen), zone, silent)
    return message_authentication.judge(case, signatures, seen)
