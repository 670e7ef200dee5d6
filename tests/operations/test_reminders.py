"""Reminders by mail: what is due when, what they say, who gets none, and each step once for ever."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.health import HealthState
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.schedule.reminder_mail import ReminderInput, reminder_email
from letterhead.core.schedule.reminders import AT_ONCE, BEFORE_STOP, Reminder, ReminderKind
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, checks, domains, opt_outs, reminders, setup_links
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, noon, opened
from tests.rigs.smtp import PASSWORD, USER, Ledger, Mood

NAME = "xn--bcher-kva.test"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def dns() -> WrittenDns:
    """Return DNS that the test writes."""
    return WrittenDns(NAME)


def mail_settings(ledger: Ledger) -> dict[str, str]:
    """Say how the mail server is reached."""
    url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{ledger.port}"
    return {"SMTP_URL": url, "MAIL_SENDER": "dns@lh.example.com", "PUBLIC_URL": "https://lh.example.com"}


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, ledger: Ledger) -> AsyncIterator[World]:
    """Open an installation that can send mail."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **mail_settings(ledger)) as world:
        yield world


async def remind(world: World) -> int:
    """Send what is due, and say how many were claimed."""
    now = world.deps.now()
    owed = await world.deps.store.claim_reminders(now, now + MINUTE, "test", 100)
    for each in owed:
        await reminders.send(world.deps, each, "test")
    return len(owed)


async def verified(world: World, dns: WrittenDns, clock: Clock) -> None:
    """Bring the claim to verified."""
    await world.add(NAME)
    dns.publish(await world.dkim(NAME))
    await world.look(NAME)
    clock.turn(minutes=1)
    assert (await world.look(NAME)).dkim.state is HealthState.VERIFIED


async def at_risk(world: World, dns: WrittenDns, clock: Clock) -> None:
    """Bring a verified claim at risk."""
    dns.withdraw(await world.dkim(NAME))
    await world.look(NAME)
    clock.turn(minutes=11)
    assert (await world.look(NAME)).dkim.state is HealthState.AT_RISK


async def live(world: World, clock: Clock, **by: float) -> None:
    """Let time pass, with a look and a round of reminders every half hour."""
    until = clock.at + timedelta(**by)
    while clock.at < until:
        clock.turn(minutes=30)
        await world.look(NAME)
        await remind(world)


def subjects(ledger: Ledger) -> list[str]:
    """List what was said, without the name."""
    return [str(message["Subject"]).partition(": ")[2] for message in ledger.messages()]


def body(message: EmailMessage) -> str:
    """Read the plain part."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_a_claim_that_nobody_publishes(ours: World, clock: Clock, ledger: Ledger) -> None:
    """Pending is reminded of at 24 h and 48 h and failed once; reminderSentAt is the last one's time."""
    await ours.add(NAME)
    await live(ours, clock, hours=23)
    assert subjects(ledger) == []
    assert (await ours.domain(NAME)).reminder_sent_at is None
    await live(ours, clock, hours=77)
    assert subjects(ledger) == ["still not verified"] * 2 + ["verification failed"]
    assert (await ours.domain(NAME)).reminder_sent_at == noon() + timedelta(hours=72)


async def test_a_message_says_all(ours: World, clock: Clock, ledger: Ledger) -> None:
    """It names the domain in both spellings, what is wrong now, what to do and until when, and how to end it."""
    await ours.add(NAME)
    await live(ours, clock, hours=24)
    (taken,) = ledger.taken
    assert taken.to == "dns@acme.test"
    message = taken.message
    assert message["Subject"] == f"bücher.test ({NAME}): still not verified"
    dkim, text = await ours.dkim(NAME), body(message)
    assert f"bücher.test ({NAME})" in text
    assert dkim.host in text
    assert dkim.value in text
    assert "2026-11-26 12:00 UTC" in text
    assert " 0 of 4 published: you can't send yet; " in text
    assert f"https://lh.example.com/dashboard/domains/{NAME}" in text.split()
    found = re.search(r"https://lh\.example\.com/setup/(\S+)", text)
    assert found is not None
    assert (await setup_links.find_setup_link(ours.deps, found[1])).domain_id == (await ours.domain(NAME)).id
    assert "You get this because Letterhead manages the domain for you." in text
    link = str(message["List-Unsubscribe"])[1:-1]
    assert link.startswith("https://lh.example.com/reminders/opt-out/")
    assert link in text
    html = message.get_body(("html",))
    assert html is not None
    assert link in str(html.get_content())
    assert "PRIVATE" not in message.as_string()


async def test_loss_and_return(ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger) -> None:
    """At risk is told at once and a day before mail stops, then the loss; months later all of it anew."""
    await verified(ours, dns, clock)
    for _ in range(2):
        await at_risk(ours, dns, clock)
        await live(ours, clock, hours=73)
        assert (await ours.domain(NAME)).dkim.state is HealthState.FAILED
        assert subjects(ledger) == [
            "about to lose its verification",
            "mail stops in less than 24 hours",
            "lost its verification, mail is stopped",
        ]
        risk, last, _ = ledger.messages()
        stops = "2026-11-26 12:01 UTC" if "2026-11-26" in body(risk) else "Until 2027-"
        assert stops in body(risk)
        assert stops in body(last)
        ledger.taken.clear()
        dns.publish(await ours.dkim(NAME))
        clock.turn(days=90)
        await ours.look(NAME)
        clock.turn(minutes=1)
        assert (await ours.look(NAME)).dkim.state is HealthState.VERIFIED


async def test_return_in_time(ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger) -> None:
    """Who comes back in time is told that, and hears nothing of a deadline that is off."""
    await verified(ours, dns, clock)
    await at_risk(ours, dns, clock)
    await live(ours, clock, hours=2)
    dns.publish(await ours.dkim(NAME))
    await live(ours, clock, hours=100)
    assert subjects(ledger) == ["about to lose its verification", "verified again"]


async def test_no_link_that_nobody_could_open(tmp_path: Path, clock: Clock, dns: WrittenDns, ledger: Ledger) -> None:
    """Where the public URL is this machine's own, the mail has neither link; an address here gets no mail at all."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    local = mail_settings(ledger) | {"PUBLIC_URL": "http://127.0.0.1:8025"}
    async with opened(tmp_path, stand, **local) as world:
        await world.add(NAME)
        await live(world, clock, hours=24)
        assert "/dashboard/" not in body(ledger.taken[0].message)
        assert "/setup/" not in body(ledger.taken[0].message)
        nowhere = accounts.AccountUpdate(email="postmaster@localhost")
        await accounts.change_account(world.deps, world.account.id, OPERATOR, nowhere)
        await live(world, clock, hours=60)
    assert len(ledger.taken) == 1


async def test_refused_for_now_is_tried_again(ours: World, clock: Clock, ledger: Ledger) -> None:
    """A mail server that says "later" is asked again, and takes it once; reminderSentAt waits for that."""
    await ours.add(NAME)
    clock.turn(hours=24)
    for mood in (Mood.GREYLISTS, Mood.FULL):
        ledger.mood = mood
        assert await remind(ours) == 1
        assert await remind(ours) == 0
        assert (await ours.domain(NAME)).reminder_sent_at is None
        clock.turn(minutes=5)
    ledger.mood = Mood.WILLING
    assert await remind(ours) == 1
    clock.turn(hours=2)
    assert await remind(ours) == 0
    assert len(ledger.taken) == 1
    assert (await ours.domain(NAME)).reminder_sent_at == noon() + timedelta(hours=24, minutes=10)


@pytest.mark.parametrize("mood", [Mood.REFUSES, Mood.SPAM, Mood.BREAKS_OFF])
async def test_what_may_have_arrived_is_not_repeated(ours: World, clock: Clock, ledger: Ledger, mood: Mood) -> None:
    """Neither a refusal for good nor a connection lost after the message brings the same step again."""
    await ours.add(NAME)
    clock.turn(hours=24)
    ledger.mood = mood
    assert await remind(ours) == 1
    ledger.mood = Mood.WILLING
    clock.turn(hours=2)
    assert await remind(ours) == 0
    assert len(ledger.taken) == (mood is Mood.BREAKS_OFF)
    assert (await ours.domain(NAME)).reminder_sent_at is None


async def test_killed_in_between_is_not_sent_again(ours: World, clock: Clock, ledger: Ledger) -> None:
    """What was marked and not closed, as after a kill, is never claimed again; what was only claimed is."""
    await ours.add(NAME)
    now = clock.turn(hours=24)
    store = ours.deps.store
    (owed,) = await store.claim_reminders(now, now + MINUTE, "killed", 10)
    assert await store.claim_reminders(now, now + MINUTE, "other", 10) == []
    now = clock.turn(minutes=2)
    (again,) = await store.claim_reminders(now, now + MINUTE, "other", 10)
    assert again.id == owed.id
    assert not await store.mark_handed_over(owed.id, "killed", now)  # the first one wakes up too late
    assert await store.mark_handed_over(owed.id, "other", now)
    clock.turn(hours=2)
    assert await remind(ours) == 0
    assert ledger.tried == 0


async def test_opt_out(ours: World, clock: Clock, ledger: Ledger) -> None:
    """The link in the message ends the account's reminders for good; a forged one is not found."""
    await ours.add(NAME)
    await live(ours, clock, hours=24)
    token = str(ledger.messages()[0]["List-Unsubscribe"])[1:-1].rpartition("/")[2]
    other = await ours.other("globex")
    for forged in (token[:-1], token.replace(ours.account.id, other.account.id), "", ".", "é.é", token + "\n"):
        with pytest.raises(Fault) as caught:
            await opt_outs.opt_out(ours.deps, forged, OPERATOR)
        assert caught.value.kind is Kind.NOT_FOUND
    await opt_outs.opt_out(ours.deps, token, OPERATOR)
    assert not (await accounts.find_account(ours.deps, ours.account.id)).reminders
    await live(ours, clock, hours=72)
    assert len(ledger.taken) == 1


async def test_without_a_mail_server(tmp_path: Path, clock: Clock, dns: WrittenDns) -> None:
    """The events are there, nothing is sent, and reminderSentAt stays away."""
    async with opened(tmp_path, Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)) as world:
        await world.add(NAME)
        await live(world, clock, hours=80)
        assert "domain.failed" in [event.kind for event in await world.events(NAME)]
        assert (await world.domain(NAME)).reminder_sent_at is None
        clock.turn(hours=1)
        assert await remind(world) == 0


async def test_nobody_is_reminded_in_an_outage_of_our_own(
    ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger
) -> None:
    """While several zones are silent at once no mail goes out; when one is heard again, it does."""
    await ours.add(NAME)
    await ours.look(NAME)
    others = ["acme.test", "globex.test", "initech.test"]
    for sender in others:
        await ours.add(sender)
    clock.turn(hours=24)
    dns.silent = True
    for sender in (NAME, *others):
        await ours.look(sender)
    view = await ours.view(NAME)
    assert view.last_check is not None
    assert await remind(ours) == 4
    assert ledger.tried == 0
    await ours.look(NAME)
    checkup = (await ours.view(NAME)).last_check
    assert checkup is not None
    assert checkup.findings[0].code == "resolver.outage"
    clock.turn(minutes=10)
    dns.silent = False
    await ours.look(NAME)
    assert await remind(ours) == 4
    assert len(ledger.taken) == 4


async def test_deleted_meanwhile(ours: World, clock: Clock, ledger: Ledger) -> None:
    """A domain that was deleted is not reminded of, even where the reminder was claimed already."""
    await ours.add(NAME)
    now = clock.turn(hours=24)
    (owed,) = await ours.deps.store.claim_reminders(now, now + MINUTE, "test", 10)
    await domains.delete_domain(ours.deps, ours.account.id, NAME, OPERATOR)
    await reminders.send(ours.deps, owed, "test")
    clock.turn(hours=24)
    assert await remind(ours) == 0
    assert ledger.tried == 0


async def test_a_check_does_not_forget_the_reminder(ours: World, clock: Clock) -> None:
    """A check that began before the reminder went out does not write the old reminderSentAt over the new one."""
    await ours.add(NAME)
    clock.turn(hours=24)
    before = await ours.domain(NAME)
    assert await remind(ours) == 1
    assert not await checks.check(ours.deps, before)
    await ours.look(NAME)
    assert (await ours.domain(NAME)).reminder_sent_at == clock.at


async def test_text_from_dns_is_data(ours: World) -> None:
    """What stands in a record neither becomes HTML nor breaks a line or turns the text around."""
    evil = "<script>alert(1)</script>\r\n\r\nBcc: x\u202e" + "y" * 9000
    finding = Finding(
        code="dkim.wrong", severity=Severity.BLOCKING, host=NAME, title="Wrong", detail=evil, fix=f"Not {evil}"
    )
    domain = await ours.add(NAME)
    tip = replace(finding, severity=Severity.TIP, title="A tip")
    step = Reminder(kind=ReminderKind.PENDING, step="24h", spell="", due_at=noon())
    occasion = ReminderInput(
        reminder=step, domain=domain, findings=(tip, finding), to="a@b.test", name="n", unsubscribe='https://x/?"&<'
    )
    written = reminder_email(occasion)
    assert "<script" not in written.html
    assert '"&<' not in written.html
    assert "\r" not in written.text
    assert "\nBcc" not in written.text
    assert "\u202e" not in written.text + written.html
    assert len(written.text) < 6000
    assert "A tip" not in written.text


@pytest.mark.parametrize(
    "email", ["a@b.test\n", "a@b.test\r\nBcc: c@d.test", "a b@c.test", '"a"@b.test', "a@b..test", "@b", "a" * 65 + "@b"]
)
async def test_no_account_has_an_address_that_breaks_a_header(ours: World, email: str) -> None:
    """An odd address is refused where accounts are made and changed."""
    for attempt in (
        accounts.open_account(ours.deps, "Odd", email, ours.account.limits, OPERATOR),
        accounts.change_account(ours.deps, ours.account.id, OPERATOR, accounts.AccountUpdate(email=email)),
    ):
        with pytest.raises(Fault) as caught:
            await attempt
        assert caught.value.kind is Kind.PARAMETER_INVALID


def test_steps_have_names_for_ever() -> None:
    """The words that are kept in the database don't change: a renamed step would be sent twice."""
    assert [kind.value for kind in ReminderKind] == [
        "pending",
        "failed",
        "at_risk",
        "lost",
        "restored",
        "finding",
        "acceptance_ended",
    ]
    assert (AT_ONCE, BEFORE_STOP) == ("at-once", "24h-before-stop")
