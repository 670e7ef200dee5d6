"""The command that asks whether mail may be sent from a name: by its own domain, or by one above it."""

from typing import Any, Final

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.wording import command_words

UNANSWERED: Final = "dmarc-unanswered"


def can_send(name: str, /, *, dns: bool = True, as_json: AsJson = False) -> Exit:
    """Ask whether the account may send mail from a name now, and who signs it: the name itself, or one above it.

    Exits with 0 where it may, with 1 where it may not, with 5 where DNS did not say what DMARC policy applies.

    Parameters
    ----------
    name
        A domain, an address, or a whole From field: eu.acme.dev, or hello@eu.acme.dev
    dns
        Ask DNS for the DMARC policy of a name that a domain above it covers.
    """
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("can-send"), query={"from": name, "dns": None if dns else "false"})
    found: dict[str, Any] = decode_json(answer)
    if as_json:
        print(answer.decode())
    else:
        print("\n".join(_lines(found)))
    if not found["canSend"]:
        return Exit.NOT_GOOD
    notes = found.get("dmarc", {}).get("notes", ())
    return Exit.NOT_SEEN if any(each["code"] == UNANSWERED for each in notes) else Exit.OK


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['name']} {'may' if found['canSend'] else 'may not'} send: {command_words(found['detail'])}"]
    if "signature" in found:
        lines.append(f"Signed with d={found['signature']['domain']}, s={found['signature']['selector']}.")
    if "fix" in found:
        lines.append(command_words(found["fix"]))
    lines += [f"{each['severity']}: {each['text']}" for each in found.get("dmarc", {}).get("notes", ())]
    return lines
