"""The commands on Domain Connect, as the operator: the template, the keys that sign links, a check of both."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.exit_codes import Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.tables import colour_text, console, visible
from letterhead.core.dns.records import zone_line
from letterhead.errors import Fault, Kind

app = App(
    name="domain-connect",
    help="Write your Domain Connect template, make the key that signs its links, and check both, as the operator.",
    help_format="plaintext",
)


@app.command
def template(
    *,
    template_version: Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))] = 1,
    write: Path | None = None,
    as_json: AsJson = False,
) -> Exit:
    """Print your template for the public repository of templates. Exits with 1 where it breaks a rule of that.

    Parameters
    ----------
    template_version
        The version that the template says it has: raise it with each change that you hand in.
    write
        Write it to this folder, into a file with the name that the repository wants.
    """
    with Api(operator_token()) as api:
        answer = api.call("GET", path_of("domain-connect", "template"), query={"version": str(template_version)})
    found: dict[str, Any] = decode_json(answer)
    text = msgspec.json.format(msgspec.json.encode(found["template"]), indent=4).decode()
    if as_json:
        print(answer.decode())
    elif write is None:
        print(text)
    else:
        path = write / found["fileName"]
        try:
            path.write_text(f"{text}\n", "utf-8")
        except OSError as error:
            said = f"{path} can't be written: {error.strerror}."
            raise Fault(Kind.CONFIG_INVALID, said, "Name a folder that is there, and that you may write to.") from error
        console().print(f"Wrote {path}.", style="")
    for line in _problem_lines(found["problems"]):
        console(stderr=True).print(line)
    return Exit.NOT_GOOD if found["problems"] else Exit.OK


@app.command
def key(*, new: Annotated[bool, Parameter(negative="")] = False, as_json: AsJson = False) -> Exit:
    """Print the TXT records that publish the public key of your links; make the key where there is none yet.

    Parameters
    ----------
    new
        Make a further key. Links are signed by it as soon as DNS serves its records; the older one can go then.
    """
    with Api(operator_token()) as api:
        keys = decode_json(api.call("GET", path_of("domain-connect")))["keys"]
        if new or not keys:
            keys.append(decode_json(api.call("POST", path_of("domain-connect", "keys"))))
    if as_json:
        print(msgspec.json.encode(keys).decode())
        return Exit.OK
    for each in keys:
        for text in each["texts"]:
            print(zone_line(each["host"], "TXT", text))
        console(stderr=True).print(_key_line(each))
    return Exit.OK


@app.command
def delete_key(name: str, /, *, yes: Yes = False, as_json: AsJson = False) -> Exit:
    """Delete a key that signs no more; the newest one stays. Asks first, unless --yes.

    Parameters
    ----------
    name
        The key's name, such as _dcpubkeyv1.
    """
    if not is_confirmed(f"The Domain Connect key {name} will be destroyed.", yes=yes):
        return Exit.NOT_GOOD
    with Api(operator_token()) as api:
        answer = api.call("DELETE", path_of("domain-connect", "keys", name))
    print(answer.decode() if as_json else f"Deleted {name}. Its TXT records can be removed.")
    return Exit.OK


@app.command
def check(*, as_json: AsJson = False) -> Exit:
    """Check that DNS serves the key of your links, and that the template keeps the rules of the public repository."""
    with Api(operator_token()) as api:
        state = decode_json(api.call("GET", path_of("domain-connect")))
        found = decode_json(api.call("GET", path_of("domain-connect", "template")))
    is_good = any(each.get("published") for each in state["keys"]) and not found["problems"]
    if as_json:
        print(msgspec.json.encode({**state, "problems": found["problems"]}).decode())
        return Exit.OK if is_good else Exit.NOT_GOOD
    console().print(f"Service provider {state['providerId']}, service {state['serviceId']}: {found['fileName']}")
    for each in state["keys"]:
        console().print(_key_line(each))
    if not state["keys"]:
        console().print("There is no key yet: letterhead domain-connect key")
    for line in _problem_lines(found["problems"]):
        console().print(line)
    return Exit.OK if is_good else Exit.NOT_GOOD


def apply_link(sender: str, /, *, as_json: AsJson = False) -> Exit:
    """Print a link by which the DNS host adds a domain's records (Domain Connect). Exits with 1 where there is none.

    Parameters
    ----------
    sender
        The domain.
    """
    with Api(account_key()) as api:
        answer = api.call("GET", path_of("domains", sender, "apply-link"))
    link: dict[str, Any] = decode_json(answer)
    if as_json:
        print(answer.decode())
    elif link["supported"]:
        print(link["url"])
        console(stderr=True).print(f"{visible(link['host'])} adds: {', '.join(link['records'])}.", style="")
        if left := link.get("left"):
            console(stderr=True).print(f"To be added by hand: {', '.join(left)}.")
    else:
        console(stderr=True).print(f"{link['reason']}: {visible(link['detail'])}", style="")
    return Exit.OK if link["supported"] else Exit.NOT_GOOD


def _key_line(each: dict[str, Any]) -> Text:
    text = colour_text("ok" if each.get("published") else "no")
    said = each.get("problem") or "DNS serves it."
    return text.append(f"  {each['name']}: {visible(said)}", style="")


def _problem_lines(problems: list[dict[str, Any]]) -> list[str]:
    return [f"{each['severity']}: {each['detail']} ({each['rule']})" for each in problems]
