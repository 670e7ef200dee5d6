"""Knows what a reminder says, as plain text and as a small HTML page. Knows neither SMTP nor when to write.

What stands in findings came from DNS or a provider and is data: control characters become spaces, HTML is escaped.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Final

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.lifecycle import PENDING_FOR
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.names.domain_names import DomainName
from letterhead.core.schedule.reminders import BEFORE_STOP, Reminder, ReminderKind

MOST_FINDINGS: Final = 6
MOST_TEXT: Final = 1200  # characters of one part of a finding: a strange record may be 16 KB
_TOLD: Final = (Severity.BLOCKING, Severity.WARNING, Severity.INCONCLUSIVE)
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # what may break a line or turn the text around


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one message to one person; `unsubscribe` is an URL that works without signing in, `name` tells it apart.

    `name` is the same for every attempt at the same message: it becomes the Message-ID's first part. `sender` is who it
    comes from, where that is not the installation itself, and `bounces` the envelope sender then.
    """

    to: str
    name: str
    subject: str
    text: str
    html: str
    unsubscribe: str | None = None
    sender: str | None = None
    bounces: str | None = None


class ReminderInput(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a reminder is written from."""

    reminder: Reminder
    domain: Domain
    findings: Sequence[Finding]
    to: str
    name: str
    unsubscribe: str


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the sentences of one kind of reminder: {named} places are the domain and times."""

    subject: str
    wrong: str
    do: str


_WORDS: Final = {
    ReminderKind.PENDING: _Words(
        subject="still not verified",
        wrong="{domain} was added on {since} and is not verified yet, so no mail can be sent under it.",
        do="Publish the missing DNS records. We look again by ourselves until {until}; after that the domain rests as "
        "failed, and you can start the verification again.",
    ),
    ReminderKind.FAILED: _Words(
        subject="verification failed",
        wrong="{domain} could not be verified, so no mail can be sent under it.",
        do="Put right what is listed here, then start the verification again. We go on looking now and then.",
    ),
    ReminderKind.AT_RISK: _Words(
        subject="about to lose its verification",
        wrong="{domain} was verified, and something that it needs is missing since {missing}.",
        do="Put right what is listed here. {deadline}",
    ),
    ReminderKind.LOST: _Words(
        subject="lost its verification, mail is stopped",
        wrong="{domain} has lost its verification on {since}: mail can't be sent under it any more.",
        do="Put right what is listed here. Once the records are back, the domain is verified again by itself; to have "
        "us look at once, start the verification.",
    ),
    ReminderKind.RESTORED: _Words(
        subject="verified again",
        wrong="{domain} is complete again since {since}. Mail goes on as before.",
        do="Nothing is left to do.",
    ),
}
_LAST_DAY: Final = "mail stops in less than 24 hours"
_PROVIDER_STOPPED: Final = "The mail provider already refuses to send under the domain."


def reminder_email(occasion: ReminderInput) -> Email:
    """Writes a reminder."""
    reminder, domain = occasion.reminder, occasion.domain
    shown, words = both_names(domain.sender), _WORDS[reminder.kind]
    places = _places(domain, shown)
    what = _LAST_DAY if reminder.step == BEFORE_STOP else words.subject
    wrong, do = words.wrong.format_map(places), words.do.format_map(places)
    findings = () if reminder.kind is ReminderKind.RESTORED else reported_findings(occasion.findings)
    return Email(
        to=occasion.to,
        name=occasion.name,
        subject=f"{shown}: {what}",
        text=_text(wrong, findings, do, occasion.unsubscribe),
        html=_html(shown, wrong, findings, do, occasion.unsubscribe),
        unsubscribe=occasion.unsubscribe,
    )


def both_names(sender: str) -> str:
    """Writes a name as people read it, with the A-label that DNS wants beside it where these differ."""
    unicode = DomainName(sender).unicode
    return sender if unicode == sender else f"{unicode} ({sender})"


def reported_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Picks the findings that a reminder tells: no tips, the gravest first, not too many."""
    grave = [each for each in findings if each.severity in _TOLD]
    return tuple(sorted(grave, key=lambda each: _TOLD.index(each.severity))[:MOST_FINDINGS])


def _places(domain: Domain, shown: str) -> dict[str, str]:
    watch = domain.dkim
    stops = watch.stops_sending_at
    deadline = f"Until {_when(stops)} mail is still sent, then it stops." if stops else _PROVIDER_STOPPED
    if stops and watch.provider_lost:
        deadline = _PROVIDER_STOPPED
    return {
        "domain": shown,
        "since": _when(watch.since),
        "until": _when(watch.since + PENDING_FOR),
        "missing": _when(watch.first_miss_at or watch.provider_lost_at or watch.since),
        "deadline": deadline,
    }


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def printable_text(text: str) -> str:
    """Makes foreign text harmless in a message: no control or direction marks, and no more than a screen of it."""
    plain = "".join(" " if unicodedata.category(each) in _HIDDEN else each for each in text[: MOST_TEXT + 1])
    return plain if len(plain) <= MOST_TEXT else plain[:MOST_TEXT] + "…"


def _text(wrong: str, findings: Sequence[Finding], do: str, unsubscribe: str) -> str:
    items = [
        f"* {printable_text(each.title)}\n  {printable_text(each.detail)}\n  What to do: {printable_text(each.fix)}"
        for each in findings
    ]
    foot = f"-- \nYou get this because the domain is managed for you. No more reminders: {unsubscribe}"
    return "\n\n".join([wrong, *items, do, foot]) + "\n"


def _html(shown: str, wrong: str, findings: Sequence[Finding], do: str, unsubscribe: str) -> str:
    items = "".join(
        f"<li><p><b>{_safe(each.title)}</b><br>{_safe(each.detail)}</p><p>What to do: {_safe(each.fix)}</p></li>\n"
        for each in findings
    )
    listed = f"<ul>\n{items}</ul>\n" if items else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(shown)}</title></head>\n'
        f"<body>\n<h1>{escape(shown)}</h1>\n<p>{escape(wrong)}</p>\n{listed}<p>{escape(do)}</p>\n<hr>\n"
        f"<p><small>You get this because the domain is managed for you. "
        f'<a href="{escape(unsubscribe)}">No more reminders</a></small></p>\n</body></html>\n'
    )


def _safe(text: str) -> str:
    return escape(printable_text(text))


def test_email(to: str, name: str) -> Email:
    """Writes the message of `letterhead mail test`."""
    said = "This is a test message of Letterhead. Its reminders reach you the same way."
    return Email(to=to, name=name, subject="Letterhead can send mail", text=said + "\n", html=f"<p>{said}</p>\n")


PROOF_SENDER: Final = "letterhead-proof"


def proof_email(sender: str, mail_from: str | None, to: str, token: str) -> Email:
    """Writes the message of a proof: our words alone, from an address at the domain to the operator's own mailbox."""
    said = (
        f"This message was sent by Letterhead from {both_names(sender)}, to see how receivers take it.\n\n"
        f"Its source, headers and all, can be judged: POST /domains/{sender}/proof, or\n"
        f"letterhead domains proof {sender} --raw FILE"
    )
    return Email(
        to=to,
        name=token,
        subject=f"Letterhead proof {token}",
        text=said + "\n",
        html=f"<p>{escape(said)}</p>\n",
        sender=f"{PROOF_SENDER}@{sender}",
        bounces=f"{PROOF_SENDER}@{mail_from or sender}",
    )
