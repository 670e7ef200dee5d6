"""The commands that accept a finding, list what is accepted, and withdraw it."""

from typing import Any

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import colour_text, console, timestamp, visible

HEADER = ("CODE", "NAME", "STATE", "UNTIL", "BY", "WHY")


def accept(
    sender: str, code: str, /, *, until: str, reason: str, host: str | None = None, as_json: AsJson = False
) -> Exit:
    """Accept a finding until a day: no mail about it, and no problem in lists. Never what blocks sending.

    Parameters
    ----------
    sender
        The domain.
    code
        The code of the finding, such as dmarc.policy-none.
    until
        The day, such as 2027-03-01, at most a year ahead.
    reason
        Why; it stands where the finding is shown.
    host
        The name that the finding is about, where the domain has it at several.
    """
    body = {"code": code, "until": until, "reason": reason} | ({} if host is None else {"host": host})
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("domains", sender, "accepted-findings"), body)
    if as_json:
        print(answer.decode())
        return Exit.OK
    kept: dict[str, Any] = next(each for each in decode_json(answer)["acceptedFindings"] if each["code"] == code)
    console().print(f"{visible(code)} is accepted at {visible(sender)} until {timestamp(kept['until'])}.")
    return Exit.OK


def accepted(sender: str, /, *, output: Output = TABLE) -> Exit:
    """List what a domain has accepted, also what ended in the last 30 days.

    Parameters
    ----------
    sender
        The domain.
    """
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("domains", sender, "accepted-findings"))
    rows = [
        (each["code"], each["host"], colour_text(each["state"]), timestamp(each["until"]), each["by"], each["reason"])
        for each in decode_json(answer)["acceptedFindings"]
    ]
    none = f"Nothing is accepted at {sender}. Accept a finding: letterhead domains accept {sender} CODE"
    print_rows(output, answer.decode(), HEADER, rows, none)
    return Exit.OK


def unaccept(sender: str, code: str, /, *, host: str | None = None) -> Exit:
    """Withdraw the acceptance of a finding: it counts again at once.

    Parameters
    ----------
    sender
        The domain.
    code
        The code of the finding.
    host
        The name that it was accepted at; else wherever it was.
    """
    with Api(account_key()) as api:
        api.call("DELETE", path_of("domains", sender, "accepted-findings", code), query={"host": host})
    print(f"{visible(code)} is accepted at {visible(sender)} no longer.")
    return Exit.OK
