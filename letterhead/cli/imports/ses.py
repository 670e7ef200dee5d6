"""The command `letterhead import ses`: identities that Amazon SES holds are added, and adopted once they are proven."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from msgspec.structs import replace

from letterhead.cli.client import Api, account_key, decode_json, operator_token, path_of
from letterhead.cli.exit_codes import ApiRefused, Exit
from letterhead.cli.imports.execution import (
    OnlyDomains,
    PlanOnly,
    add_planned,
    exit_of,
    mail_from_of,
    print_imports,
)
from letterhead.cli.keys import AsJson
from letterhead.core.imports.plan import ImportAction, PlannedImport
from letterhead.core.imports.ses import plan_identity
from letterhead.core.names.domain_names import parse_anywhere
from letterhead.errors import Fault, Kind

PAGE = "20"  # the most that the API gives
PAGE_SECONDS = 120.0  # for 21 calls of SES, at the rate that the settings allow


def ses(
    *,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    accept_gap: Annotated[
        bool, Parameter(negative="", help="Adopt too what may send mail that fails DMARC for some minutes.")
    ] = False,
    as_json: AsJson = False,
) -> Exit:
    """Add what the operator's Amazon SES holds to an account, and adopt each identity once its DKIM record is seen.

    Needs LETTERHEAD_OPERATOR_TOKEN, and LETTERHEAD_API_KEY of the account that shall have the domains. Run it twice:
    the first time it adds the domains, whose records are then published; the second time it adopts the identities. Exit
    codes as of `apply`.
    """
    with Api(operator_token(), PAGE_SECONDS) as operator, Api(account_key()) as api:
        identities = list_identities(operator)
        account_id = str(decode_json(api.call("GET", path_of("account")))["accountId"])
        domains = {each["sender"]: each for each in decode_json(api.call("GET", path_of("domains")))}
        present = {sender: str(each["selector"]) for sender, each in domains.items()}
        mail_froms = {sender: mail_from_of(each) for sender, each in domains.items()}
        wanted = {parse_anywhere(each).ascii for each in domain}
        if unknown := wanted - {each["sender"] for each in identities}:
            detail = f"SES holds no identity of {', '.join(sorted(unknown))}."
            raise Fault(Kind.CONFIG_INVALID, detail, "See what it has: letterhead import ses --plan")
        planned = [
            plan_identity(each, account_id, present, mail_froms, accepts_gap=accept_gap)
            for each in identities
            if not wanted or each["sender"] in wanted
        ]
        if not plan:
            planned = adopt_planned(operator, add_planned(api, planned, {}))
    print_imports(planned, (), as_json=as_json, is_plan=plan)
    return exit_of(planned, is_plan=plan)


def list_identities(operator: Api) -> list[dict[str, Any]]:
    """Return all identities, page by page: SES answers about one of them in a second; Fault `unreachable`."""
    found, after, seen = list[dict[str, Any]](), None, set[str]()
    while True:
        page = decode_json(operator.call("GET", path_of("identities"), query={"after": after, "limit": PAGE}))
        found += page["identities"]
        after = page.get("next")
        if after is None:
            return found
        if after in seen:
            raise Fault(Kind.UNREACHABLE, "The list of identities leads back to a page of it.", "Run it again later.")
        seen.add(after)


def adopt_planned(operator: Api, planned: Sequence[PlannedImport]) -> list[PlannedImport]:
    """Adopt the identities that are to be adopted, and return the plan with what came of each."""
    done = list(planned)
    for at, each in enumerate(planned):
        if each.action is not ImportAction.ADOPT:
            continue
        try:
            operator.call("POST", path_of("identities", each.sender, "adopt"), {"apply": True})
            done[at] = replace(each, why="adopted; key and MAIL FROM follow at the next check")
        except ApiRefused as refused:
            why = f"{refused.message} {refused.fix or ''} [{refused.code}]"
            done[at] = replace(each, action=ImportAction.FAILED, why=why)
    return done
