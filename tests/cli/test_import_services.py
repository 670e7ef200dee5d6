"""`letterhead import resend`, `mailgun`, `postmark`: pages, patience, refusals, and a key that is shown nowhere."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from letterhead.cli.exit_codes import Exit
from tests.rigs import mail_services
from tests.rigs.command import LETTERHEAD, Result, Running
from tests.rigs.import_sources import commands_of, run_as_printed
from tests.rigs.mail_services import TOKEN, Services

VARIABLES = {"resend": "RESEND_API_KEY", "mailgun": "MAILGUN_API_KEY", "postmark": "POSTMARK_ACCOUNT_TOKEN"}
NAMES = {name: [f"{each}-{name}.test" for each in ("one", "two", "three")] for name in VARIABLES}
EUROPE = ["four-mailgun.test"]


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Run the stand-ins with three domains each, more than a page has."""
    domains = {
        "api_resend_com": NAMES["resend"], "api_mailgun_net": NAMES["mailgun"],
        "api_postmarkapp_com": NAMES["postmark"], "api_eu_mailgun_net": EUROPE,
    }  # fmt: skip
    with mail_services.running(tmp_path, **domains) as running:
        yield running


def call(service: Running, services: Services, *arguments: str, given: Mapping[str, str] | None = None) -> Result:
    """Run an import with the variables that lead to the stand-ins, and look for the key in what it prints."""
    folder = service.data
    named = {VARIABLES[arguments[0]]: TOKEN} if given is None else given
    programs = {"letterhead": "".join(f"export {k}='{v}'\n" for k, v in {**services.variables, **named}.items())}
    programs["letterhead"] += f'exec {LETTERHEAD} "$@"'
    settings = {"URL": service.url, "API_KEY": service.key}
    result = run_as_printed(f"letterhead import {' '.join(arguments)}", folder, programs, **settings)
    assert TOKEN not in result.out + result.err
    return result


@pytest.mark.parametrize("name", VARIABLES)
def test_the_domains_of_a_service_come_in_pages(service: Running, services: Services, name: str) -> None:
    """All pages are read; each domain gets a new key beside the service's; the second time nothing is to be done."""
    planned = call(service, services, name, "--plan", "--json")
    assert planned.code == Exit.DRIFT, planned.err
    told = json.loads(planned.out)
    assert [each["sender"] for each in told["domains"]] == sorted(NAMES[name])
    assert {each["action"] for each in told["domains"]} == {"add"}
    assert all(f"stays with {name.capitalize()}" in each["why"] for each in told["domains"])
    assert all(("not verified there" in each["why"]) is (name == "mailgun") for each in told["domains"])
    assert [each["place"] for each in told["unread"]] == (["sandbox123.mailgun.org"] if name == "mailgun" else [])
    assert call(service, services, name).code == Exit.OK
    again = call(service, services, name)
    assert (again.code, "3 here already" in again.out) == (Exit.OK, True), again.out + again.err


def test_mailgun_has_two_regions(service: Running, services: Services) -> None:
    """--region asks the other host alone."""
    told = json.loads(call(service, services, "mailgun", "--region", "eu", "--plan", "--json").out)
    assert [each["sender"] for each in told["domains"]] == EUROPE
    assert {each.split()[0] for each in services.calls} == {"api.eu.mailgun.net"}


@pytest.mark.parametrize("name", ["resend", "postmark"])
def test_the_mail_from_of_a_service_stays_its_own(service: Running, services: Services, name: str) -> None:
    """A label that the service's bounces need is refused before anything is added."""
    label = {"resend": "send", "postmark": "pm-bounces"}[name]
    services.domains.update({"api.resend.com": ["label-resend.test"], "api.postmarkapp.com": ["label-postmark.test"]})
    refused = call(service, services, name, "--mail-from", label)
    assert (refused.code, "1 refused" in refused.out) == (Exit.NOT_GOOD, True), refused.out
    assert service.call("domains", "show", f"label-{name}.test").code == Exit.REFUSED


def test_a_service_that_asks_for_patience_gets_it(service: Running, services: Services) -> None:
    """429 with Retry-After is waited for; the answer then counts."""
    services.fates += [(429, {"Retry-After": "0"}, b"{}"), (429, {"retry-after": "0"}, b"{}")]
    told = call(service, services, "resend", "--plan", "--json")
    assert (told.code in (Exit.OK, Exit.DRIFT), len(services.calls)) == (True, 2 + 2 + 3), told.err


@pytest.mark.parametrize(
    ("fate", "code", "said"),
    [
        ((401, {}, b"{}"), Exit.USAGE, "refuses the API key"),
        ((403, {}, b"{}"), Exit.USAGE, "refuses the API key"),
        ((500, {}, b"{}"), Exit.UNREACHABLE, "HTTP 500"),
        ((302, {"Location": "https://api.mailgun.net/"}, b""), Exit.UNREACHABLE, "HTTP 302"),
        ((200, {}, b"<html>"), Exit.UNREACHABLE, "otherwise than"),
        ((200, {}, b'{"data": 3}'), Exit.UNREACHABLE, "otherwise than"),
        ((200, {}, b'{"data": [{"id": null}]}'), Exit.UNREACHABLE, "otherwise than"),
        ((200, {}, b'{"data": [' + b" " * 9_000_000 + b"]}"), Exit.UNREACHABLE, "otherwise than"),
    ],
)
def test_what_a_service_refuses_or_gets_wrong(
    service: Running, services: Services, fate: tuple[int, dict[str, str], bytes], code: Exit, said: str
) -> None:
    """Each failure ends with its code, says what to do, follows no redirect, and adds nothing."""
    services.fates.append(fate)
    refused = call(service, services, "resend")
    assert (refused.code, said in refused.err, "fix:" in refused.err) == (code, True, True), refused.err
    assert len(services.calls) == 1


def test_the_key_of_a_service_comes_from_a_file_or_not_at_all(
    service: Running, services: Services, tmp_path: Path
) -> None:
    """A file or standard input; without a terminal nobody is asked; a name that does not resolve is unreachable."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    for file in (f"{tmp_path}/token", f"- < {tmp_path}/token"):
        assert call(service, services, "postmark", "--plan", "--token-file", file, given={}).code in (0, Exit.DRIFT)
    asked = call(service, services, "postmark", "< /dev/null", given={})
    assert (asked.code, "POSTMARK_ACCOUNT_TOKEN" in asked.err) == (Exit.USAGE, True)
    away = call(
        service, services, "postmark", given={"HTTPS_PROXY": "http://127.0.0.1:9", VARIABLES["postmark"]: TOKEN}
    )
    assert (away.code, "can't be reached" in away.err) == (Exit.UNREACHABLE, True), away.err


@pytest.mark.parametrize("name", VARIABLES)
def test_the_commands_of_the_page(service: Running, services: Services, name: str) -> None:
    """Each command of the page runs as printed; only the domain and the key are the test's own."""
    services.domains = {host: [f"page-{name}.test"] for host in services.domains}
    codes = []
    for printed in commands_of(f"{name}.md"):
        if not printed.startswith("letterhead import"):
            continue
        command = printed.replace("acme.dev", f"page-{name}.test").removeprefix("letterhead import ")
        codes.append(call(service, services, *command.split()).code)
    assert codes[:3] == [Exit.DRIFT, Exit.OK, Exit.OK]
