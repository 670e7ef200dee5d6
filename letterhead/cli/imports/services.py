"""The commands `letterhead import resend`, `mailgun` and `postmark`: the domains that a service's API lists.

The token is read from a variable, a file or the terminal, goes to the service alone, and is kept nowhere.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit
from letterhead.cli.imports.execution import MailFromLabel, OnlyDomains, PlanOnly, run_import
from letterhead.cli.imports.service_client import ServiceClient, read_token
from letterhead.cli.keys import AsJson
from letterhead.core.imports import services
from letterhead.core.imports.found import FoundDomain, FoundDomains, UnreadEntry, merge_domains

TokenFile = Annotated[
    Path | None,
    Parameter(help="A file with the service's API key; - reads standard input. Without it: a variable, or a question."),
]
RESEND_PAGE: Final = 100
MAILGUN_PAGE: Final = 1000
POSTMARK_PAGE: Final = 500
MAILGUN: Final = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}


def resend(
    *,
    token_file: TokenFile = None,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains that Resend lists, each with a new key beside Resend's, which stays in use until you switch.

    Asks Resend's API with a key of full access (RESEND_API_KEY, or --token-file); nothing is changed there. Done twice,
    it changes nothing. Exit codes as of `apply`.
    """
    with ServiceClient("Resend", "https://api.resend.com", read_token("RESEND_API_KEY", token_file)) as client:
        found, after, has_more = list[FoundDomain](), dict[str, str | int](), True
        while has_more:
            page = client.get("/domains", {"limit": RESEND_PAGE, **after})
            listed = client.objects_of(page, "data")
            found += [
                client.read(services.resend_domain, client.get(f"/domains/{client.name_of(each, 'id')}"))
                for each in listed
            ]
            has_more = page.get("has_more") is True and bool(listed)
            after = {"after": str(listed[-1]["id"])} if listed else {}
    return run_import(FoundDomains(domains=merge_domains(found)), domain, mail_from, plan=plan, as_json=as_json)


def mailgun(
    *,
    region: Literal["us", "eu"] = "us",
    token_file: TokenFile = None,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains that Mailgun lists, each with a new key beside Mailgun's, which stays in use until you switch.

    Asks Mailgun's API with an account API key (MAILGUN_API_KEY, or --token-file); nothing is changed there. Done twice,
    it changes nothing. Exit codes as of `apply`.

    Parameters
    ----------
    region
        Where the domains are kept: Mailgun's regions know nothing of each other's.
    """
    token = read_token("MAILGUN_API_KEY", token_file)
    with ServiceClient("Mailgun", MAILGUN[region], token, form="basic") as client:
        found, unread = list[FoundDomain](), list[UnreadEntry]()
        listed = client.list_by_offset(
            "/v4/domains", {"limit": MAILGUN_PAGE}, skip="skip", objects="items", total="total_count"
        )
        for each in listed:
            if services.is_sandbox(each):
                unread.append(UnreadEntry(place=str(each.get("name")), why="is Mailgun's own sandbox domain"))
            else:
                detail = client.get(f"/v4/domains/{client.name_of(each, 'name')}")
                found.append(client.read(services.mailgun_domain, detail))
    result = FoundDomains(domains=merge_domains(found), unread=tuple(unread))
    return run_import(result, domain, mail_from, plan=plan, as_json=as_json)


def postmark(
    *,
    token_file: TokenFile = None,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains that Postmark lists, each with a new key beside Postmark's, which stays in use until you switch.

    Asks Postmark's API with the account token (POSTMARK_ACCOUNT_TOKEN, or --token-file), not with a server's; nothing
    is changed there. Done twice, it changes nothing. Exit codes as of `apply`.
    """
    token = read_token("POSTMARK_ACCOUNT_TOKEN", token_file)
    with ServiceClient("Postmark", "https://api.postmarkapp.com", token, form="X-Postmark-Account-Token") as client:
        listed = client.list_by_offset(
            "/domains", {"count": POSTMARK_PAGE}, skip="offset", objects="Domains", total="TotalCount"
        )
        found = [
            client.read(services.postmark_domain, client.get(f"/domains/{client.name_of(each, 'ID')}"))
            for each in listed
        ]
    return run_import(FoundDomains(domains=merge_domains(found)), domain, mail_from, plan=plan, as_json=as_json)
