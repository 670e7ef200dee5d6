"""The operator's commands on accounts, and the command on one's own."""

from typing import Annotated

from cyclopts import App, Parameter

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson, print_new_key
from letterhead.cli.output import TABLE, Output, print_rows, time_of_day
from letterhead.cli.tables import console, timestamp

app = App(
    name="accounts",
    help="Open, list, show, limit and close accounts. Needs LETTERHEAD_OPERATOR_TOKEN.",
    help_format="plaintext",
)

HEADER = ("ID", "NAME", "EMAIL", "DOMAINS", "REQUESTS A MONTH", "CREATED")
UNLIMITED = "unlimited"
DomainLimit = Annotated[int | None, Parameter(name="--domains", help="How many domains it may have.")]
PendingLimit = Annotated[
    int | None, Parameter(name="--pending-claims", help="How many domains it may have that were never proven.")
]
RequestLimit = Annotated[int | None, Parameter(name="--requests-per-month", help="How many requests it may make.")]


@app.command(name="list")
def list_accounts(*, output: Output = TABLE) -> Exit:
    """List all accounts."""
    with Api(operator_token()) as api:
        answer = api.call("GET", path_of("accounts"))
    return _show(answer, output)


@app.command
def create(
    *, name: str, email: str, domains: DomainLimit = None, requests: RequestLimit = None, as_json: AsJson = False
) -> Exit:
    """Open an account with its first full-scope key, which is printed this once.

    Parameters
    ----------
    name
        Whose account it is.
    email
        Where its reminders go.
    """
    body: dict[str, object] = {"name": name, "email": email}
    if limits := _limits(domains, requests):
        body["limits"] = limits
    with Api(operator_token()) as api:
        answer = api.call("POST", path_of("accounts"), body)
    if as_json:
        print(answer.decode())
        return Exit.OK
    made = decode_json(answer)
    print(made["key"])
    console(stderr=True).print(f"Opened {made['accountId']}. Its key above is shown this once: keep it now.")
    return Exit.OK


@app.command
def show(account_id: str, /, *, output: Output = TABLE) -> Exit:
    """Show one account."""
    with Api(operator_token()) as api:
        answer = api.call("GET", path_of("accounts", account_id))
    return _show(answer, output)


@app.command
def limits(
    account_id: str,
    /,
    *,
    domains: DomainLimit = None,
    requests: RequestLimit = None,
    pending: PendingLimit = None,
    as_json: AsJson = False,
) -> Exit:
    """Set what an account may use; what is not named stays as it is."""
    body = {"limits": _limits(domains, requests, pending)}
    with Api(operator_token()) as api:
        answer = api.call("PATCH", path_of("accounts", account_id), body)
    return _show(answer, Output(as_json=as_json))


@app.command
def key(account_id: str, /, *, name: str = "made by the operator", as_json: AsJson = False) -> Exit:
    """Make a full-scope API key for an account whose owner has lost it. Its text is printed this once.

    Parameters
    ----------
    account_id
        The account's id, as `letterhead accounts list` shows it.
    name
        What the key is for, so that its owner knows it in a list.
    """
    body = {"name": name, "keyType": "secret", "scope": "full"}
    with Api(operator_token()) as api:
        answer = api.call("POST", path_of("accounts", account_id, "keys"), body)
    return print_new_key(answer, as_json)


@app.command
def delete(account_id: str, /, *, yes: Yes = False, as_json: AsJson = False) -> Exit:
    """Close an account that has no domains left, with its keys. Asks first, unless --yes."""
    if not is_confirmed(f"The account {account_id} will be closed, and its API keys and webhooks will end.", yes=yes):
        return Exit.NOT_GOOD
    with Api(operator_token()) as api:
        answer = api.call("DELETE", path_of("accounts", account_id))
    print(answer.decode() if as_json else f"Closed {account_id}.")
    return Exit.OK


@app.command
def audit(account_id: str | None = None, /, *, limit: int = 50, output: Output = TABLE) -> Exit:
    """Show who did what, when, from where and by which key, the newest first.

    Parameters
    ----------
    account_id
        Only what this account did.
    limit
        How many rows, at most 1000.
    """
    with Api(operator_token()) as api:
        answer = api.call("GET", path_of("audit"), query={"accountId": account_id, "limit": str(limit)})
    rows = [
        (time_of_day(row["at"], output), row["actor"], row.get("address"), row["action"], row["subject"])
        for row in decode_json(answer)
    ]
    print_rows(output, answer.decode(), ("WHEN", "WHO", "FROM", "DID", "TO"), rows)
    return Exit.OK


def _limits(domains: int | None, requests: int | None, pending: int | None = None) -> dict[str, int]:
    named = {"domains": domains, "requestsPerMonth": requests, "pendingClaims": pending}
    return {name: value for name, value in named.items() if value is not None}


def _show(answer: bytes, output: Output) -> Exit:
    accounts = decode_json(answer)
    rows = []
    for account in accounts if isinstance(accounts, list) else [accounts]:
        allowed = account.get("limits") or {}
        row = (
            account["accountId"],
            account["name"],
            account["email"],
            str(allowed.get("domains", UNLIMITED)),
            str(allowed.get("requestsPerMonth", UNLIMITED)),
            timestamp(account["createdAt"]),
        )
        rows.append(row)
    print_rows(output, answer.decode(), HEADER, rows)
    return Exit.OK


def account(*, email: str | None = None, output: Output = TABLE) -> Exit:
    """Show the account of your API key, or change its address.

    Parameters
    ----------
    email
        The new address for reminders. A link is mailed there, and the address counts once somebody has confirmed it.
        Needs a key of the scope full.
    """
    with Api(account_key()) as api:
        if email is None:
            return _show(api.call("GET", path_of("account")), output)
        answer = api.call("PATCH", path_of("account"), {"email": email})
    if output.form == "json":
        print(answer.decode())
    else:
        print(f"A link to confirm the address was mailed to {decode_json(answer)['confirmationSentTo']}.")
    return Exit.OK
