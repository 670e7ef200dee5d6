"""The commands on set-up links: make one, mail it, open its page."""

import webbrowser
from typing import Annotated, Any

from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.tables import console
from letterhead.core.languages.negotiation import PageLanguage


def link(
    sender: str,
    /,
    *,
    send_to: str | None = None,
    days: int | None = None,
    language: PageLanguage | None = None,
    open_page: Annotated[bool, Parameter(name="--open", negative="")] = False,
    as_json: AsJson = False,
) -> Exit:
    """Make a link to a domain's set-up page, for whoever publishes its records. Its address is printed this once.

    Parameters
    ----------
    sender
        The domain.
    send_to
        Mail the link and the records to this address too. Exits with 1 where the mail server does not take the mail.
    days
        How many days the link works, at most 90.
    language
        The language of the page and of the mail. Without it the page is in the one that the browser asks for.
    open_page
        Open the page in a browser too.
    """
    body: dict[str, object] | None = None if send_to is None else {"sendTo": send_to}
    query = {"expiresInDays": None if days is None else str(days), "language": language}
    with Api(account_key()) as api:
        answer = api.call("POST", path_of("domains", sender, "setup-links"), body, query=query)
    made: dict[str, Any] = decode_json(answer)
    print(answer.decode() if as_json else made["url"])
    if open_page:
        _open(made["url"])
    if problem := made.get("problem"):
        console(stderr=True).print(f"{problem} Pass the link on yourself.")
        return Exit.NOT_GOOD
    if send_to is not None and not as_json:
        console(stderr=True).print(f"Mailed the link and the records to {made['sentTo']}.")
    return Exit.OK


def open_setup(sender: str, /) -> Exit:
    """Open a domain's set-up page in a browser, by a link that works for one day; print its address.

    Parameters
    ----------
    sender
        The domain.
    """
    return link(sender, days=1, open_page=True)


def _open(url: str) -> None:
    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        console(stderr=True).print("No browser was found here: open the address above.")
