"""The mails to people, as plain text and as a small HTML page: reminders, a test, a proof, an address to confirm.

The text of findings came from DNS or a provider and is data: control characters become spaces, HTML is escaped.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.lifecycle import PENDING_FOR
from letterhead.core.findings.acceptance import findings_not_accepted
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.names.domain_names import DomainName
from letterhead.core.schedule.reminders import BEFORE_STOP, Reminder, ReminderKind

MOST_FINDINGS: Final = 6
MOST_TEXT: Final = 1200  # characters of one part of a finding: a strange record may be 16 KB
_REPORTED: Final = (Severity.BLOCKING, Severity.WARNING, Severity.INCONCLUSIVE)
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # what may break a line or turn the text around


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person; `unsubscribe` is an URL that works without signing in.

    `name` is the same for every attempt at the same message, and no other: it becomes the Message-ID's first part.
    `sender` is who it comes from, where that is not the installation itself, and `bounces` the envelope sender then.
    """

    to: str
    name: str
    subject: str
    text: str
    html: str
    unsubscribe: str | None = None
    sender: str | None = None
    bounces: str | None = None
    reply_to: str | None = None


class ReminderInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a reminder is written from."""

    reminder: Reminder
    domain: Domain
    findings: Sequence[Finding]
    to: str
    name: str
    unsubscribe: str
    brand: str = ""
    progress: str = ""  # how far the set-up is, as a sentence without its stop
    domain_url: str | None = None  # None where no other machine could open it, or it is not theirs to open
    setup_url: str | None = None
    contact_for: str = ""  # the name of the account, where this goes to the domain's contact
    reply_to: str | None = None
    language: Language = ENGLISH  # of the findings and the progress too


class _Wording(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences of one kind of reminder: {named} places are the domain and times."""

    subject: str
    wrong: str
    do: str


_WORDING: Final = {
    ReminderKind.PENDING: _Wording(
        subject="still not verified",
        wrong="{domain} was added on {since} and is not verified yet, so no mail can be sent under it.",
        do="Publish the missing DNS records. We look again by ourselves until {until}; after that the domain rests as "
        "failed, and you can start the verification again.",
    ),
    ReminderKind.FAILED: _Wording(
        subject="verification failed",
        wrong="{domain} could not be verified, so no mail can be sent under it.",
        do="Put right what is listed here, then start the verification again. We go on looking now and then.",
    ),
    ReminderKind.AT_RISK: _Wording(
        subject="about to lose its verification",
        wrong="{domain} was verified, and something that it needs is missing since {missing}.",
        do="Put right what is listed here. {deadline}",
    ),
    ReminderKind.LOST: _Wording(
        subject="lost its verification, mail is stopped",
        wrong="{domain} has lost its verification on {since}: mail can't be sent under it any more.",
        do="Put right what is listed here. Once the records are back, the domain is verified again by itself; to have "
        "us look at once, start the verification.",
    ),
    ReminderKind.RESTORED: _Wording(
        subject="verified again",
        wrong="{domain} is complete again since {since}. Mail goes on as before.",
        do="Nothing is left to do.",
    ),
    ReminderKind.FINDING: _Wording(
        subject="verified, but receivers may reject its mail",
        wrong="{domain} stays verified, but since {since} something is wrong for which receivers may reject its mail.",
        do="Put right what is listed here. We look again by ourselves.",
    ),
    ReminderKind.ACCEPTANCE_ENDED: _Wording(
        subject="what you accepted is still there",
        wrong="What is listed here was accepted for {domain} until {accepted}, and is still there. Mail goes on.",
        do="Put it right, or accept it again with a new day.",
    ),
}
_SPELLS_OF_FINDINGS: Final = (ReminderKind.FINDING, ReminderKind.ACCEPTANCE_ENDED)
_LAST_DAY: Final = "mail stops in less than 24 hours"
# To translate: what a contact may get. An acceptance is the account's own.
TEXTS: Final = (
    _LAST_DAY,
    *(
        text
        for kind, wording in _WORDING.items()
        if kind is not ReminderKind.ACCEPTANCE_ENDED
        for text in (wording.subject, wording.wrong, wording.do)
    ),
)


def reminder_email(given: ReminderInput) -> Email:
    """Return the mail of a reminder."""
    reminder, health, domain = given.reminder, given.domain.dkim, both_names(given.domain.sender)
    say = given.language.text
    began = datetime.fromisoformat(reminder.spell) if reminder.kind in _SPELLS_OF_FINDINGS else health.since
    stops, deadline = health.stops_sending_at, say("The mail provider already refuses to send under the domain.")
    if stops and not health.provider_lost:
        deadline = say("Until {time} mail is still sent, then it stops.", time=_when(stops))
    places = {
        "domain": domain,
        "since": _when(began),
        "accepted": _when(began),
        "until": _when(health.since + PENDING_FOR),
        "missing": _when(health.first_miss_at or health.provider_lost_at or health.since),
        "deadline": deadline,
    }
    wording = _WORDING[reminder.kind]
    what = say(_LAST_DAY if reminder.step == BEFORE_STOP else wording.subject)
    wrong, do = say(wording.wrong, **places), say(wording.do, **places)
    wrong += f" {given.progress}{say('.')}" if given.progress else ""
    match reminder.kind:
        case ReminderKind.RESTORED:
            findings: tuple[Finding, ...] = ()
        case ReminderKind.ACCEPTANCE_ENDED:  # what was accepted may be a tip
            findings = tuple(given.findings[:MOST_FINDINGS])
        case _:
            findings = reported_findings(given.findings)
    dated = str if given.language is ENGLISH else given.language.formats.dated
    items = [(each.title, dated(each.detail), dated(say("What to do: {fix}", fix=each.fix))) for each in findings]
    return Email(
        to=given.to,
        name=given.name,
        subject=f"{domain}: {what}",
        text=_text(dated(wrong), items, dated(do), given),
        html=_html(domain, dated(wrong), items, dated(do), given),
        unsubscribe=given.unsubscribe,
        reply_to=given.reply_to,
    )


def both_names(sender: str) -> str:
    """Return a name as people read it, followed by its A-labels where these differ."""
    unicode = DomainName(sender).unicode
    return sender if unicode == sender else f"{unicode} ({sender})"


def reported_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that a reminder lists: no tips and none that is accepted, the gravest first, not too many."""
    grave = [each for each in findings_not_accepted(findings) if each.severity in _REPORTED]
    return tuple(sorted(grave, key=lambda each: _REPORTED.index(each.severity))[:MOST_FINDINGS])


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def printable_text(text: str) -> str:
    """Return foreign text that is harmless in a message: no control or direction marks, and not too long."""
    plain = "".join(" " if unicodedata.category(each) in _HIDDEN else each for each in text[: MOST_TEXT + 1])
    return plain if len(plain) <= MOST_TEXT else plain[:MOST_TEXT] + "…"


def _links(given: ReminderInput) -> list[tuple[str, str]]:
    setup = given.language.text("Its set-up page, which needs no sign-in")
    named = (("The domain", given.domain_url), (setup, given.setup_url))
    return [(label, url) for label, url in named if url is not None]


def _foot(given: ReminderInput) -> str:
    if given.contact_for:
        whose = printable_text(given.contact_for)
        return given.language.text(
            "You get this because {account} named you as the contact for this domain, and you confirmed it.",
            account=whose,
        )
    by = f"{printable_text(given.brand)} manages the domain" if given.brand else "the domain is managed"
    return f"You get this because {by} for you."


def _text(wrong: str, items: Sequence[tuple[str, ...]], do: str, given: ReminderInput) -> str:
    listed = ["* " + "\n  ".join(map(printable_text, each)) for each in items]
    links = [f"{label}:\n{url}" for label, url in _links(given)]
    foot = f"-- \n{_foot(given)} {given.language.text('No more reminders')}: {given.unsubscribe}"
    return "\n\n".join([wrong, *listed, do, *links, foot]) + "\n"


def _html(domain: str, wrong: str, items: Sequence[tuple[str, ...]], do: str, given: ReminderInput) -> str:
    listed = "".join(
        f"<li><p><b>{_safe(title)}</b><br>{_safe(detail)}</p><p>{_safe(fix)}</p></li>\n" for title, detail, fix in items
    )
    listed = f"<ul>\n{listed}</ul>\n" if listed else ""
    links = "".join(
        f'<p>{escape(label)}: <a href="{escape(url)}">{escape(url)}</a></p>\n' for label, url in _links(given)
    )
    end = escape(given.language.text("No more reminders"))
    return (
        f'<!doctype html>\n<html lang="{given.language.code}"><head><meta charset="utf-8">'
        f"<title>{escape(domain)}</title></head>\n"
        f"<body>\n<h1>{escape(domain)}</h1>\n<p>{escape(wrong)}</p>\n{listed}<p>{escape(do)}</p>\n{links}<hr>\n"
        f"<p><small>{escape(_foot(given))} "
        f'<a href="{escape(given.unsubscribe)}">{end}</a></small></p>\n</body></html>\n'
    )


def _safe(text: str) -> str:
    return escape(printable_text(text))


def test_email(to: str, name: str) -> Email:
    """Return the mail of `letterhead mail test`."""
    text = "This is a test message of Letterhead. Its reminders reach you the same way."
    return Email(to=to, name=name, subject="Letterhead can send mail", text=text + "\n", html=f"<p>{text}</p>\n")


def address_email(to: str, name: str, brand: str, account: str, url: str) -> Email:
    """Return the mail by which somebody at an account's new address confirms it."""
    by, whose = printable_text(brand) or "Letterhead", printable_text(account)
    text = (
        f"Somebody asked {by} to send what it has to say about the domains of {whose} to this address from now on.\n\n"
        "To confirm it, open this link within a day and press the button there:"
    )
    ignore = "If you know nothing of it, leave the link alone: without it nothing changes."
    paragraphs = "".join(f"<p>{escape(each)}</p>\n" for each in text.split("\n\n"))
    return Email(
        to=to,
        name=name,
        subject=f"Confirm this address for {whose}"[:200],
        text=f"{text}\n{url}\n\n{ignore}\n",
        html=f'{paragraphs}<p><a href="{escape(url)}">{escape(url)}</a></p>\n<p>{ignore}</p>\n',
    )


def invitation_email(to: str, name: str, brand: str, account: str, url: str) -> Email:
    """Return the mail by which somebody is invited to an account."""
    by, whose = printable_text(brand) or "Letterhead", printable_text(account)
    text = (
        f"You are invited to {whose} at {by}, where the domains that it sends mail from are looked after.\n\n"
        "To accept, open this link within a week and sign in with your organisation. It works once, and for you alone:"
    )
    ignore = "If you know nothing of it, leave the link alone, and do not pass it on: without it nothing happens."
    paragraphs = "".join(f"<p>{escape(each)}</p>\n" for each in text.split("\n\n"))
    return Email(
        to=to,
        name=name,
        subject=f"Invitation to {whose}"[:200],
        text=f"{text}\n{url}\n\n{ignore}\n",
        html=f'{paragraphs}<p><a href="{escape(url)}">{escape(url)}</a></p>\n<p>{ignore}</p>\n',
    )


PROOF_SENDER: Final = "letterhead-proof"


def proof_email(sender: str, mail_from: str | None, to: str, token: str) -> Email:
    """Return the mail of a proof: our text alone, from an address at the domain to the operator's own mailbox."""
    text = (
        f"This message was sent by Letterhead from {both_names(sender)}, to see how receivers take it.\n\n"
        f"Its source, headers and all, can be judged: POST /domains/{sender}/proof, or\n"
        f"letterhead domains proof {sender} --raw FILE"
    )
    return Email(
        to=to,
        name=token,
        subject=f"Letterhead proof {token}",
        text=text + "\n",
        html=f"<p>{escape(text)}</p>\n",
        sender=f"{PROOF_SENDER}@{sender}",
        bounces=f"{PROOF_SENDER}@{mail_from or sender}",
    )
