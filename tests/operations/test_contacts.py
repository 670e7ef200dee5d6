"""Reminders go to the domain's contact, with a copy for the account or without: each step once, to whom it may."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace as replace_fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.core.languages.language import ENGLISH
from letterhead.core.schedule.reminder_mail import ReminderInput, reminder_email
from letterhead.core.schedule.reminders import AT_ONCE, Reminder, ReminderKind
from letterhead.operations import accounts, domain_settings, opt_outs
from letterhead.operations.audit import audit_row
from letterhead.operations.domain_settings import DomainSettings
from letterhead.wiring.assemble import Overrides
from tests.operations.test_reminders import NAME, at_risk, body, live, mail_settings, remind, verified
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, opened
from tests.rigs.marked_language import marked_language, unmarked
from tests.rigs.smtp import Ledger, Mood

CONTACT, OWN = "dns@customer.example", "dns@acme.test"


@pytest.fixture
def dns() -> WrittenDns:
    """Return DNS that the test writes."""
    return WrittenDns(NAME)


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, ledger: Ledger) -> AsyncIterator[World]:
    """Open an installation that can send mail."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **mail_settings(ledger)) as world:
        yield world


async def name_contact(world: World, *, confirmed: bool = True, copy: bool = True, language: str | None = None) -> None:
    """Give the domain a contact."""
    domain, now = await world.domain(NAME), world.deps.now()
    contact = Contact(email=CONTACT, asked_at=now, confirmed_at=now if confirmed else None, language=language)
    profile = DomainProfile(contact=contact, copy_account=copy)
    await world.deps.store.change_profile(domain, lambda _: profile, audit_row(world.deps, OPERATOR, "x", "y"))


def to_whom(ledger: Ledger) -> list[str]:
    """List who got the messages."""
    return [taken.to for taken in ledger.taken]


async def test_the_contact_gets_it_and_the_account_a_copy(ours: World, clock: Clock, ledger: Ledger) -> None:
    """One step is one message to each; the contact's has the set-up page, no dashboard, and a link that ends it."""
    await ours.add(NAME)
    await name_contact(ours)
    await live(ours, clock, hours=24)
    assert to_whom(ledger) == [CONTACT, OWN]
    theirs, own = ledger.messages()
    assert theirs["Subject"] == own["Subject"]
    assert theirs["Message-ID"] != own["Message-ID"]
    assert theirs["Reply-To"] == OWN
    assert "https://lh.example.com/setup/" in body(theirs)
    assert "/dashboard/" not in body(theirs) and "/dashboard/" in body(own)
    assert "named you as the contact for this domain" in body(theirs)
    assert theirs["List-Unsubscribe"] != own["List-Unsubscribe"]
    await remind(ours)
    await live(ours, clock, hours=23)
    assert len(ledger.taken) == 2
    await live(ours, clock, hours=1)
    assert to_whom(ledger) == [CONTACT, OWN] * 2
    assert (await ours.domain(NAME)).reminder_sent_at is not None


async def test_each_reads_it_in_a_language_of_theirs(ours: World, clock: Clock, ledger: Ledger) -> None:
    """The contact's message, its dates, findings and links are in the contact's language; the account's in English."""
    await ours.add(NAME)
    await name_contact(ours, language="de")
    await live(ours, clock, hours=24)
    theirs, own = ledger.messages()
    assert str(theirs["Subject"]) == f"b\u00fccher.test ({NAME}): noch nicht bestätigt"
    text = body(theirs)
    assert "26. Nov. 2026, 12:00 UTC" in text and "2026-11-26" not in text
    assert " 0 von 4 veröffentlicht: Sie können noch nicht senden; " in text
    assert "Was zu tun ist: " in text
    assert "weil Acme Sie als Ansprechperson für diese Domain genannt hat" in text
    assert re.search(r"https://lh\.example\.com/setup/\S+\?lang=de\s", text)
    assert str(theirs["List-Unsubscribe"]).endswith("?lang=de>")
    html = theirs.get_body(("html",))
    assert html is not None and '<html lang="de">' in html.get_content()
    assert "still not verified" in str(own["Subject"]) and "2026-11-26 12:00 UTC" in body(own)
    assert "lang=" not in body(own)
    token = urlsplit(str(theirs["List-Unsubscribe"])[1:-1]).path.rpartition("/")[2]
    assert (await opt_outs.find_opt_out(ours.deps, token)).domain is not None


async def test_no_english_is_left_in_a_message_to_the_contact(
    ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger
) -> None:
    """Whatever it is about; what is neither marked nor data would be English."""
    language = marked_language()
    deps = replace_fields(ours.deps, languages=lambda code: language if code == "de" else ENGLISH)
    marked = World(deps, ours.account, ours.key)
    await verified(ours, dns, clock)
    await name_contact(ours, copy=False, language="de")
    await at_risk(marked, dns, clock)
    await live(marked, clock, hours=73)
    dns.publish(await marked.dkim(NAME))
    await live(marked, clock, hours=2)
    subjects = [str(each["Subject"]) for each in ledger.messages()]
    assert len(subjects) >= 3
    for message in ledger.messages():
        assert unmarked([str(message["Subject"]), *body(message).splitlines()], ["Acme", "b\u00fccher.test"]) == []
    domain, now = await ours.domain(NAME), clock.at
    for kind in set(ReminderKind) - {ReminderKind.ACCEPTANCE_ENDED}:  # which is for the account alone
        reminder = Reminder(kind=kind, step=AT_ONCE, spell=now.isoformat(), due_at=now)
        given = ReminderInput(
            reminder=reminder, domain=domain, findings=(), to=CONTACT, name="r", unsubscribe="https://lh.example.com/x",
            contact_for="Acme", language=language,
        )  # fmt: skip
        email = reminder_email(given)
        assert unmarked([email.subject, *email.text.splitlines()], ["Acme", "b\u00fccher.test"]) == [], kind


async def test_without_a_copy(ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger) -> None:
    """At risk, the loss: the contact alone, where the account wants no copy."""
    await verified(ours, dns, clock)
    await name_contact(ours, copy=False)
    await at_risk(ours, dns, clock)
    await live(ours, clock, hours=73)
    assert to_whom(ledger) == [CONTACT] * 3


async def test_an_address_that_is_not_confirmed_gets_nothing(ours: World, clock: Clock, ledger: Ledger) -> None:
    """The account gets the reminders, also where it wants no copies."""
    await ours.add(NAME)
    await name_contact(ours, confirmed=False, copy=False)
    await live(ours, clock, hours=24)
    assert to_whom(ledger) == [OWN]


async def test_who_ends_it_ends_it_for_oneself(ours: World, clock: Clock, ledger: Ledger) -> None:
    """The contact's link leaves the account's reminders on, and the account's leaves the contact's."""
    await ours.add(NAME)
    await name_contact(ours, copy=False)
    await live(ours, clock, hours=24)
    token = str(ledger.messages()[-1]["List-Unsubscribe"])[1:-1].rpartition("/")[2]
    await opt_outs.opt_out(ours.deps, token, OPERATOR)
    await live(ours, clock, hours=24)
    assert to_whom(ledger) == [CONTACT, OWN]
    await name_contact(ours)
    update = accounts.AccountUpdate(reminders=False)
    await accounts.change_account(ours.deps, ours.account.id, OPERATOR, update)
    await live(ours, clock, hours=24)
    assert to_whom(ledger) == [CONTACT, OWN, CONTACT]


async def test_a_refused_address_falls_back_to_the_account(ours: World, clock: Clock, ledger: Ledger) -> None:
    """Where the contact's address is refused for good, the account hears of it, copy or no copy."""
    await ours.add(NAME)
    await name_contact(ours, copy=False)
    ledger.says_to[CONTACT] = "550 5.1.1 no such user"
    await live(ours, clock, hours=24)
    assert to_whom(ledger) == [OWN]


async def test_a_server_that_is_busy_gets_both_later(ours: World, clock: Clock, ledger: Ledger) -> None:
    """Nothing is lost and nothing comes twice."""
    await ours.add(NAME)
    await name_contact(ours)
    ledger.mood = Mood.GREYLISTS
    clock.turn(hours=24)
    await remind(ours)
    assert to_whom(ledger) == []
    ledger.mood = Mood.WILLING
    clock.turn(hours=1)
    await remind(ours)
    await remind(ours)
    assert to_whom(ledger) == [CONTACT, OWN]


@pytest.mark.parametrize("settings", [{"note": "x"}, {"labels": {"team": "web"}}, {"copy_account": False}])
async def test_other_settings_leave_the_contact(ours: World, settings: Mapping[str, object]) -> None:
    """A confirmed contact stays confirmed while something else is set."""
    await ours.add(NAME)
    await name_contact(ours)
    before = await ours.deps.store.profile((await ours.domain(NAME)).id)
    changes = replace(DomainSettings(), **settings)
    await domain_settings.change_domain(ours.deps, ours.account.id, NAME, changes, OPERATOR)
    after = await ours.deps.store.profile((await ours.domain(NAME)).id)
    assert after.contact == before.contact and after != before
