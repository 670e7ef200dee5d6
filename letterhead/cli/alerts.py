"""The commands on alert channels: chats and on-call services that an account hears of its domains by."""

import getpass
import sys

from cyclopts import App

from letterhead.cli.client import Api, account_key, decode_json, path_of, refuse_clear_text
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import colour_text, console, timestamp, visible
from letterhead.errors import Fault, Kind

app = App(
    name="alerts",
    help="Send one line for each reminder to Slack, Teams, Discord, Telegram, PagerDuty or ntfy.",
    help_format="plaintext",
)
HEADER = ("ID", "NAME", "SERVICE", "STATE", "ADDED", "LAST USED", "WHY")


@app.command
def add(name: str, /, *, as_json: AsJson = False) -> Exit:
    """Add a channel. Its address is asked for, or read from standard input: in arguments others could read it.

    Parameters
    ----------
    name
        Where the alerts arrive, in words of your own.
    """
    refuse_clear_text("The channel's address", "nothing was sent")
    typed = getpass.getpass("Address of the channel: ") if sys.stdin.isatty() else sys.stdin.readline()
    url = typed.strip()
    if not url:
        fix = "Type it when you are asked, or give it on standard input (docs/alerts.md has one of each service)."
        raise Fault(Kind.CONFIG_INVALID, "No address of the channel was given.", fix)
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("alert-channels"), {"name": name, "url": url})
    if as_json:
        print(answer.decode())
        return Exit.OK
    added = decode_json(answer)
    key = visible(added["id"])
    console().print(f"{visible(added['name'])} is added. Try it: letterhead alerts test {key}")
    return Exit.OK


@app.command(name="list")
def list_channels(*, output: Output = TABLE) -> Exit:
    """List the account's channels, without their addresses."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("alert-channels"))
    rows = [
        (
            each["id"],
            each["name"],
            each["service"],
            colour_text("failing" if "failingSince" in each else "kept"),
            timestamp(each["createdAt"]),
            timestamp(each.get("usedAt")),
            each.get("failure"),
        )
        for each in decode_json(answer)["alertChannels"]
    ]
    print_rows(output, answer.decode(), HEADER, rows, "No alert channels. Add one: letterhead alerts add NAME")
    return Exit.OK


@app.command
def test(channel_id: str, /, *, as_json: AsJson = False) -> Exit:
    """Send a test to a channel. Exits with 1 where the service does not take it."""
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("alert-channels", channel_id, "test"))
    found = decode_json(answer)
    if as_json:
        print(answer.decode())
    else:
        console().print(f"{'Taken' if found['taken'] else 'Not taken'}: {visible(found['detail'])}.")
    return Exit.OK if found["taken"] else Exit.NOT_GOOD


@app.command
def remove(channel_id: str, /, *, yes: Yes = False) -> Exit:
    """Delete a channel. Asks first, unless --yes."""
    if not is_confirmed(f"The channel {channel_id} will be deleted: no alert goes there any more.", yes=yes):
        return Exit.NOT_GOOD
    with Api(account_key()) as api:
        api.call("DELETE", path_of("alert-channels", channel_id))
    print(f"Deleted the channel {channel_id}. Revoke its address at the service, too.")
    return Exit.OK
