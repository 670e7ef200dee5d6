"""Build what the core judges, briefly: plans, replies and what was seen."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from letterhead.core.check.check import plan_for
from letterhead.core.dns.answers import Answer, Found, Perspective, Question, Reply, Seen, View
from letterhead.core.dns.records import Address, Mx, Rdata, RRset, Target, Txt, split_text
from letterhead.core.domain.domain import Domain, KeyDelegation
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.plan.plan import Plan, RecordId

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "q7R2" * 85 + "cQIDAQAB"
PATH = ReturnPath(mx_host="feedback.mail.example", mx_priority=10, spf="include:spf.mail.example")
BORN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def plan(
    sender: str = "acme.dev",
    *,
    zone: str | None = None,
    mail_from: bool = True,
    label: str = "lh",
    slots: KeyDelegation | None = None,
) -> Plan:
    """Plan the usual four records, or the two without a MAIL FROM domain."""
    claim = domain(sender, zone=zone, mail_from=f"{label}.{sender}" if mail_from else None, key_delegation=slots)
    return plan_for(claim, PATH)


def domain(sender: str = "acme.dev", *, public_key: str = KEY, **more: Any) -> Domain:
    """Return a verified claim with the selector lh1, and without a MAIL FROM domain unless one is given."""
    health = new_health(HealthState.VERIFIED, BORN)
    claim = Domain(
        id="dom_1",
        account_id="acc_1",
        sender=sender,
        selector="lh1",
        public_key=public_key,
        created_at=BORN,
        last_sync=BORN,
        dkim=health,
    )
    return replace(claim, **more)


def signed_by(plan: Plan, signer: str) -> Plan:
    """Let another name sign the sender's mail."""
    records = tuple(
        replace(each, host=f"lh1._domainkey.{signer}") if each.id is RecordId.DKIM else each for each in plan.records
    )
    return replace(plan, records=records)


def txt(*values: str) -> tuple[Rdata, ...]:
    """Make one TXT of each value, split as DNS needs it."""
    return tuple(Txt(strings=split_text(value)) for value in values)


def mx(*hosts: str) -> tuple[Rdata, ...]:
    """Make one MX of each host."""
    return tuple(Mx(preference=10, exchange=host) for host in hosts)


def target(name: str) -> tuple[Rdata, ...]:
    """Make a CNAME's RDATA."""
    return (Target(name=name),)


def address(ip: str) -> tuple[Rdata, ...]:
    """Make an address's RDATA."""
    return (Address(ip=ip),)


def found(name: str, rdtype: str, rdatas: tuple[Rdata, ...]) -> Found:
    """Wrap records as an answer."""
    return Found(rrset=RRset(owner=name, rdtype=rdtype, ttl=300, rdatas=rdatas))


def replies(view: View, *answers: Answer) -> tuple[Reply, ...]:
    """Return each answer to a server of its own: ns1, ns2, …"""
    return tuple(
        Reply(
            perspective=Perspective(view=view, server=f"ns{number}.acme.dev", address=f"192.0.2.{number}"),
            answer=answer,
        )
        for number, answer in enumerate(answers, 1)
    )


def asked(name: str, rdtype: str, view: View, *answers: Answer) -> Seen:
    """Make one question with its answers, one server each."""
    return {Question(name=name, rdtype=rdtype, view=view): replies(view, *answers)}
