"""The operator's commands on identities at the mail provider."""

from typing import Annotated

from cyclopts import App, Parameter

from letterhead.cli.client import Api, decode_json, operator_token, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import columns, console

app = App(
    name="identities",
    help="See and adopt what the mail provider holds. Needs LETTERHEAD_OPERATOR_TOKEN.",
    help_format="plaintext",
)
HEADER = ("DOMAIN", "DIFFERS", "DONE", "DETAIL", "REPAIR")
ApplyIt = Annotated[bool, Parameter(name="--apply", negative="", help="Do it; without, only say what would be done.")]


def reconcile(*, apply: ApplyIt = False, output: Output = TABLE) -> Exit:
    """Compare what the mail provider holds with all domains; with --apply, mend what differs.

    Exit code 1 where something differs and was not mended.
    """
    with Api(operator_token()) as api:
        answer = api.call("POST", path_of("identities", "reconcile"), {"apply": apply})
    found = decode_json(answer)
    faults = [each for each in found["differences"] if each["differs"] != "stranger" and not each["mended"]]
    rows = [
        (each["sender"], each["differs"], "yes" if each["mended"] else "no", each["detail"], each["repair"])
        for each in found["differences"]
    ]
    if rows or output.form != "table":
        print_rows(output, answer.decode(), HEADER, rows)
    if output.form == "table":
        out = console()
        held, listed = found["held"], found["listed"]
        out.print(f"{held} domains hold their names, the provider lists {listed}, {len(rows)} differ.")
        if found["unread"]:
            out.print(f"{found['unread']} more that no domain claims were not looked at.")
        if rows and not apply:
            out.print("Nothing was changed. Mend it: letterhead reconcile --apply")
    return Exit.NOT_GOOD if faults else Exit.OK


@app.command
def adopt(domain: str, /, *, apply: ApplyIt = False, as_json: AsJson = False) -> Exit:
    """Make an identity at the mail provider ours that something else has set up there.

    Parameters
    ----------
    domain
        Whose identity; an account must have proven it by its DKIM record.
    """
    with Api(operator_token()) as api:
        answer = api.call("POST", path_of("identities", domain, "adopt"), {"apply": apply})
    if as_json:
        print(answer.decode())
        return Exit.OK
    done = decode_json(answer)
    rows = [(what, done[key].get("now", "-"), done[key].get("then", "-")) for what, key in _PARTS]
    console().print(columns(("", "NOW", "THEN"), rows))
    after = "Adopted; key and MAIL FROM follow at the next check." if apply else "Nothing was changed. Do it: --apply"
    console().print(after)
    return Exit.OK


_PARTS = (("owner tag", "owner"), ("selector", "selector"), ("MAIL FROM", "mailFrom"))
