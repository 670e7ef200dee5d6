"""What an account keeps about a domain: what it may hold, and to whom reminders go by it."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.profile import Contact, DomainProfile, arriving_profile, change_labels, parse_label
from letterhead.core.schedule.contact_mail import ContactEmailInput, contact_email
from letterhead.core.schedule.recipients import reminder_recipients
from letterhead.errors import Fault

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
OWN, THEIRS = "dns@acme.example", "it@customer.example"
ACCOUNT = Account(id="acc_1", name="Acme", email=OWN, limits=Limits(), created_at=NOW)
WAITING = Contact(email=THEIRS, asked_at=NOW)
CONFIRMED = replace(WAITING, confirmed_at=NOW + timedelta(minutes=1))
MUTE, NOWHERE = replace(ACCOUNT, reminders=False), replace(ACCOUNT, email="root@localhost")


@pytest.mark.parametrize(
    ("account", "contact", "copied", "to"),
    [
        (ACCOUNT, None, True, [OWN]),
        (ACCOUNT, WAITING, False, [OWN]),
        (ACCOUNT, CONFIRMED, True, [THEIRS, OWN]),
        (ACCOUNT, CONFIRMED, False, [THEIRS, f"({OWN})"]),
        (ACCOUNT, replace(CONFIRMED, reminders=False), False, [OWN]),
        (ACCOUNT, replace(CONFIRMED, email=OWN.upper()), True, [OWN.upper()]),
        (MUTE, CONFIRMED, True, [THEIRS]),
        (MUTE, WAITING, True, []),
        (NOWHERE, CONFIRMED, True, [THEIRS]),
        (NOWHERE, replace(CONFIRMED, reminders=False), True, []),
    ],
)
def test_to_whom_a_reminder_goes(account: Account, contact: Contact | None, copied: bool, to: list[str]) -> None:
    """A contact who has confirmed the address and not ended the mails comes first; in brackets, who stands in."""
    found = reminder_recipients(account, DomainProfile(contact=contact, copy_account=copied))
    assert [f"({each.email})" if each.is_fallback else each.email for each in found] == to
    assert all(each.is_contact == (each.email != OWN) for each in found)


def test_what_arrives_is_read_anew() -> None:
    """From another installation: no contact is confirmed here, and nothing is longer than could be set here."""
    profile = DomainProfile(note="x", labels={"team": "web"}, contact=CONFIRMED, copy_account=False)
    assert arriving_profile(profile) == replace(profile, contact=WAITING)
    for language, kept in (("ja", "ja"), ("en", "en"), ("tlh", None), (None, None)):
        arrived = arriving_profile(replace(profile, contact=replace(CONFIRMED, language=language))).contact
        assert arrived == replace(WAITING, language=kept)
    for bad in (
        replace(profile, note="x" * 1001),
        replace(profile, labels={"A": "b"}),
        replace(profile, labels={f"k{number}": "v" for number in range(17)}),
        replace(profile, contact=replace(CONFIRMED, email="a@b.example\r\nBcc: c@d.example")),
    ):
        with pytest.raises(Fault):
            arriving_profile(bad)


def test_labels_are_written_with_a_colon() -> None:
    """The first one; a value may have more of them. Composed and decomposed letters are the same."""
    assert parse_label("plan:gold: 2026") == ("plan", "gold: 2026")
    assert change_labels({}, {"town": "Mu\u0308nchen"}) == {"town": "M\u00fcnchen"}


def test_names_in_the_mail_are_data() -> None:
    """What an account calls itself makes no line, no link and no tag in the mail to its contact."""
    urls = ("https://lh.example.com/account/address/x", "https://lh.example.com/reminders/opt-out/y")
    confirm, refuse = urls
    name = 'Acme\r\n\r\nClick <a href="https://evil.example">here</a>'
    email = contact_email(
        ContactEmailInput(
            to=THEIRS, name="n", brand="", account=name, sender="xn--bcher-kva.example", confirm=confirm, refuse=refuse
        )
    )
    assert "\n" not in email.subject and '<a href="https://evil' not in email.html
    assert "Acme    Click" in email.text and "b\u00fccher.example (xn--bcher-kva.example)" in email.text
    assert all(url in part for url in urls for part in (email.text, email.html))
