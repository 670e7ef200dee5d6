"""The commands on API keys, and on the keys that seal the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import ago, console, timestamp

app = App(
    name="keys", help="List, make and delete the account's API keys; wrap stored secrets anew.", help_format="plaintext"
)

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print the API's answer as it is.")]


@dataclass(frozen=True, kw_only=True)
class KeyBoundOptions:
    """What a new key is held to."""

    domain: Annotated[list[str] | None, Parameter(negative="")] = None
    "Only for this sender domain. Give it several times for several, up to 20."

    covers_subdomains: Annotated[bool, Parameter(negative="")] = False
    "With --domain: for all names below these domains, too."

    network: Annotated[list[str] | None, Parameter(negative="")] = None
    "Accepted only from this address or network, such as 192.0.2.0/24; several times for several, up to 20."

    until: datetime | None = None
    "When the key ends, in UTC unless it says otherwise: 2027-03-31, or 2027-03-31T18:00."


@app.command(name="list")
def list_keys(*, output: Output = TABLE) -> Exit:
    """List the account's API keys, without their secrets."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("keys"))
    rows = []
    for key in decode_json(answer)["keys"]:
        ends = key.get("endsAt")
        state = "revoked" if key["revoked"] else f"ends {ago(ends)}" if ends else "live"
        bounds = bound_to(key), ", ".join(key.get("networks", ["anywhere"]))
        times = timestamp(key["createdAt"]), timestamp(key.get("lastUsedAt"))
        rows.append((key["id"], key["key"], key["name"], key["scope"], key["keyType"], state, *times, *bounds))
    header = ("ID", "KEY", "NAME", "SCOPE", "TYPE", "STATE", "CREATED", "LAST USED", "FOR", "FROM")
    print_rows(output, answer.decode(), header, rows)
    return Exit.OK


def bound_to(thing: Mapping[str, Any]) -> str:
    """Return the sender domains that a key or a webhook is for, as a cell of a table."""
    return ", ".join(thing.get("domains", ["all domains"])) + (" and below" if thing.get("coversSubdomains") else "")


@app.command
def create(
    name: str,
    /,
    *,
    key_type: Annotated[Literal["secret", "public"], Parameter(name="--type")] = "secret",
    scope: Literal["full", "write", "read"] = "write",
    environment: str | None = None,
    bounds: Annotated[KeyBoundOptions | None, Parameter(name="*")] = None,
    as_json: AsJson = False,
) -> Exit:
    """Make an API key. Its text is printed this once.

    Parameters
    ----------
    name
        What the key is for, so that its owner knows it in a list.
    key_type
        As the clients say: secret or public.
    scope
        read (look at everything but private keys), write (add and change domains and webhooks too), full (API keys and
        private keys too).
    environment
        An environment's id, kept beside the key.
    """
    body = {"name": name, "keyType": key_type, "scope": scope, "environmentId": environment, **fields_of(bounds)}
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("keys"), {each: value for each, value in body.items() if value is not None})
    return print_new_key(answer, as_json)


def fields_of(bounds: KeyBoundOptions | None) -> dict[str, object]:
    """Return the fields of a request for a key that say what it is held to."""
    if bounds is None:
        return {}
    until = bounds.until
    fields = {
        "domains": bounds.domain or None,
        "coversSubdomains": bounds.covers_subdomains or None,
        "networks": bounds.network or None,
        "expiresAt": None if until is None else until.replace(tzinfo=until.tzinfo or UTC).isoformat(),
    }
    return {name: value for name, value in fields.items() if value is not None}


def print_new_key(answer: bytes, as_json: bool) -> Exit:
    """Print a new key: its text alone on the standard output, so that a script can keep it."""
    if as_json:
        print(answer.decode())
        return Exit.OK
    made = decode_json(answer)
    print(made["key"])
    console(stderr=True).print(f"Made the key {made['id']}. Its text above is shown this once: keep it now.")
    return Exit.OK


@app.command
def delete(
    key_id: str,
    /,
    *,
    in_days: Annotated[int, Parameter(validator=Number(gte=0, lte=7))] = 0,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Exit:
    """Revoke an API key: within a second nothing accepts it any more. Asks first, unless --yes.

    Parameters
    ----------
    key_id
        The key's id, as `letterhead keys list` shows it.
    in_days
        Let it live on for so many days, at most 7: time to bring its successor everywhere.
    """
    when = "at once" if not in_days else "in 1 day" if in_days == 1 else f"in {in_days} days"
    if not is_confirmed(f"Programs that use the API key {key_id} will be refused {when}.", yes=yes):
        return Exit.NOT_GOOD
    with Api(account_key()) as api:
        answer = api.call("DELETE", path_of("keys", key_id), query={"endsInDays": str(in_days) if in_days else None})
    print(answer.decode() if as_json else decode_json(answer)["message"])
    return Exit.OK


@app.command
def rewrap(*, batch: Annotated[int, Parameter(validator=Number(gte=1, lte=500))] = 200) -> Exit:
    """Wrap all stored secrets with the first key of LETTERHEAD_KEYS, while the service runs, as the operator.

    Put a new key before the old ones in LETTERHEAD_KEYS, restart the service, run this, then take the old ones out. It
    may be killed and run again at any time.

    Parameters
    ----------
    batch
        How many secrets each request wraps.
    """
    with Api(operator_token()) as api:
        rewrapped = _rewrap_all(api, batch)
        while again := _rewrap_all(api, batch):  # until a whole run found nothing left
            rewrapped += again
    print(f"{rewrapped} secrets were wrapped with the first key. The older keys can go from LETTERHEAD_KEYS now.")
    return Exit.OK


def _rewrap_all(api: Api, batch: int) -> int:
    """Go over all secrets once; return how many were wrapped."""
    done, after = 0, ""
    while True:
        query = {"after": after or None, "limit": str(batch)}
        progress: dict[str, Any] = decode_json(api.call("POST", path_of("secrets", "rewrap"), query=query))
        done += int(progress["rewrapped"])
        if "after" not in progress:
            return done
        after = progress["after"]
        print(f"{done} wrapped, at {after}", flush=True)
