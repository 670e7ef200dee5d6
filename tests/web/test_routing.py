"""Hold every answer, whatever was asked, to the one envelope and the headers that each carries."""

import json
import re
from pathlib import Path

import httpx2
import pytest
import structlog

from letterhead.errors import Fault, Kind
from letterhead.web import errors as problems
from letterhead.web import openapi
from letterhead.web.endpoint import Access
from letterhead.web.routes import ENDPOINTS
from tests.web.conftest import Installation

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


async def test_unknown_paths(acme: httpx2.AsyncClient) -> None:
    """Whatever is not there is 404 in the envelope."""
    for path in ("/", "/nothing", "/domains/acme.dev/x", "/%ff", "/domains/%ff", "/domains/a%2Fb", "//domains",
                 "/domains/%00", "/domains/", "/domains%0A", "/domains/acme.dev/events%0A", "/..%2f..%2fetc/passwd",
                 "/DOMAINS", "/accounts/x/y"):  # fmt: skip
        answer = await acme.get(path, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found"), path
        assert answer.headers["content-type"] == "application/json"


async def test_wrong_methods(acme: httpx2.AsyncClient) -> None:
    """A wrong method is 405 in the envelope, and Allow lists the right ones."""
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        answer = await acme.request(method, "/domains")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method-not-allowed"), method
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


async def test_head_and_options(acme: httpx2.AsyncClient) -> None:
    """HEAD answers as GET without the body, OPTIONS tells the methods."""
    got, head = await acme.get("/domains"), await acme.head("/domains")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert (await acme.head("/nothing")).status_code == 404
    options = await acme.options("/domains")
    assert options.status_code == 204
    assert set(options.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


async def test_every_answer_carries_its_headers(acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """Tracking id and security headers are on every answer, good or bad, each with a tracking id of its own."""
    answers = [await nobody.get(path) for path in ("/status", "/docs", "/domains", "/nothing", "/healthz", "/readyz")]
    answers += [await acme.get("/domains"), await acme.put("/domains"), await acme.options("/domains")]
    for answer in answers:
        assert ALWAYS.items() <= answer.headers.items()
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert len({answer.headers["x-tracking-id"] for answer in answers}) == len(answers)


async def test_log_lines_carry_the_tracking_id(acme: httpx2.AsyncClient) -> None:
    """Every log line of a request names its tracking id."""
    processors = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=processors) as lines:
        answer = await acme.get("/domains")
    line = next(line for line in lines if line["event"] == "request.answered")
    assert line["tracking_id"] == answer.headers["x-tracking-id"]
    assert (line["route"], line["status"]) == ("/domains", 200)


async def test_bug_hides_behind_a_fixed_sentence(
    house: Installation, acme: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is 500 with a fixed sentence; what it was stands in the log alone, with the same tracking id."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    monkeypatch.setattr(house.provider, "return_path", "not a return-path")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await acme.get("/domains")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "return-path" not in answer.text
    broken = next(line for line in lines if line["event"] == "request.broken")
    assert broken["tracking_id"] == answer.json()["trackingId"]


async def test_status_health_readiness(nobody: httpx2.AsyncClient) -> None:
    """/status, /healthz and /readyz answer without a key; /readyz tells how store, worker and resolvers are."""
    assert (await nobody.get("/status")).json() == {"message": "Letterhead is running."}
    assert (await nobody.get("/healthz")).status_code == 200
    ready = await nobody.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert set(ready.json()) == {"ready", "store", "worker", "resolvers", "disk"}


async def test_metrics(operator: httpx2.AsyncClient, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """/metrics counts by route template, never by path, and opens to the operator alone."""
    assert (await nobody.get("/metrics")).status_code == 401
    await operator.get("/domains/canary.dev")
    await acme.post("/domains", json={"sender": "acme.dev"})
    await acme.post("/domains/acme.dev/check")
    told = (await operator.get("/metrics")).text
    assert 'letterhead_requests_total{method="GET",route="/domains/{sender}",status="401"} 1.0' in told
    assert "canary" not in told
    assert 'letterhead_checks_total{outcome="PENDING"} 1.0' in told
    assert "letterhead_checks_due" in told


async def test_document_is_the_committed_one(nobody: httpx2.AsyncClient) -> None:
    """docs/openapi.json is what is served: a change of the API shows in review.

    To write it again: python -m letterhead.web.openapi > docs/openapi.json
    """
    served = await nobody.get("/openapi.json")
    assert served.text == COMMITTED.read_text("utf-8")


def test_document_has_no_list_of_kinds_by_place() -> None:
    """Generators of clients stop at `prefixItems` beside `items: false`: each array has one kind of item."""
    text = COMMITTED.read_text("utf-8")
    assert '"minItems": 2' in text  # the span of a finding
    assert '"prefixItems"' not in text
    assert '"items": false' not in text


def test_document_says_all() -> None:
    """Every endpoint states every status that it can answer, with an example of the envelope for each code."""
    described = openapi.describe(ENDPOINTS)
    for endpoint in ENDPOINTS:
        responses = described["paths"][endpoint.path][endpoint.method.lower()]["responses"]
        wanted = {next((str(each) for each in (201, 204) if each in endpoint.statuses), "200"), "500", "503"} | (
            {"401", "429"} if endpoint.access is not Access.OPEN else set()
        )
        wanted |= {"400", "413", "415"} if endpoint.body else set()
        assert wanted <= set(responses), endpoint.path
    references = set(re.findall(r'"#/components/([^"]+)"', json.dumps(described)))
    assert references
    for reference in references:
        group, _, name = reference.partition("/")
        assert name in described["components"][group], reference


def test_document_closes_what_comes_in() -> None:
    """Shapes that come in say that they take no further fields."""
    schemas = openapi.describe(ENDPOINTS)["components"]["schemas"]
    bodies = {endpoint.body.__name__ for endpoint in ENDPOINTS if endpoint.body}
    assert len(bodies) > 5
    assert {name for name in bodies if schemas[name]["additionalProperties"] is not False} == set()


async def test_page_for_people(nobody: httpx2.AsyncClient) -> None:
    """/docs/plain is one page without scripts or anything from elsewhere, under a policy that lets nothing else in."""
    page = await nobody.get("/docs/plain")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"<script|<img|<link|(?:src|href)=\"[^#/]|url\(|@import|\son\w+=|style=\"", page.text)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; frame-ancestors 'none'; base-uri 'none'",
        page.headers["content-security-policy"],
    )
    for endpoint in ENDPOINTS:
        assert endpoint.path in page.text


pytestmark = pytest.mark.timeout(60)


def test_envelope_takes_any_text() -> None:
    """Half a character from outside, in whatever sentence it ends up, does not break the envelope."""
    body = problems.envelope(Fault(Kind.NOT_FOUND, "no \ud800 here", "try \udfff"), "t")
    assert json.loads(body)["error"]["message"] == "no ? here"
