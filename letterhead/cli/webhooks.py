"""The commands on webhooks and their deliveries."""

import time
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson, bound_to
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import Cell, colour_text, columns, console, terminal_width, timestamp, waiting
from letterhead.errors import Fault, Kind

HELP = "List, add, change, try and delete webhooks; see every delivery."
app = App(name="webhooks", help=HELP, help_format="plaintext")

WAIT = 20.0  # seconds in which a worker and the endpoint should have answered


@app.command(name="list")
def list_webhooks(*, output: Output = TABLE) -> Exit:
    """List the account's webhooks, without their secrets."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("webhooks"))
    rows = []
    for each in decode_json(answer)["endpoints"]:
        state = "disabled" if "disabledAt" in each else "live"
        events, created = " ".join(each["events"]), timestamp(each["createdAt"])
        rows.append((each["id"], state, events, bound_to(each), created, each["webhook"]))
    print_rows(output, answer.decode(), ("ID", "STATE", "EVENTS", "FOR", "CREATED", "URL"), rows)
    return Exit.OK


@app.command
def add(
    url: str,
    /,
    *,
    events: tuple[str, ...] = ("*",),
    domain: Annotated[list[str] | None, Parameter(negative="")] = None,
    covers_subdomains: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> Exit:
    """Add a webhook and print its signing secret.

    Parameters
    ----------
    url
        Where messages go: https://hooks.acme.dev/letterhead
    events
        Names of events, such as domain.verified; all of them otherwise.
    domain
        Only events of this sender domain. Give it several times for several, up to 20.
    covers_subdomains
        With --domain: of all names below these domains, too.
    """
    body = {"webhook": url, "events": list(events), "domains": domain, "coversSubdomains": covers_subdomains or None}
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("webhooks"), {key: value for key, value in body.items() if value is not None})
    if as_json:
        print(answer.decode())
        return Exit.OK
    made = decode_json(answer)
    print(made["secret"])
    console(stderr=True).print(f"Added the webhook {made['id']}. Try it: letterhead webhooks test {made['id']}")
    return Exit.OK


@app.command
def change(
    webhook_id: str,
    /,
    *,
    url: str | None = None,
    events: Annotated[tuple[str, ...] | None, Parameter(negative="")] = None,
    domain: Annotated[list[str] | None, Parameter(negative="")] = None,
    covers_subdomains: Annotated[bool, Parameter(negative="")] = False,
    all_domains: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> Exit:
    """Change a webhook, or enable it again where it was disabled; what is not named stays, its secret too.

    Parameters
    ----------
    webhook_id
        The webhook's id, as `letterhead webhooks list` shows it.
    url
        Where messages go from now on.
    events
        Names of events, such as domain.verified, in place of those of before; * for all of them.
    domain
        Only events of this sender domain from now on. Give it several times for several, up to 20. Messages of other
        domains that still wait are deleted.
    covers_subdomains
        With --domain: of all names below these domains, too.
    all_domains
        Events of all domains of the account.
    """
    if (all_domains and domain) or (covers_subdomains and not domain):
        detail = "Name domains with --domain, with --covers-subdomains for the names below; or all with --all-domains."
        example = f"letterhead webhooks change {webhook_id} --domain acme.dev --covers-subdomains"
        raise Fault(Kind.CONFIG_INVALID, detail, example)
    with Api(account_key()) as api:
        listed = decode_json(api.call("GET", path_of("webhooks")))["endpoints"]
        unknown = {"webhook": "", "events": []}  # PUT answers that there is none
        found = next((each for each in listed if each["id"] == webhook_id), unknown)
        body = {"webhook": url or found["webhook"], "events": list(events or found["events"])}
        if domain or all_domains:
            body |= {"domains": domain, "coversSubdomains": covers_subdomains}
        answer = api.call("PUT", path_of("webhooks", webhook_id), body)
    print(answer.decode() if as_json else f"Changed the webhook {webhook_id}.")
    return Exit.OK


@app.command
def delete(webhook_id: str, /, *, yes: Yes = False) -> Exit:
    """Delete a webhook with all that it was and is owed. Asks first, unless --yes."""
    loss = f"The webhook {webhook_id} will get no more messages, and its deliveries and its secret will be deleted."
    if not is_confirmed(loss, yes=yes):
        return Exit.NOT_GOOD
    with Api(account_key()) as api:
        api.call("DELETE", path_of("webhooks", webhook_id))
    print(f"Deleted the webhook {webhook_id}.")
    return Exit.OK


@app.command(name="rotate-secret")
def rotate_secret(webhook_id: str, /, *, as_json: AsJson = False) -> Exit:
    """Make a new signing secret and print it. For 24 h messages are signed by the old one too."""
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("webhooks", webhook_id, "rotate-secret"))
    print(answer.decode() if as_json else decode_json(answer)["secret"])
    return Exit.OK


@app.command
def test(webhook_id: str, /, *, as_json: AsJson = False) -> Exit:
    """Send a test message and wait for what comes of it. Exits with 1 where it did not arrive."""
    with Api(account_key()) as api:
        until = time.monotonic() + WAIT
        delivery = decode_json(api.call("POST", path_of("webhooks", webhook_id, "test")))
        while delivery["state"] != "pending" and delivery["attempts"] and time.monotonic() < until:
            time.sleep(1)  # for some seconds the last test is the answer, and its endpoint may be mended by now
            delivery = decode_json(api.call("POST", path_of("webhooks", webhook_id, "test")))
        return _await_attempt(api, webhook_id, delivery, as_json=as_json)


@app.command
def redeliver(webhook_id: str, delivery_id: str, /, *, as_json: AsJson = False) -> Exit:
    """Send a message again, under its own id, and wait for what comes of it. Exits with 1 where it did not arrive."""
    with Api(account_key()) as api:
        path = path_of("webhooks", webhook_id, "deliveries", delivery_id, "redeliver")
        return _await_attempt(api, webhook_id, decode_json(api.call("POST", path)), as_json=as_json)


def _await_attempt(api: Api, webhook_id: str, delivery: dict[str, Any], *, as_json: bool) -> Exit:
    """Wait for the next attempt of a delivery, and print it; exit with 1 where it did not arrive."""
    before, until = len(delivery["attempts"]), time.monotonic() + WAIT
    with waiting("Waiting for the endpoint's answer"):
        while len(delivery["attempts"]) == before and time.monotonic() < until:
            time.sleep(0.25)
            listed = decode_json(api.call("GET", path_of("webhooks", webhook_id, "deliveries")))
            delivery = next((each for each in listed if each["id"] == delivery["id"]), delivery)
    if as_json:
        print(msgspec.json.encode(delivery).decode())
    else:
        console().print(columns(HEADER, _attempts(delivery), width=terminal_width()))
    return Exit.OK if delivery["state"] == "delivered" else Exit.NOT_GOOD


HEADER = ("ID", "EVENT", "STATE", "ATTEMPT", "STATUS", "SAID")


@app.command
def deliveries(webhook_id: str, /, *, limit: int = 20, before: str | None = None, output: Output = TABLE) -> Exit:
    """Show a webhook's messages with every attempt, the newest first.

    Parameters
    ----------
    webhook_id
        The webhook's id, as `letterhead webhooks list` shows it.
    limit
        How many messages.
    before
        The id of a message: begin behind it.
    """
    with Api(account_key()) as api:
        query = {"limit": str(limit), "cursor": before}
        answer = api.call("GET", path_of("webhooks", webhook_id, "deliveries"), query=query)
    whole = output.form == "csv"
    rows = [row for each in decode_json(answer) for row in _attempts(each, whole=whole)]
    print_rows(output, answer.decode(), HEADER, rows)
    return Exit.OK


def _attempts(delivery: dict[str, Any], *, whole: bool = False) -> list[tuple[Cell, ...]]:
    """Return a row for each attempt, and one for the next attempt; `whole` repeats in each what they have in common."""
    first = (delivery["id"], delivery["kind"], colour_text(delivery["state"]))
    lines: list[tuple[Cell, Cell, Cell]] = [
        (timestamp(each["at"]), str(each["status"]) if "status" in each else None, each["said"] or None)
        for each in delivery["attempts"]
    ]
    if "nextAttemptAt" in delivery:
        lines.append((timestamp(delivery["nextAttemptAt"]), None, "next attempt"))
    return [
        (*(first if whole or number == 0 else ("", "", "")), *line)
        for number, line in enumerate(lines or [(None, None, None)])
    ]
