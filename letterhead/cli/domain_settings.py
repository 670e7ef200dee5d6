"""The command that changes what an account sets of a domain."""

from letterhead.cli.client import Api, account_key, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.errors import Fault, Kind


def set_domain(
    sender: str, /, *, note: str | None = None, covers_subdomains: bool | None = None, as_json: AsJson = False
) -> Exit:
    """Set what the account keeps about a domain, and whether it covers names below; the rest stays as it is.

    Parameters
    ----------
    sender
        The domain.
    note
        A note for whoever manages the account; an empty one removes it.
    covers_subdomains
        Let its key sign mail from the names below it too, or not.
    """
    given = {"note": note, "coversSubdomains": covers_subdomains}
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise Fault(
            Kind.CONFIG_INVALID, "Nothing is given that could be set.", 'Name it, for example: --note "new in May".'
        )
    with Api(account_key()) as api:
        answer = api.call("PATCH", path_of("domains", sender), body)
    print(answer.decode() if as_json else f"Set. All of it: letterhead domains show {sender}")
    return Exit.OK
