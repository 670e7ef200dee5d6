"""The one line of an alert: which domain, what happened, what to do, and where."""

from typing import Final

from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.schedule.reminder_mail import both_names, printable_text
from letterhead.core.schedule.reminders import BEFORE_STOP, Reminder, ReminderKind

LONGEST: Final = 400  # characters: one line at most services
_WHAT: Final = {
    ReminderKind.PENDING: ("is still not verified", "publish its missing DNS records"),
    ReminderKind.FAILED: ("could not be verified", "put its records right and start the verification again"),
    ReminderKind.AT_RISK: ("is about to lose its verification", "put its records back"),
    ReminderKind.LOST: ("lost its verification, and its mail is stopped", "put its records back"),
    ReminderKind.RESTORED: ("is verified again", "nothing is left to do"),
    ReminderKind.FINDING: ("is verified, but receivers may reject its mail", "put right what its page lists"),
    ReminderKind.ACCEPTANCE_ENDED: ("still has what you accepted", "put it right, or accept it again"),
}


def alert_line(reminder: Reminder, domain: Domain, findings: tuple[Finding, ...], url: str | None) -> str:
    """Return the line; `findings` are those of the last check, `url` is None where nobody else could open it."""
    what, do = _WHAT[reminder.kind]
    stops = domain.dkim.stops_sending_at
    if reminder.step == BEFORE_STOP and stops is not None:
        what = f"stops sending on {stops:%Y-%m-%d %H:%M} UTC"
    code = reminder.step.partition(" ")[0]
    title = next((each.title for each in findings if each.code == code), "")
    detail = f" ({printable_text(title)})" if title else ""
    line = f"{both_names(domain.sender)} {what}{detail}: {do}."
    return line[:LONGEST] + (f" {url}" if url else "")
