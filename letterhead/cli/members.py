"""The commands on the people of an account."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.output import TABLE, Output, print_rows
from letterhead.cli.tables import console, timestamp, visible
from letterhead.errors import Fault, Kind

app = App(
    name="members",
    help="Invite, list, change and remove the people of an account, who sign in to the pages by OpenID Connect.",
    help_format="plaintext",
)

RoleChoice = Literal["viewer", "editor", "owner"]
Of = Annotated[
    str | None, Parameter(name="--account", help="Of this account, as the operator, with LETTERHEAD_OPERATOR_TOKEN.")
]
HEADER = ("ID", "E-MAIL", "ROLE", "STATE", "SINCE", "SIGNED IN", "KNOWN AS")


def _open(account: str | None) -> tuple[Api, tuple[str, ...]]:
    """Return a client of an account's owner or of the operator, and what the paths begin with."""
    if account is None:
        return Api(account_key()), ()
    return Api(operator_token()), ("accounts", account)


def role_of(text: str) -> tuple[str, str]:
    """Split `name=role`, as of a rule to sign in by; a group's name may hold `=` itself."""
    name, _, role = text.rpartition("=")
    if name:
        return name, role
    raise Fault(Kind.CONFIG_INVALID, f"{text!r} names no role.", "Write the name and the role, as acme.dev=viewer.")


@app.command(name="list")
def list_members(*, account: Of = None, output: Output = TABLE) -> Exit:
    """List who may sign in: members, who is invited, and mail domains and groups that the operator lets in."""
    api, place = _open(account)
    with api:
        answer = api.call("GET", path_of(*place, "members"))
    people = decode_json(answer)
    rows: list[tuple[Any, ...]] = [
        (
            each["id"],
            each["email"],
            each["role"],
            "member" if "subject" in each else "invited",
            timestamp(each["createdAt"]),
            timestamp(each.get("signedInAt")),
            each.get("subject"),
        )
        for each in (*people["members"], *people["invitations"])
    ]
    for what, mapped in (("mail domain", people["emailDomains"]), ("group", people["groups"])):
        rows += [(None, name, role, what, None, None, None) for name, role in mapped.items()]
    none = "This account has no members. Invite somebody: letterhead members invite EMAIL --role viewer"
    print_rows(output, answer.decode(), HEADER, rows, none)
    return Exit.OK


@app.command
def invite(email: str, /, *, role: RoleChoice = "viewer", account: Of = None, as_json: AsJson = False) -> Exit:
    """Invite somebody by mail. Without a mail server the link is printed, this once: send it to them yourself.

    Parameters
    ----------
    email
        Their address, which is the one that they sign in with.
    role
        viewer (look), editor (change domains and webhooks), owner (all, API keys and people included).
    """
    api, place = _open(account)
    with api:
        answer = api.call("POST", path_of(*place, "invitations"), {"email": email, "role": role})
    made = decode_json(answer)
    if as_json:
        print(answer.decode())
    elif "url" in made:
        print(made["url"])
        console(stderr=True).print("No mail server is set: send the link above to that person, and to nobody else.")
    else:
        console().print(f"Invited {visible(made['email'])} until {timestamp(made['endsAt'])} ({visible(made['id'])}).")
    return Exit.OK


@app.command(name="set")
def change(member_id: str, /, *, role: RoleChoice, account: Of = None, as_json: AsJson = False) -> Exit:
    """Give a member another role, which their open sessions have at once.

    Parameters
    ----------
    member_id
        The member's id, as `letterhead members list` shows it.
    """
    api, place = _open(account)
    with api:
        answer = api.call("PATCH", path_of(*place, "members", member_id), {"role": role})
    print(answer.decode() if as_json else f"{visible(decode_json(answer)['email'])} is {role} now.")
    return Exit.OK


@app.command
def remove(member_id: str, /, *, yes: Yes = False, account: Of = None) -> Exit:
    """Remove a member, whose sessions end at once. Asks first, unless --yes.

    Parameters
    ----------
    member_id
        The member's id, as `letterhead members list` shows it.
    """
    loss = f"The member {member_id} will be signed out everywhere, and can't sign in as a member any more."
    if not is_confirmed(loss, yes=yes):
        return Exit.NOT_GOOD
    api, place = _open(account)
    with api:
        api.call("DELETE", path_of(*place, "members", member_id))
    print("Removed. API keys that they know go on working: letterhead keys list")
    return Exit.OK


@app.command
def revoke(invitation_id: str, /, *, account: Of = None) -> Exit:
    """Revoke an invitation that nobody has accepted yet.

    Parameters
    ----------
    invitation_id
        The invitation's id, as `letterhead members list` shows it.
    """
    api, place = _open(account)
    with api:
        api.call("DELETE", path_of(*place, "invitations", invitation_id))
    print("Revoked: its link leads nowhere any more.")
    return Exit.OK
