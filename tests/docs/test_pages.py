"""The pages that are made from code are those in docs/, and say what a reader needs."""

import re

import pytest

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.core.check import catalogue
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.dns.records import split_text
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import RecordId
from tests.docs import compared
from tests.docs.host_fixes import PLAN, SERVERS, missing_at
from tests.docs.markdown import FINDINGS, GENERATED
from tests.docs.pages import DOCS, EXAMPLES, first_findings, pages, shown_by_cases, written

DKIM = next(record for record in PLAN.records if record.id is RecordId.DKIM)
MX = next(record for record in PLAN.records if record.id is RecordId.MAIL_FROM_MX)
SPLIT = " ".join(f'"{piece}"' for piece in split_text(DKIM.value))


def test_the_pages_are_those_that_the_code_makes() -> None:
    """Nobody edits a made page by hand, and none is left behind: `./dev docs` writes them."""
    made = pages()
    assert {f"docs/{name}" for name in made if name.endswith(".md")} == GENERATED  # which need not be wrapped
    there = {name: (DOCS / name).read_text("utf-8") for name in made if (DOCS / name).exists()}
    stale = sorted(name for name, text in made.items() if there.get(name) != text)
    assert (stale, sorted(written() - set(made))) == ([], []), "run ./dev docs"


@pytest.mark.parametrize("code", DIAGNOSES)
def test_a_page_explains_its_code(code: str) -> None:
    """Each page has the title, severity, meaning, fix and rule, and no unfilled place."""
    each = DIAGNOSES[code]
    page = catalogue.page(each)
    told = (f"`{code}`", catalogue.plain(each.title), each.severity, catalogue.plain(each.meaning))
    assert all(text in page for text in told)
    assert "{" not in page
    assert page.count("## ") == 4


def test_the_pages_speak_of_no_file_and_no_place_to_fill() -> None:
    """What a reader sees is an example, as a check would report it; the names of our test files say nothing to them."""
    made = pages()
    texts = {name: text for name, text in made.items() if name.startswith(FINDINGS) or name.endswith(EXAMPLES)}
    assert len(texts) > 150
    for name, text in texts.items():
        assert ".zone`" not in text, name
        assert not re.search(r"<[a-z_ ]+>|, but …|is …[,.]", text), name


def test_references_lead_to_the_rule() -> None:
    """An RFC is linked to the section that is cited."""
    assert (
        catalogue.link_rfc("RFC 6376 3.6.1") == "[RFC 6376 3.6.1](https://www.rfc-editor.org/rfc/rfc6376#section-3.6.1)"
    )
    assert catalogue.link_rfc("RFC 7489 A.3") == "[RFC 7489 A.3](https://www.rfc-editor.org/rfc/rfc7489#appendix-A.3)"
    assert catalogue.link_rfc("RFC 9989") == "[RFC 9989](https://www.rfc-editor.org/rfc/rfc9989)"
    assert catalogue.link_rfc("SES: custom MAIL FROM") == "SES: custom MAIL FROM"


@pytest.mark.parametrize("host", load_hosts(), ids=lambda host: host.id)
def test_a_missing_dkim_record_is_told_as_the_panel_wants_it(host: DnsHost) -> None:
    """The name, the value and the way to the form are those of the DNS host that the name servers tell."""
    fix = missing_at(SERVERS[host.id])[RecordId.DKIM].fix
    name = "lh1._domainkey" if host.names == "relative" else DKIM.host
    assert re.search(rf"\b{re.escape(name)}(?![\w.])", fix)
    assert (SPLIT if host.long_txt == "split" else DKIM.value) in fix
    assert f"at {host.name} ({host.where})" in fix


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("cloudflare", "feedback.mail.example with the priority 10"),
        ("route53", "10 feedback.mail.example."),
        ("ovh", "feedback.mail.example. with the priority 10"),
    ],
)
def test_a_missing_mx_is_told_as_the_panel_wants_it(host: str, value: str) -> None:
    """The priority has its field or stands before the host name, and the final dot is there where the form needs it."""
    assert (
        f"and the mail server {value}$" in missing_at(SERVERS[host])[RecordId.MAIL_FROM_MX].fix.replace(",", "") + "$"
    )
    assert MX.value in value


def test_an_unknown_dns_host_gets_the_general_text() -> None:
    """Without a row the fix names the first server, the relative name and the plain value."""
    fix = missing_at(["ns1.acme.test", "ns2.acme.test"])[RecordId.DKIM].fix
    assert "at your DNS host (ns1.acme.test)" in fix
    assert DKIM.value in fix


def test_the_comparison_runs_ours() -> None:
    """Twenty reported mistakes, each with its reports, are answered by a finding of a zone case."""
    rows, findings = compared.mistakes(), first_findings(shown_by_cases())
    assert len(rows) == 20
    assert all(each.reported and (each.peer or not each.says) for each in rows)
    unanswered = [each.code for each in rows if compared.ours(each, findings) is None]
    print(f"{len(rows) - len(unanswered)} of {len(rows)} mistakes answered by running ours")
    assert unanswered == []
