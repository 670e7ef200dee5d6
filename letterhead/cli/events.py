"""The command that lists the account's events."""

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.output import TABLE, Output, print_rows, time_of_day
from letterhead.cli.tables import console


def events(sender: str | None = None, /, *, limit: int = 100, after: str | None = None, output: Output = TABLE) -> Exit:
    """Show what happened to the account's domains, the oldest first; deleted domains too.

    Parameters
    ----------
    sender
        Only this name's.
    limit
        How many events, at most 1000.
    after
        The id of an event: begin behind it.
    """
    with Api(account_key()) as api:
        query = {"sender": sender, "limit": str(limit), "cursor": after}
        answer = api.call("GET", path_of("events"), query=query)
    listed = decode_json(answer)
    rows = [(time_of_day(each["at"], output), each["domain"], each["kind"], each["detail"]) for each in listed]
    print_rows(output, answer.decode(), ("WHEN", "DOMAIN", "EVENT", "WHAT HAPPENED"), rows)
    if output.form == "table" and len(listed) == limit:
        console(stderr=True).print(f"There may be more: letterhead events --after {listed[-1]['id']}")
    return Exit.OK
