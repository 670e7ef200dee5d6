"""What the operator reads of the domains of all accounts, with LETTERHEAD_OPERATOR_TOKEN."""

from collections.abc import Mapping

from letterhead.cli.client import Api, QueryValue, decode_json, operator_token, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.output import Output, print_rows
from letterhead.cli.tables import colour_text, timestamp
from letterhead.errors import Fault, Kind

HEADER = ("ACCOUNT", "NAME", "DOMAIN", "STATUS", "FAILING SINCE", "SENDING STOPS", "PROBLEMS")
PAGE = 500


def list_domains(query: Mapping[str, QueryValue | None], output: Output) -> Exit:
    """List domains of all accounts, or of one."""
    with Api(operator_token()) as api:
        answer = api.call_all(path_of("accounts", "domains"), {**query, "limit": str(PAGE)})
    rows = [
        (
            each["accountId"],
            each["accountName"],
            each["sender"],
            colour_text(each["status"]),
            timestamp(each.get("failingSince")),
            timestamp(each.get("stopsSendingAt")),
            each.get("refused") or ", ".join(each["health"]["codes"]) or None,
        )
        for each in decode_json(answer)
    ]
    none = "No domain matches. List those of all accounts: letterhead domains list --all-accounts"
    print_rows(output, answer.decode(), HEADER, rows, none)
    return Exit.OK


def show_domain(account_id: str, sender: str) -> bytes:
    """Return one domain of an account, without private keys."""
    with Api(operator_token()) as api:
        return api.call("GET", path_of("accounts", account_id, "domains", sender))


def needs_accounts(option: str) -> Fault:
    """Make the fault for an option that goes with the operator's list alone."""
    return Fault(
        Kind.CONFIG_INVALID,
        f"{option} is for the operator's list of all accounts.",
        "Add --all-accounts or --account ACCOUNT, or choose by --status.",
    )
