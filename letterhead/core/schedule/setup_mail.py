"""The mail that hands a domain's records and its set-up page to whoever publishes them."""

from html import escape
from typing import Final

import msgspec

from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.names.domain_names import DomainName
from letterhead.core.plan import dns_hosts
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan, PlannedRecord, relative_name
from letterhead.core.schedule.reminder_mail import Email, printable_text

_PAGE: Final = "This page shows what is found and what is wrong. It needs no sign-in:"
_IN_DNS: Final = (
    "So that mail can be sent from {domain}, please add this record in its DNS.",
    "So that mail can be sent from {domain}, please add these {number} records in its DNS.",
)
_AT_HOST: Final = (
    "So that mail can be sent from {domain}, please add this record at {host}.",
    "So that mail can be sent from {domain}, please add these {number} records at {host}.",
)
# To translate; those of two are for a number.
TEXTS: Final[tuple[str | tuple[str, str], ...]] = (_PAGE, _IN_DNS, _AT_HOST)


class SetupEmailInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the mail is written from; `url` is None where no other machine could open the set-up page."""

    to: str
    name: str
    reply_to: str | None
    brand: str
    plan: Plan
    dns_host: DnsHost | None
    url: str | None
    language: Language = ENGLISH


def setup_email(given: SetupEmailInput) -> Email:
    """Return the mail, with each record as the form of the DNS host wants it."""
    plain = printable_text(given.brand) or "Letterhead"
    text = setup_text(given)
    return Email(
        to=given.to,
        name=given.name,
        subject=given.language.text("DNS records for {domain}", domain=DomainName(given.plan.sender).unicode),
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
        blocks.append(f"{given.language.text(_PAGE)}\n{given.url}")
    return "\n\n".join([*blocks, f"-- \n{brand}"]) + "\n"


def _lead(given: SetupEmailInput) -> str:
    name, say = DomainName(given.plan.sender).unicode, given.language.count
    if given.dns_host is None:
        return say(*_IN_DNS, len(given.plan.records), domain=name)
    return say(*_AT_HOST, len(given.plan.records), domain=name, host=given.dns_host.name)


def _fields(given: SetupEmailInput, record: PlannedRecord) -> list[tuple[str, str]]:
    host, zone = given.dns_host, given.plan.zone
    name = dns_hosts.name_for(record.host, zone, host) if host else relative_name(record.host, zone)
    name = given.language.phrase(name)
    fields = [("Type", record.rdtype), ("Name", name), ("Value", dns_hosts.value_for(record, host))]
    if record.priority is not None and (host is None or host.priority_field):
        fields.append(("Priority", str(record.priority)))
    return [(given.language.text(label), value) for label, value in fields]


def _html(given: SetupEmailInput, brand: str) -> str:
    items = "".join(
        "<li>"
        + "<br>".join(f"{label}: <code>{escape(value)}</code>" for label, value in _fields(given, each))
        + "</li>\n"
        for each in given.plan.records
    )
    link = ""
    if given.url is not None:
        link = f'<p>{escape(given.language.text(_PAGE))} <a href="{escape(given.url)}">{escape(given.url)}</a></p>\n'
    title = escape(given.language.text("DNS records for {domain}", domain=DomainName(given.plan.sender).unicode))
    return (
        f'<!doctype html>\n<html lang="{given.language.code}"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n"
        f"<body>\n<p>{escape(_lead(given))}</p>\n<ol>\n{items}</ol>\n{link}<p>{escape(brand)}</p>\n</body></html>\n"
    )
