"""The command that checks the account's own domains now: one with a report, several with a line for each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit, worst
from letterhead.cli.output import TABLE, Output, print_csv, print_rows
from letterhead.cli.report import NO_DOMAINS, RECORDS_HEADER, record_rows, report
from letterhead.cli.tables import Cell, colour_text, console, styled, terminal_width
from letterhead.cli.wording import command_words
from letterhead.errors import Fault, Kind

AT_ONCE: Final = 25  # domains of one request: their checks end before the client gives up
HEADER: Final = ("DOMAIN", "STATUS", "FINDINGS", "PROGRESS")
LATER: Final = "too-many-requests"  # the result of a domain whose turn did not come in time


def check(
    sender: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    /,
    *,
    all_domains: Annotated[bool, Parameter(name="--all", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    output: Output = TABLE,
) -> Exit:
    """Look at domains now. Exits with 0 where all are verified, with 1 where one is not, with 5 where DNS did not say.

    Parameters
    ----------
    sender
        The domain, or several of them.
    all_domains
        All domains of the account.
    dry_run
        Of one domain: look at DNS and change nothing; 0 where all required records are there.
    """
    if all_domains is bool(sender) or (dry_run and len(sender) != 1):
        detail = "Name domains, or all with --all; --dry-run looks at one domain."
        raise Fault(Kind.CONFIG_INVALID, detail, "letterhead domains check acme.dev, or letterhead domains check --all")
    with Api(account_key()) as api:
        if len(sender) == 1:
            return _check_one(api, sender[0], dry_run, output)
        if all_domains:
            sender = tuple(domain["sender"] for domain in decode_json(api.call("GET", path_of("domains"))))
        results = ask_for_each(api, path_of("domains", "check"), sender, lambda each: each, AT_ONCE)
    rows = [_row(each) for each in results]
    shown = msgspec.json.encode(results).decode() if output.form == "json" else ""
    print_rows(output, shown, HEADER, rows, NO_DOMAINS)
    return worst(_exit_of(each) for each in results)


def ask_for_each(
    api: Api, path: str, items: Sequence[str], to_json: Callable[[str], object], most: int
) -> list[dict[str, Any]]:
    """Send items in requests of at most so many, those again whose turn did not come; return the result of each."""
    results: dict[int, dict[str, Any]] = {}
    left = list(range(len(items)))
    while left:
        begun, left = left[:most], left[most:]
        answer = api.call("POST", path, {"domains": [to_json(items[at]) for at in begun]})
        again = []
        for at, result in zip(begun, decode_json(answer)["results"], strict=True):
            results[at] = result
            if result.get("error", {}).get("code") == LATER:
                again.append(at)
        if len(again) < len(begun):  # otherwise nothing goes on, and the reason stands in the results
            left = again + left
    return [results[at] for at in range(len(items)) if at in results]


def _check_one(api: Api, sender: str, dry_run: bool, output: Output) -> Exit:
    if dry_run:
        answer = api.call("GET", path_of("domains", sender, "dns-check"))
    else:
        answer = api.call("POST", path_of("domains", sender, "check"))
    found: dict[str, Any] = decode_json(answer)
    if output.form == "json":
        print(answer.decode())
    else:
        print_report(found, output)
    if found["canStartVerification"] if dry_run else found["status"] == "SUCCESS":
        return Exit.OK
    return Exit.NOT_GOOD if has_fault(found) else Exit.NOT_SEEN


def _row(result: Mapping[str, Any]) -> Sequence[Cell]:
    domain = result.get("domain")
    if domain is None:
        return (
            result["sender"],
            styled("failed", "bold red"),
            result["error"]["code"],
            command_words(result["error"]["message"]),
        )
    asking = (each for each in domain["findings"] if "accepted" not in each)
    codes = dict.fromkeys(each["code"] for each in asking if each["severity"] in ("blocking", "warning"))
    return domain["sender"], colour_text(domain["status"]), ", ".join(codes) or None, domain["progress"]["sentence"]


def _exit_of(result: Mapping[str, Any]) -> Exit:
    domain = result.get("domain")
    if domain is None:
        return Exit.REFUSED
    if domain["status"] == "SUCCESS":
        return Exit.OK
    return Exit.NOT_GOOD if has_fault(domain) else Exit.NOT_SEEN


def has_fault(found: Mapping[str, Any]) -> bool:
    """Whether DNS or the provider has said no, so that it is not only the silence of DNS that keeps a domain back."""
    required = [each for each in found["records"] if each["required"]]
    wrong = any(each["verdict"] in ("wrong", "absent") for each in required)
    blocking = any(each["severity"] == "blocking" for each in found["findings"])
    return wrong or blocking or all(each["verdict"] == "present" for each in required)


def print_report(domain: dict[str, Any], output: Output) -> None:
    """Print a domain as text, or its records as CSV."""
    if output.form == "csv":
        print_csv(RECORDS_HEADER, record_rows(domain))
    else:
        console().print(report(domain, terminal_width()))
