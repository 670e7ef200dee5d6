"""Builds what the core judges, briefly: plans, replies and what was seen."""

from msgspec.structs import replace

from letterhead.core.check.check import plan_for
from letterhead.core.dns.answers import Answer, Found, Perspective, Question, Reply, Seen, View
from letterhead.core.dns.records import Address, Mx, Rdata, RRset, Target, Txt, split_text
from letterhead.core.domain.domain import KeyDelegation
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.plan.plan import Plan, RecordId

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" + "q7R2" * 85 + "cQIDAQAB"
PATH = ReturnPath(mx_host="feedback.mail.example", mx_priority=10, spf="include:spf.mail.example")


def plan(
    sender: str = "acme.dev",
    *,
    zone: str | None = None,
    mail_from: bool = True,
    label: str = "lh",
    slots: KeyDelegation | None = None,
) -> Plan:
    """Plans the usual four records, or the two without a MAIL FROM domain."""
    return plan_for(
        sender=sender,
        zone=zone or sender,
        selector="lh1",
        public_key=KEY,
        mail_from_name=f"{label}.{sender}" if mail_from else None,
        path=PATH,
        home=slots,
    )


def signed_by(plan: Plan, signer: str) -> Plan:
    """Lets another name sign the sender's mail."""
    records = tuple(
        replace(each, host=f"lh1._domainkey.{signer}") if each.id is RecordId.DKIM else each for each in plan.records
    )
    return replace(plan, records=records)


def txt(*values: str) -> tuple[Rdata, ...]:
    """Makes one TXT of each value, split as DNS needs it."""
    return tuple(Txt(strings=split_text(value)) for value in values)


def mx(*hosts: str) -> tuple[Rdata, ...]:
    """Makes one MX of each host."""
    return tuple(Mx(preference=10, exchange=host) for host in hosts)


def target(name: str) -> tuple[Rdata, ...]:
    """Makes a CNAME's RDATA."""
    return (Target(name=name),)


def address(ip: str) -> tuple[Rdata, ...]:
    """Makes an address's RDATA."""
    return (Address(ip=ip),)


def found(name: str, rdtype: str, rdatas: tuple[Rdata, ...]) -> Found:
    """Wraps records as an answer."""
    return Found(rrset=RRset(owner=name, rdtype=rdtype, ttl=300, rdatas=rdatas))


def replies(view: View, *answers: Answer) -> tuple[Reply, ...]:
    """Gives each answer to a server of its own: ns1, ns2, …"""
    return tuple(
        Reply(
            perspective=Perspective(view=view, server=f"ns{number}.acme.dev", address=f"192.0.2.{number}"),
            answer=answer,
        )
        for number, answer in enumerate(answers, 1)
    )


def asked(name: str, rdtype: str, view: View, *answers: Answer) -> Seen:
    """Makes one question with its answers, one server each."""
    return {Question(name=name, rdtype=rdtype, view=view): replies(view, *answers)}
