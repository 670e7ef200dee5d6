"""The command that lists the account's events."""

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.tables import columns, console


def events(
    sender: str | None = None, /, *, limit: int = 100, after: str | None = None, as_json: AsJson = False
) -> Exit:
    """Show what happened to the account's domains, the oldest first; deleted domains too.

    Parameters
    ----------
    sender
        Only this name's, as an A-label.
    limit
        How many events, at most 1000.
    after
        The id of an event: begin behind it.
    """
    with Api(account_key()) as api:
        query = {"sender": sender, "limit": str(limit), "cursor": after}
        answer = api.call("GET", path_of("events"), query=query)
    if as_json:
        print(answer.decode())
        return Exit.OK
    listed = decode_json(answer)
    rows = [(each["at"][:19].replace("T", " "), each["domain"], each["kind"], each["detail"]) for each in listed]
    console().print(columns(("WHEN", "DOMAIN", "EVENT", "WHAT HAPPENED"), rows))
    if len(listed) == limit:
        console(stderr=True).print(f"There may be more: letterhead events --after {listed[-1]['id']}")
    return Exit.OK
