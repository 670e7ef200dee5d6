"""The mail that hands a domain's records and its set-up page to whoever publishes them."""

from html import escape

import msgspec

from letterhead.core.names.domain_names import DomainName
from letterhead.core.plan import dns_hosts
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan, PlannedRecord, relative_name
from letterhead.core.schedule.reminder_mail import Email, printable_text


class SetupEmailInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the mail is written from; `url` is None where no other machine could open the set-up page."""

    to: str
    name: str
    reply_to: str | None
    brand: str
    plan: Plan
    dns_host: DnsHost | None
    url: str | None


def setup_email(given: SetupEmailInput) -> Email:
    """Return the mail, with each record as the form of the DNS host wants it."""
    plain = printable_text(given.brand) or "Letterhead"
    text = setup_text(given)
    return Email(
        to=given.to,
        name=given.name,
        subject=f"DNS records for {DomainName(given.plan.sender).unicode}",
        text=text,
        html=_html(given, plain),
        reply_to=given.reply_to,
    )


def setup_text(given: SetupEmailInput) -> str:
    """Return the mail's plain text, which a person may also copy."""
    brand = printable_text(given.brand) or "Letterhead"
    blocks = [_lead(given), *("\n".join(f"{label}: {value}" for label, value in _fields(given, each))
                              for each in given.plan.records)]  # fmt: skip
    if given.url is not None:
        blocks.append(f"This page shows what is found and what is wrong. It needs no sign-in:\n{given.url}")
    return "\n\n".join([*blocks, f"-- \n{brand}"]) + "\n"


def _lead(given: SetupEmailInput) -> str:
    place = f" at {given.dns_host.name}" if given.dns_host else " in its DNS"
    name = DomainName(given.plan.sender).unicode
    return f"So that mail can be sent from {name}, please add these {len(given.plan.records)} records{place}."


def _fields(given: SetupEmailInput, record: PlannedRecord) -> list[tuple[str, str]]:
    host, zone = given.dns_host, given.plan.zone
    name = dns_hosts.name_for(record.host, zone, host) if host else relative_name(record.host, zone)
    fields = [("Type", record.rdtype), ("Name", name), ("Value", dns_hosts.value_for(record, host))]
    if record.priority is not None and (host is None or host.priority_field):
        fields.append(("Priority", str(record.priority)))
    return fields


def _html(given: SetupEmailInput, brand: str) -> str:
    items = "".join(
        "<li>"
        + "<br>".join(f"{label}: <code>{escape(value)}</code>" for label, value in _fields(given, each))
        + "</li>\n"
        for each in given.plan.records
    )
    link = ""
    if given.url is not None:
        link = (
            "<p>This page shows what is found and what is wrong. It needs no sign-in: "
            f'<a href="{escape(given.url)}">{escape(given.url)}</a></p>\n'
        )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>DNS records</title></head>\n'
        f"<body>\n<p>{escape(_lead(given))}</p>\n<ol>\n{items}</ol>\n{link}<p>{escape(brand)}</p>\n</body></html>\n"
    )
