"""The commands on kept credentials of DNS hosts."""

from cyclopts import App

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.dns_fields import CredentialFile, read_credential
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import colour_text, console, timestamp, visible

app = App(
    name="credentials",
    help="Keep a DNS host's credential for a zone: sealed, never shown again, used for that zone alone.",
    help_format="plaintext",
)


@app.command
def add(
    sender: str,
    /,
    *,
    host: str,
    credential: CredentialFile = None,
    put_back: bool = False,
    as_json: AsJson = False,
) -> Exit:
    """Keep a credential for the zone that a domain lies in, in place of the one before. It is tried first.

    Parameters
    ----------
    sender
        The domain.
    host
        The id of its DNS host, of those that `letterhead dns hosts` lists.
    put_back
        Put records of ours that vanish from the zone back, each once a day at most.
    """
    with Api(account_key()) as api:
        body: dict[str, object] = {"sender": sender, "host": host, "credential": read_credential(api, host, credential)}
        body["putBack"] = put_back
        answer = api.call("POST", path_of("dns-credentials"), body)
    if as_json:
        print(answer.decode())
        return Exit.OK
    kept = decode_json(answer)
    console().print(f"{visible(kept['id'])} is kept for the zone {visible(kept['zone'])} at {visible(kept['host'])}.")
    return Exit.OK


@app.command(name="list")
def list_credentials(*, output: Output = TABLE) -> Exit:
    """List the account's kept credentials, without their values."""
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("dns-credentials"))
    rows = []
    for each in decode_json(answer)["dnsCredentials"]:
        state = colour_text("refused" if "refusedAt" in each else "kept")
        used = timestamp(each["usedAt"]) if "usedAt" in each else None
        rows.append((each["id"], each["zone"], each["host"], state, timestamp(each["createdAt"]), used))
    header = ("ID", "ZONE", "HOST", "STATE", "KEPT SINCE", "LAST USED")
    none = "No credentials are kept. Keep one: letterhead dns credentials add DOMAIN --host HOST"
    print_rows(output, answer.decode(), header, rows, none)
    return Exit.OK


@app.command
def change(credential_id: str, /, *, put_back: bool, as_json: AsJson = False) -> Exit:
    """Set whether records of ours that vanish from the zone are put back.

    Parameters
    ----------
    credential_id
        The id of the credential, as `letterhead dns credentials list` shows it.
    put_back
        Put them back, each once a day at most; or no longer.
    """
    with Api(account_key()) as api:
        answer = api.call("PATCH", path_of("dns-credentials", credential_id), {"putBack": put_back})
    if as_json:
        print(answer.decode())
        return Exit.OK
    words = "are put back" if put_back else "are not put back"
    console().print(f"Records that vanish from the zone {visible(decode_json(answer)['zone'])} {words}.")
    return Exit.OK


@app.command
def delete(credential_id: str, /, *, yes: Yes = False) -> Exit:
    """Delete a kept credential. Asks first, unless --yes."""
    loss = f"The credential {credential_id} will be deleted: nothing is written in its zone without being given one."
    if not is_confirmed(loss, yes=yes):
        return Exit.NOT_GOOD
    with Api(account_key()) as api:
        api.call("DELETE", path_of("dns-credentials", credential_id))
    print(f"Deleted the credential {credential_id}. Revoke it at the DNS host, too.")
    return Exit.OK
