"""The command that changes what an account sets of a domain."""

from typing import Annotated

from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.core.languages.negotiation import PageLanguage
from letterhead.errors import Fault, Kind


def set_domain(
    sender: str,
    /,
    *,
    note: str | None = None,
    label: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    remove_label: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    contact: str | None = None,
    contact_language: PageLanguage | None = None,
    copy_account: Annotated[bool | None, Parameter(negative="--no-copy-account")] = None,
    covers_subdomains: bool | None = None,
    as_json: AsJson = False,
) -> Exit:
    """Set what the account keeps about a domain, and whether it covers names below. What is not named stays as it is.

    Parameters
    ----------
    sender
        The domain.
    note
        A note for whoever manages the account; an empty one removes it.
    label
        A label to set, as key=value or key:value; may be given several times.
    remove_label
        The key of a label to remove; may be given several times.
    contact
        The address that gets the domain's reminders, once a link mailed there was confirmed; an empty one removes it.
    contact_language
        The language of the mails to the contact, until the contact confirms the address in another one.
    copy_account
        Whether the account's own address gets what the contact gets.
    covers_subdomains
        Let its key sign mail from the names below it too, or not.
    """
    labels: dict[str, str | None] = {**dict(map(split_label, label)), **dict.fromkeys(remove_label)}
    given: dict[str, object] = {"note": note, "labels": labels or None, "contact": contact}
    given |= {"contactLanguage": contact_language, "copyAccount": copy_account, "coversSubdomains": covers_subdomains}
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        fix = 'Name it, for example: --note "new in May".'
        raise Fault(Kind.CONFIG_INVALID, "Nothing is given that could be set.", fix)
    with Api(account_key()) as api:
        answer = api.call("PATCH", path_of("domains", sender), body)
    if as_json:
        print(answer.decode())
    elif contact and decode_json(answer).get("contact", {}).get("state") == "waiting":
        print(f"Set. A link was mailed to {contact}: the address counts once somebody there has confirmed it.")
    else:
        print(f"Set. All of it: letterhead domains show {sender}")
    return Exit.OK


def split_label(text: str) -> tuple[str, str]:
    """Split a label at the first of `=` and `:`, neither of which a key has; Fault `config-invalid` without a value."""
    at = min((found for found in map(text.find, "=:") if found >= 0), default=-1)
    if at < 0:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The label {text[:80]!r} has no value.",
            "Write it as key=value, for example team=web.",
        )
    return text[:at], text[at + 1 :]
