"""The command that sends a test message; the reminders themselves are sent by the worker."""

import asyncio
import secrets

from cyclopts import App

from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import visible
from letterhead.errors import Fault, Kind

app = App(name="mail", help="Try the mail server that reminders go by.", help_format="plaintext")


@app.command
def test(address: str, /) -> Exit:
    """Send a test message to an address, and say what the mail server answered.

    Parameters
    ----------
    address
        Who gets it.
    """
    from letterhead.cli.process import load_settings
    from letterhead.core.accounts.accounts import parse_email
    from letterhead.core.schedule.reminder_mail import test_email
    from letterhead.ports.mail import DeliveryResult
    from letterhead.wiring import assemble

    mailer = assemble.mailer(load_settings(quiet=True))
    if mailer is None:
        raise Fault(
            Kind.CONFIG_INVALID,
            "LETTERHEAD_SMTP_URL is not set, so there is no mail server to try.",
            "Set it, with LETTERHEAD_MAIL_SENDER beside it: docs/configuration.md",
        )
    sent = asyncio.run(mailer.send(test_email(parse_email(address), f"test-{secrets.token_hex(8)}")))
    print(f"{sent.result.value}: {visible(sent.said)}")
    return Exit.OK if sent.result is DeliveryResult.ACCEPTED else Exit.NOT_GOOD
