"""The commands that plan, write and undo records in a domain's zone at its DNS host."""

from collections.abc import Mapping
from typing import Any

from cyclopts import App
from rich.text import Text

from letterhead.cli import dns_credentials
from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.dns_fields import CredentialFile, KeptCredential, read_access
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import ago, console, styled, terminal_width, timestamp, visible, wrap
from letterhead.cli.wording import command_words
from letterhead.errors import Fault, Kind

app = App(
    name="dns",
    help="Write a domain's records at its DNS host: plan, apply, undo. Nothing is written by a plan alone.",
    help_format="plaintext",
)

app.command(dns_credentials.app)

SECONDS = 240.0  # a zone is read, written and read again, each within 45 s, and its nameservers are waited for
STYLES = {
    "create": "bold green", "change": "bold yellow", "keep": "dim", "refuse": "bold red", "delete": "bold yellow",
    "served": "bold green", "refused": "bold red", "failed": "bold red",
}  # fmt: skip
GOOD = ("planned", "served", "undone")


@app.command
def hosts(*, output: Output = TABLE) -> Exit:
    """List the DNS hosts at which records can be written, the fields of their credentials, and the scope they need."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("dns-hosts"))
    rows = []
    for each in decode_json(answer)["dnsHosts"]:
        fields = ", ".join(f"{field['name']}{' (optional)' if field['optional'] else ''}" for field in each["fields"])
        rows.append((each["id"], each["name"], fields, each["scope"]))
    none = "None: octoDNS is not installed on the server. Install the extra `dns-hosts` there: docs/install/pip.md"
    print_rows(output, answer.decode(), ("ID", "NAME", "CREDENTIAL", "LEAST SCOPE"), rows, none)
    return Exit.OK


@app.command
def plan(
    sender: str,
    /,
    *,
    host: str = "",
    credential: CredentialFile = None,
    kept: KeptCredential = "",
    as_json: AsJson = False,
) -> Exit:
    """Read a domain's zone at its DNS host and show what would be written there; nothing is.

    Exits with 1 where a record is refused.

    Parameters
    ----------
    sender
        The domain.
    host
        The id of its DNS host, of those that `letterhead dns hosts` lists; not needed with --kept.
    """
    with Api(account_key(), SECONDS) as api:
        body = read_access(api, host, credential, kept)
        answer = api.call("POST", path_of("domains", sender, "dns-plan"), body)
    made: dict[str, Any] = decode_json(answer)
    if as_json:
        print(answer.decode())
    else:
        console().print(plan_text(made, terminal_width()))
        if any(each["action"] in ("create", "change") for each in made["changes"]):
            console().print(f"\nWrite it: letterhead dns apply {made['sender']} {made['id']}")
    return Exit.NOT_GOOD if any(each["action"] == "refuse" for each in made["changes"]) else Exit.OK


@app.command
def apply(
    sender: str,
    plan_id: str | None = None,
    /,
    *,
    credential: CredentialFile = None,
    kept: KeptCredential = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> Exit:
    """Write what a plan says, and wait until every nameserver of the zone answers with it. Asks first, unless --yes.

    A plan that was cut off goes on: the zone is read first. Exits with 5 where some nameserver lacks it still.

    Parameters
    ----------
    sender
        The domain.
    plan_id
        The plan; without it, the newest of the domain.
    """
    with Api(account_key(), SECONDS) as api:
        found = find_plan(api, sender, plan_id)
        if not yes:
            console(stderr=True).print(plan_text(found, terminal_width()))
        if not is_confirmed(f"The zone {found['zone']} will be written at {found['host']}.", yes=yes):
            return Exit.NOT_GOOD
        return write(api, found, "apply", read_access(api, found["host"], credential, kept), as_json=as_json)


@app.command
def undo(
    sender: str,
    plan_id: str | None = None,
    /,
    *,
    credential: CredentialFile = None,
    kept: KeptCredential = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> Exit:
    """Put back what stood in the zone before a plan. Asks first, unless --yes: mail may depend on what is taken away.

    A record that somebody has changed since is left, and shown. Exits with 1 where one was.

    Parameters
    ----------
    sender
        The domain.
    plan_id
        The plan; without it, the newest of the domain.
    """
    with Api(account_key(), SECONDS) as api:
        found = find_plan(api, sender, plan_id)
        loss = (
            f"What the plan {found['id']} wrote in the zone {found['zone']} will be taken out; mail may depend on it."
        )
        if not is_confirmed(loss, yes=yes):
            return Exit.NOT_GOOD
        return write(api, found, "undo", read_access(api, found["host"], credential, kept), as_json=as_json)


@app.command
def show(sender: str, plan_id: str | None = None, /, *, output: Output = TABLE) -> Exit:
    """Show one plan of a domain with what became of it, or list all that are kept.

    Parameters
    ----------
    sender
        The domain.
    plan_id
        The plan.
    """
    path = path_of("domains", sender, "dns-plans", *([plan_id] if plan_id else []))
    with Api(account_key()) as api:
        answer = api.call("GET", path)
    if plan_id is not None and output.form != "csv":
        found = decode_json(answer)
        console().print(answer.decode() if output.form == "json" else plan_text(found, terminal_width()))
        return exit_of(found)
    plans = [decode_json(answer)] if plan_id else decode_json(answer)["dnsPlans"]
    rows = []
    for each in plans:
        written = sum(change["action"] in ("create", "change") for change in each["changes"])
        counts = str(written), str(sum(change["action"] == "refuse" for change in each["changes"]))
        rows.append((each["id"], each["host"], each["zone"], each["state"], *counts, timestamp(each["createdAt"])))
    none = f"No plans. Make one: letterhead dns plan {visible(sender)} --host HOST"
    print_rows(output, answer.decode(), ("ID", "HOST", "ZONE", "STATE", "WRITES", "REFUSED", "MADE"), rows, none)
    return Exit.OK


def find_plan(api: Api, sender: str, plan_id: str | None) -> dict[str, Any]:
    """Return a plan, or the newest of the domain; Fault `config-invalid` where there is none."""
    if plan_id is not None:
        found: dict[str, Any] = decode_json(api.call("GET", path_of("domains", sender, "dns-plans", plan_id)))
        return found
    plans: list[dict[str, Any]] = decode_json(api.call("GET", path_of("domains", sender, "dns-plans")))["dnsPlans"]
    if not plans:
        fix = f"Make one: letterhead dns plan {visible(sender)} --host HOST"
        raise Fault(Kind.CONFIG_INVALID, f"There is no plan for {visible(sender)}.", fix)
    return plans[0]


def write(api: Api, found: Mapping[str, Any], verb: str, body: Mapping[str, Any], *, as_json: bool) -> Exit:
    """Apply or undo a plan, and show what became of it."""
    answer = api.call("POST", path_of("domains", found["sender"], "dns-plans", found["id"], verb), body)
    after: dict[str, Any] = decode_json(answer)
    if as_json:
        print(answer.decode())
    else:
        console().print(plan_text(after, terminal_width()))
    return exit_of(after)


def exit_of(plan: Mapping[str, Any]) -> Exit:
    """Return the exit code for what became of a plan."""
    if plan["state"] == "written":
        return Exit.NOT_SEEN
    left = any(each["action"] == "refuse" for each in plan.get("undone", ()))
    return Exit.OK if plan["state"] in GOOD and not left else Exit.NOT_GOOD


# --- on a terminal --------------------------------------------------------------------------------------------------


def plan_text(plan: Mapping[str, Any], width: int | None = None) -> Text:
    """Lay out a plan: its state, then each record with what stands there and what will."""
    text = styled(plan["sender"], "bold").append(f"  zone {visible(plan['zone'])} at {visible(plan['host'])}  ")
    text.append_text(styled(plan["state"], STYLES.get(plan["state"], "yellow")))
    text.append(f"  {ago(plan['changedAt'])}\n{visible(plan['id'])}")
    if "said" in plan:
        text.append(f"\n{visible(plan['said'])}")
    if "missingAt" in plan:
        text.append(f"\nnot served yet by: {visible(', '.join(plan['missingAt']))}", style="yellow")
    for change in plan.get("undone") or plan["changes"]:
        text.append("\n\n").append_text(styled(change["action"], STYLES[change["action"]]))
        text.append(f"  {change['recordType']} {visible(change['host'])}")
        if "code" in change:
            text.append(f"  [{visible(change['code'])}]", style="bold")
        said = [change["reason"], *([command_words(change["fix"])] if "fix" in change else [])]
        for mark, each in zip(("  ", "  fix: "), said, strict=False):
            lines = wrap(visible(each), None if width is None else width - len(mark))
            text.append(f"\n{mark}").append(f"\n{' ' * len(mark)}".join(lines))
        if change["action"] != "keep":
            for sign, side in (("-", "before"), ("+", "after")):
                if side in change and (change["action"] != "refuse" or side == "before"):
                    for value in change[side]["values"]:
                        text.append(f"\n  {sign} {visible(value)}", style="red" if sign == "-" else "green")
    return text
