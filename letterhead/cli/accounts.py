"""The operator's commands on accounts, and the command on one's own."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import App, Parameter

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson, KeyBoundOptions, fields_of, print_new_key
from letterhead.cli.members import role_of
from letterhead.cli.output import TABLE, Output, print_rows, time_of_day
from letterhead.cli.tables import console, timestamp
from letterhead.errors import Fault, Kind

app = App(
    name="accounts",
    help="Open, list, show, limit and close accounts. Needs LETTERHEAD_OPERATOR_TOKEN.",
    help_format="plaintext",
)

HEADER = ("ID", "NAME", "EMAIL", "DOMAINS", "REQUESTS A MONTH", "CREATED")
USAGE_HEADER = ("KIND", "ACCOUNT", "SHARE", "NUMBER", "SECONDS", "OCTETS")
UNLIMITED = "unlimited"
DomainLimit = Annotated[int | None, Parameter(name="--domains", help="How many domains it may have.")]
PendingLimit = Annotated[
    int | None, Parameter(name="--pending-claims", help="How many domains it may have that were never proven.")
]
RequestLimit = Annotated[int | None, Parameter(name="--requests-per-month", help="How many requests it may make.")]
CoversOfAccount = Annotated[
    Literal["on", "off", "default"] | None,
    Parameter(
        name="--covers-subdomains",
        help="Whether the keys of its new domains sign mail from the names below them too: on, off, or default: as "
        "the installation says.",
    ),
]
COVERS: Final = {"on": True, "off": False, "default": None}


@app.command(name="list")
def list_accounts(*, output: Output = TABLE) -> Exit:
    """List all accounts."""
    with Api(operator_token()) as api:
        answer = api.call("GET", path_of("accounts"))
    return _show(answer, output)


@app.command
def usage(*, period: Literal["hour", "day"] = "day", output: Output = TABLE) -> Exit:
    """List who takes how much of the service, by kind of work, the largest share first.

    Parameters
    ----------
    period
        The last hour, or the last day.
    """
    with Api(operator_token()) as api:
        answer = api.call("GET", f"{path_of('accounts', 'usage')}?period={period}")
    rows = [
        (
            each["kind"],
            each.get("accountName") or each.get("accountId") or "all others",
            f"{100 * each['share']:.1f} %",
            str(each["number"]),
            f"{each['milliseconds'] / 1000:.1f}",
            str(each["octets"]),
        )
        for each in decode_json(answer)
    ]
    print_rows(output, answer.decode(), USAGE_HEADER, rows, f"Nothing was done for any account in the last {period}.")
    return Exit.OK


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
    covers_subdomains: CoversOfAccount = None,
    as_json: AsJson = False,
) -> Exit:
    """Set what an account may use, and what its new domains begin with; what is not named stays as it is."""
    body: dict[str, object] = {"limits": _limits(domains, requests, pending)}
    if covers_subdomains is not None:
        body["coversSubdomains"] = COVERS[covers_subdomains]
    with Api(operator_token()) as api:
        answer = api.call("PATCH", path_of("accounts", account_id), body)
    return _show(answer, Output(as_json=as_json))


@app.command
def key(
    account_id: str,
    /,
    *,
    name: str = "made by the operator",
    bounds: Annotated[KeyBoundOptions | None, Parameter(name="*")] = None,
    as_json: AsJson = False,
) -> Exit:
    """Make a full-scope API key for an account whose owner has lost it. Its text is printed this once.

    Parameters
    ----------
    account_id
        The account's id, as `letterhead accounts list` shows it.
    name
        What the key is for, so that its owner knows it in a list.
    """
    body = {"name": name, "keyType": "secret", "scope": "full", **fields_of(bounds)}
    with Api(operator_token()) as api:
        answer = api.call("POST", path_of("accounts", account_id, "keys"), body)
    return print_new_key(answer, as_json)


@app.command
def sign_in(
    account_id: str,
    /,
    *,
    email_domain: Annotated[list[str] | None, Parameter(negative="--no-email-domains")] = None,
    group: Annotated[list[str] | None, Parameter(negative="--no-groups")] = None,
    output: Output = TABLE,
) -> Exit:
    """Show or set whose people may sign in to an account by OpenID Connect, besides its members.

    Parameters
    ----------
    email_domain
        A mail domain and a role (viewer, editor, owner), as acme.dev=viewer; those named replace those before.
    group
        A group of the OpenID provider and a role, as mail-team=editor, likewise.
    """
    maps = {"emailDomains": email_domain, "groups": group}
    body = {name: dict(map(role_of, given)) for name, given in maps.items() if given is not None}
    with Api(operator_token()) as api:
        place = path_of("accounts", account_id, "sign-in")
        answer = api.call("PATCH", place, body) if body else api.call("GET", place)
    rules = decode_json(answer)
    rows = [(what, name, role) for what, mapped in (("mail domain", rules["emailDomains"]), ("group", rules["groups"]))
            for name, role in mapped.items()]  # fmt: skip
    print_rows(output, answer.decode(), ("BY", "NAME", "ROLE"), rows, "Nobody signs in by a mail domain or a group.")
    return Exit.OK


@app.command
def delete(
    account_id: str,
    /,
    *,
    with_domains: Annotated[bool, Parameter(negative="")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Exit:
    """Close an account, and print a receipt of what was destroyed: keep it. Asks first, unless --yes.

    Parameters
    ----------
    with_domains
        Delete its domains and their private keys as well; without, an account that has any is refused.
    """
    loss = f"The account {account_id} will be closed, and its API keys and webhooks will end."
    if with_domains:
        loss += " All of its domains and their private keys will be destroyed: their mail is signed no longer."
        loss += " Their names can't come back here with the same selectors, not even by an import of the account."
    if not is_confirmed(loss, yes=yes, word="delete" if with_domains else None):
        return Exit.NOT_GOOD
    query = {"withDomains": "true"} if with_domains else None
    receipt: dict[str, Any] = {}
    with Api(operator_token()) as api:
        try:
            while True:
                answer = decode_json(api.call("DELETE", path_of("accounts", account_id), query=query))
                receipt = join_receipts(receipt, answer["receipt"])
                if not answer["hasMore"]:
                    break
        finally:  # what was destroyed is told though the rest failed
            if receipt and as_json:
                print(msgspec.json.encode({"success": not answer["hasMore"], "receipt": receipt}).decode())
            elif receipt:
                print_receipt(receipt, is_closed=not answer["hasMore"])
    return Exit.OK


def join_receipts(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return the receipt of two calls that follow each other."""
    if not earlier:
        return later
    joined = dict(later)
    for name in ("keys", "identities", "keyZone"):
        joined[name] = earlier[name] + later[name]
    names = [*earlier["deleted"], *(name for name in later["deleted"] if name not in earlier["deleted"])]
    joined["deleted"] = {name: earlier["deleted"].get(name, 0) + later["deleted"].get(name, 0) for name in names}
    known = [each["what"] for each in earlier["remains"]]
    joined["remains"] = earlier["remains"] + [each for each in later["remains"] if each["what"] not in known]
    return joined


def print_receipt(receipt: dict[str, Any], *, is_closed: bool) -> None:
    """Print what was destroyed with an account, and what stays."""
    done = "Closed the account" if is_closed else "NOT CLOSED YET, run it again: the account"
    print(f"{done} {receipt['accountId']} at {receipt['closedAt']} (by {receipt['closedBy']}).")
    print("\nDestroyed:")
    for name, number in receipt["deleted"].items():
        print(f"{number:>8}  {name}")
    for title, names in (("Identities that the mail provider removes", receipt["identities"]),
                         ("Names whose keys go from your own zone", receipt["keyZone"])):  # fmt: skip
        if names:
            print(f"\n{title}: {', '.join(names)}")
    if receipt["keys"]:
        print("\nPrivate keys destroyed, with the SHA-256 of the public key:")
    for key in receipt["keys"]:
        print(f"  {key['selector']}._domainkey.{key['sender']}  {key['keyType']}  {key['publicKeySha256']}")
    print("\nWhat stays:")
    for each in receipt["remains"]:
        print(f"  {each['what']}: {each['until']}")


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
        (
            time_of_day(row["at"], output),
            row["actor"],
            row.get("address"),
            row["action"],
            row["subject"],
            str(row.get("count", 1)),
        )
        for row in decode_json(answer)
    ]
    print_rows(output, answer.decode(), ("WHEN", "WHO", "FROM", "DID", "TO", "TIMES"), rows)
    return Exit.OK


@app.command
def detach_audit(month: str, file: Path, /, *, yes: Yes = False) -> Exit:
    """Write a closed month of the audit to a file, and delete it from the database once the file is there.

    The file has a row in each line, as JSON. Its digest and number of rows stay in the database, and the audit says
    who moved the month out. Run it again after an interruption: a file that is there is taken as it is. Asks first,
    unless --yes.

    Parameters
    ----------
    month
        The month, in UTC, as in 2026-11; it must have ended a day ago.
    file
        The file to write; readable for you alone.
    """
    with Api(operator_token()) as api:
        if not file.exists() or not file.stat().st_size:  # an empty one may be of another month
            _write_pages(file, api.pages(path_of("audit", "month"), {"month": month}))
        digest, number = sha256(), 0
        with file.open("rb") as lines:
            for line in lines:
                digest.update(line)
                number += 1
        found = {"month": month, "rows": number, "sha256": digest.hexdigest()}
        print(f"{file} has {number} rows of {month}, sha256 {digest.hexdigest()}.")
        if not number:
            return Exit.OK
        loss = f"These rows will be deleted from the database: keep {file} where nobody changes it."
        if not is_confirmed(loss, yes=yes):
            return Exit.NOT_GOOD
        deleted = 0
        while True:
            done = decode_json(api.call("POST", path_of("audit", "detach"), found))
            deleted += int(done["deleted"])
            if not done["hasMore"]:
                break
    print(f"Deleted {deleted} rows of {month} from the database.")
    return Exit.OK


def _write_pages(file: Path, pages: Iterator[bytes]) -> None:
    """Write pages to a new file: it is whole and on the disk when this returns, or not there."""
    draft = file.with_name(f"{file.name}.draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            for page in pages:
                out.write(page)
            out.flush()
            os.fsync(descriptor)
        draft.rename(file)
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{file} could not be written: {error.strerror}. Nothing was deleted.",
            "Name a file in a folder that you may write to, on a disk with room.",
        ) from error


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


def account(*, email: str | None = None, covers_subdomains: CoversOfAccount = None, output: Output = TABLE) -> Exit:
    """Show the account of your API key, or change its address, or what its new domains begin with.

    Parameters
    ----------
    email
        The new address for reminders. A link is mailed there, and the address counts once somebody has confirmed it.
        Needs a key of the scope full.
    """
    with Api(account_key()) as api:
        if email is None and covers_subdomains is None:
            return _show(api.call("GET", path_of("account")), output)
        body: dict[str, object] = {} if email is None else {"email": email}
        body |= {} if covers_subdomains is None else {"coversSubdomains": COVERS[covers_subdomains]}
        answer = api.call("PATCH", path_of("account"), body)
    if email is None:
        return _show(answer, output)
    if output.form == "json":
        print(answer.decode())
    else:
        print(f"A link to confirm the address was mailed to {decode_json(answer)['confirmationSentTo']}.")
    return Exit.OK
