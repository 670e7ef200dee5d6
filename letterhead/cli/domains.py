"""The commands on sender domains."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from letterhead.cli import (
    acceptance,
    domain_checks,
    domain_connect,
    domain_settings,
    links,
    operator,
    proofs,
    records,
    subdomain_covers,
    wait,
)
from letterhead.cli.client import Api, QueryValue, account_key, decode_json, domain_text, path_of, refuse_clear_text
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.report import (
    LIST_HEADER,
    NO_DOMAINS,
    change_of_keys,
    list_rows,
    preflight_text,
    to_publish,
    zone_text,
)
from letterhead.cli.tables import console, terminal_width
from letterhead.errors import Fault, Kind

app = App(
    name="domains",
    help="List, add, show, check and delete sender domains, and change their keys.",
    help_format="plaintext",
)
app.command(links.link)
app.command(links.open_setup, name="open")
app.command(domain_connect.apply_link)
app.command(domain_checks.check)
app.command(records.records)
app.command(wait.wait)
app.command(acceptance.accept)
app.command(acceptance.accepted)
app.command(acceptance.unaccept)
app.command(domain_settings.set_domain, name="set")
app.command(subdomain_covers.can_send)


WithPrivateKeys = Annotated[
    bool,
    Parameter(
        name="--private-keys",
        negative="",
        help="With --json: leave the private keys in the answer, where the API key may see them.",
    ),
]
CoversSubdomains = Annotated[
    bool | None,
    Parameter(help="Let its key sign mail from the names below it too, or not; unless given, as the account has it."),
]
OfAccount = Annotated[
    str | None,
    Parameter(name="--account", help="An account's id: see its domains as the operator, and change nothing."),
]


@app.command(name="list")
def list_domains(
    *,
    account: OfAccount = None,
    all_accounts: Annotated[bool, Parameter(negative="")] = False,
    only: Literal["at-risk", "failing", "refused"] | None = None,
    status: Literal["SUCCESS", "PENDING", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"] | None = None,
    search: Annotated[str | None, Parameter(name=["--search", "-q"])] = None,
    problem: str | None = None,
    label: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    refresh: Annotated[bool, Parameter(negative="")] = False,
    output: Output = TABLE,
    private_keys: WithPrivateKeys = False,
) -> Exit:
    """List the account's domains; with --account or --all-accounts those of others, by LETTERHEAD_OPERATOR_TOKEN.

    Parameters
    ----------
    all_accounts
        The domains of all accounts, by account and name.
    only
        Of the operator's list only those at risk, those that have failed for over an hour, or those that the mail
        provider refuses.
    status
        Only those with this status.
    search
        Only those whose name holds this text.
    problem
        Only those whose last check found this: the code of a finding, such as dkim.missing.
    label
        Only those with this label, as key=value or key:value; given several times, those with all of them.
    refresh
        Ask the mail provider about each before answering.
    """
    labels = [":".join(domain_settings.split_label(each)) for each in label] or None
    if account or all_accounts:
        filters: dict[str, QueryValue | None] = {"accountId": account, "status": status, "condition": only}
        return operator.list_domains(filters | {"q": search, "label": labels}, output)
    if only:
        raise operator.needs_accounts("--only")
    with Api(account_key()) as api:
        query: dict[str, QueryValue | None] = {"status": status, "q": search, "problem": problem}
        query |= {"label": labels, "refresh": "true" if refresh else None}
        answer = api.call("GET", path_of("domains"), query=query)
    domains = decode_json(answer)
    shown = domain_text(answer, private_keys) if output.form == "json" else ""
    is_filtered = bool(status or search or problem or label)
    none = "No domain matches. List all of them: letterhead domains list" if is_filtered else NO_DOMAINS
    print_rows(output, shown, LIST_HEADER, list_rows(domains), none)
    return Exit.OK


@app.command
def add(
    sender: str,
    /,
    *,
    selector: str | None = None,
    mail_from: str | None = None,
    private_key: Path | None = None,
    accept_short_key: Annotated[bool, Parameter(negative="")] = False,
    delegated: Annotated[bool, Parameter(negative="")] = False,
    start: bool = True,
    covers_subdomains: CoversSubdomains = None,
    zone_file: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> Exit:
    """Add a domain and print the records to publish. Adding one that is there changes nothing.

    Parameters
    ----------
    sender
        The domain alone, not an address: acme.dev
    selector
        A DKIM selector of your own instead of one that nobody can guess.
    mail_from
        The MAIL FROM domain, as its first label or as the full name.
    private_key
        A file with a private key of your own (RSA, PEM).
    accept_short_key
        Take one of 1024 to 2047 bits, which signs mail already.
    delegated
        Have the keys published in the operator's own zone: two CNAMEs are published once, and never touched again.
    start
        Start verification at once.
    zone_file
        Print the records as lines of a zone file.
    """
    pem = None if private_key is None else _read_pem(private_key)
    given = {"selector": selector, "mailFrom": mail_from, "privateKey": pem, "coversSubdomains": covers_subdomains}
    given |= {"acceptShortKey": accept_short_key or None, "startVerification": None if start else False}
    given["dkimMode"] = "delegated" if delegated else None
    body = {name: value for name, value in given.items() if value is not None}
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("domains"), {"sender": sender, **body})
        added = None if as_json else _find_domain(api, decode_json(answer), sender)
    if added is None:
        print(answer.decode())
    elif zone_file:
        print(zone_text(added))
    else:
        console().print(to_publish(added, terminal_width()))
    return Exit.OK


def _find_domain(api: Api, domains: list[dict[str, Any]], sender: str) -> dict[str, Any]:
    """Return the new domain from the list; one that was spelt otherwise (`bücher.example`) is requested by its name."""
    spelt = sender.lower().removesuffix(".")
    found = next((domain for domain in domains if domain["sender"] == spelt), None)
    return found or decode_json(api.call("GET", path_of("domains", sender)))


def _read_pem(path: Path) -> str:
    """Return the text of a private key that is about to be sent; Fault `config-invalid`."""
    refuse_clear_text("The private key", "nothing was sent")
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The key file {path} can't be read: {error}.",
            "Name a PEM file with an RSA private key that this user may read.",
        ) from error


@app.command
def show(
    sender: str,
    /,
    *,
    account: OfAccount = None,
    zone_file: Annotated[bool, Parameter(negative="")] = False,
    output: Output = TABLE,
    private_keys: WithPrivateKeys = False,
) -> Exit:
    """Show a domain: how each record stands, what is wrong, what was seen, what to do.

    Parameters
    ----------
    sender
        The domain.
    zone_file
        Print the records to publish as lines of a zone file, and nothing else.
    """
    if account:
        answer = operator.show_domain(account, sender)
    else:
        with Api(account_key()) as api:
            answer = api.call("GET", path_of("domains", sender))
    if output.form == "json":
        print(domain_text(answer, private_keys))
    elif zone_file:
        print(zone_text(decode_json(answer)))
    else:
        domain_checks.print_report(decode_json(answer), output)
    return Exit.OK


@app.command
def preflight(sender: str, /, *, as_json: AsJson = False) -> Exit:
    """Read what is in DNS before a domain is added: its DNS host, SPF, MX, DMARC, and a MAIL FROM that is free."""
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("domains", sender, "preflight"))
    if as_json:
        print(answer.decode())
    else:
        console().print(preflight_text(decode_json(answer), terminal_width()))
    return Exit.OK


@app.command
def proof(
    sender: str,
    /,
    *,
    raw: Path | None = None,
    ip: str | None = None,
    mail_from: str | None = None,
    helo: str | None = None,
    wait: float = 60,
    as_json: AsJson = False,
) -> Exit:
    """Show how a receiver sees one message of a domain: DKIM, SPF, DMARC. Exits with 1 where DMARC would fail.

    Parameters
    ----------
    sender
        The domain.
    raw
        A file with a message's source as it was received. Without it, one message is sent by the operator's path.
    ip
        The address of the server that handed the message over; else its Received fields tell.
    mail_from
        The envelope sender; else its Return-Path tells.
    helo
        The name that the server gave; else its Received field tells.
    wait
        Seconds to wait for a message that was sent.
    """
    envelope = {"clientIp": ip, "mailFrom": mail_from, "helo": helo}
    given = {name: value for name, value in envelope.items() if value is not None}
    body = given | (proofs.source(raw) if raw is not None else {})
    with Api(account_key()) as api:
        answer = proofs.ask_for_proof(api, sender, body, wait)
    proved: dict[str, Any] = decode_json(answer)
    if as_json:
        print(answer.decode())
    else:
        console().print(proofs.report(proved, terminal_width()))
    return proofs.exit_of(proved)


@app.command
def start(sender: str, /, *, as_json: AsJson = False) -> Exit:
    """Start verification, or bring the next look forward; never makes a state worse."""
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("domains", sender, "start-verification"))
    if as_json:
        print(answer.decode())
    else:
        console().print(f"Verification of {sender} is on its way: letterhead domains show {sender}")
    return Exit.OK


@app.command
def rotate(
    sender: str,
    /,
    *,
    selector: str | None = None,
    private_key: Path | None = None,
    abandon: Annotated[bool, Parameter(negative="")] = False,
    as_json: AsJson = False,
) -> Exit:
    """Change the DKIM key: print the new record to publish. The old key signs until every server serves the new one.

    Parameters
    ----------
    sender
        The domain.
    selector
        A selector of your own, never used before for this domain.
    private_key
        A file with a private key of your own (RSA, PEM).
    abandon
        End the change before the new key has taken over.
    """
    body: dict[str, object] = {} if selector is None else {"selector": selector}
    if private_key is not None:
        body["privateKey"] = _read_pem(private_key)
    with Api(account_key()) as api:
        path = path_of("domains", sender, "dkim-rotation")
        answer = api.call("DELETE", path) if abandon else api.call("POST", path, body)
    return _print_rotation(answer, as_json)


@app.command
def rotation(sender: str, /, *, as_json: AsJson = False) -> Exit:
    """Show how far a change of the DKIM key is, what is waited for, and which old records can go."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("domains", sender, "dkim-rotation"))
    return _print_rotation(answer, as_json)


def _print_rotation(answer: bytes, as_json: bool) -> Exit:
    if as_json:
        print(answer.decode())
    else:
        console().print(change_of_keys(decode_json(answer)))
    return Exit.OK


@app.command
def delete(sender: str, /, *, yes: Yes = False, as_json: AsJson = False) -> Exit:
    """Delete a domain: its key is destroyed, its selector never used again. Asks first, unless --yes.

    Where the domain may send, its name must be typed: its mail stops.
    """
    with Api(account_key()) as api:
        if not yes:
            domain = decode_json(api.call("GET", path_of("domains", sender)))
            loss = f"The signing key of {domain['sender']} will be destroyed, and its selector never used again."
            if domain["canSend"]:
                loss = f"{domain['sender']} may send: mail from it will no longer be signed. {loss}"
            if not is_confirmed(loss, yes=False, word=domain["sender"] if domain["canSend"] else None):
                return Exit.NOT_GOOD
        answer = api.call("DELETE", path_of("domains", sender))
    print(answer.decode() if as_json else f"Deleted {sender}. Its records in DNS can be removed.")
    return Exit.OK
