"""Show that the DNS provider of the tests speaks Domain Connect: what it tells, asks, refuses, and writes."""

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rigs import domain_connect
from tests.rigs.dns_lab import DnsLab
from tests.rigs.domain_connect import DnsProvider, ReferenceProcess, providing, public_key_records
from tests.rigs.processes import Missing
from tests.rigs.smtp import Certificate
from tests.rigs.test_dns_lab import texts

KEY = rsa.generate_private_key(65537, 2048)
BACK = "https://service.test/applied?at=1"
PATH = "/ux/v2/domainTemplates/providers/service.test/services/mail/apply"
TEMPLATE = {
    "providerId": "service.test", "providerName": "A Service", "serviceId": "mail", "serviceName": "Mail",
    "version": 1, "syncPubKeyDomain": "keys.test", "syncRedirectDomain": "service.test",
    "records": [
        {"type": "TXT", "host": "%selector%._domainkey", "data": "v=DKIM1; p=%p%", "ttl": 300,
         "txtConflictMatchingMode": "All"},
        {"type": "MX", "host": "bounce", "pointsTo": "mx.service.test", "priority": 10, "ttl": 300},
        {"type": "SPFM", "host": "@", "spfRules": "include:spf.service.test"},
        {"type": "TXT", "host": "_dmarc", "data": "v=DMARC1; p=none", "ttl": 300, "groupId": "policy",
         "txtConflictMatchingMode": "None"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def provider(lab: DnsLab) -> Iterator[DnsProvider]:
    """Run the provider, with the template on board and the public key in DNS."""
    lab.zone("keys.test")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    lab.publish("_dcpubkeyv1.keys.test", "TXT", *public_key_records(pem.splitlines()))
    with providing(lab) as provider:
        provider.onboard(TEMPLATE)
        yield provider


@pytest.fixture
def client(provider: DnsProvider) -> Iterator[httpx2.Client]:
    """Return a browser without a window, which nobody has signed in."""
    with httpx2.Client(base_url=provider.url, timeout=60) as client:
        yield client


def link(zone: str, *, back: str = BACK, group: str = "", label: str = "_dcpubkeyv1", p: str = "MIGf+/=") -> str:
    """Return the path of a link, signed as the draft says."""
    given = {"domain": zone, "selector": "s1", "p": p, "redirect_uri": back, "state": "st.1", "groupId": group}
    query = urlencode(given, quote_via=quote, safe="")
    signature = base64.b64encode(KEY.sign(query.encode(), padding.PKCS1v15(), SHA256())).decode()
    return f"{PATH}?{query}&{urlencode({'sig': signature, 'key': label})}"


def press(client: httpx2.Client, path: str, action: str) -> httpx2.Response:
    """Press a button of the provider's page."""
    return client.post(path, data={"action": action})


def consent(client: httpx2.Client, path: str, action: str = "confirm") -> dict[str, str]:
    """Sign in, press a button of the page that asks, and return what the browser is sent back with."""
    assert press(client, path, "sign-in").headers["location"] == path
    assert "Connect" in client.get(path).text
    back = press(client, path, action).headers["location"]
    assert back.startswith(f"{BACK}&")
    return dict(parse_qsl(urlsplit(back).query))


def test_discovery(lab: DnsLab, provider: DnsProvider, client: httpx2.Client, zone: str) -> None:
    """A zone's TXT record names the API; its settings name both prefixes; 404 for other zones and templates."""
    provider.serve(zone)
    assert texts(lab.ns1.ask(f"_domainconnect.{zone}", "TXT")) == [f'"{provider.authority}"']
    settings = client.get(f"/v2/{zone}/settings").json()
    assert (settings["providerDisplayName"], settings["width"]) == ("Virtucon Domains", 750)
    assert settings["urlSyncUX"] + "/v2" in f"{provider.url}{PATH}"
    at = f"{settings['urlAPI']}/v2/domainTemplates/providers/service.test/services"
    assert client.get(f"{at}/mail").json()["version"] == 1
    assert client.get(f"{at}/other").status_code == 404
    assert client.get("/v2/elsewhere.test/settings").status_code == 404


def test_consent_writes_the_records(lab: DnsLab, provider: DnsProvider, client: httpx2.Client, zone: str) -> None:
    """Sign-in, the list of what changes, consent: the records are served, the SPF merged, and others left alone."""
    provider.serve(zone)
    lab.publish(zone, "TXT", '"v=spf1 include:other.test -all"', '"a word of somebody else"')
    lab.publish(f"s1._domainkey.{zone}", "TXT", '"v=DKIM1; p=old"')
    assert "Sign in to Virtucon Domains" in client.get(link(zone)).text
    assert press(client, link(zone), "confirm").status_code == 403
    assert consent(client, link(zone)) == {"at": "1", "state": "st.1"}
    assert texts(lab.ns1.ask(f"s1._domainkey.{zone}", "TXT")) == ['"v=DKIM1; p=MIGf+/="']
    assert texts(lab.ns1.ask(zone, "TXT")) == [
        '"a word of somebody else"', '"v=spf1 include:spf.service.test include:other.test -all"',
    ]  # fmt: skip
    assert "10 mx.service.test." in str(lab.ns1.ask(f"bounce.{zone}", "MX").answer[0])
    assert [each.parameters["domain"] for each in provider.applied].count(zone) == 1


def test_long_values_and_groups(lab: DnsLab, provider: DnsProvider, client: httpx2.Client, zone: str) -> None:
    """A value of more than one string is written whole; a record of a group that was not asked for is left out."""
    provider.serve(zone)
    consent(client, link(zone, group="none", p="W" * 400))
    assert "".join(texts(lab.ns1.ask(f"s1._domainkey.{zone}", "TXT"))).count("W") == 400
    assert texts(lab.ns1.ask(f"_dmarc.{zone}", "TXT")) == []


def test_refusals(lab: DnsLab, provider: DnsProvider, client: httpx2.Client, zone: str) -> None:
    """Cancelled, or refused by the provider, the browser is sent back with the draft's error; nothing is written."""
    provider.serve(zone)
    assert consent(client, link(zone), "cancel") == {
        "at": "1", "error": "access_denied", "error_description": "user_cancel", "state": "st.1",
    }  # fmt: skip
    provider.error = "server_error"
    try:
        assert consent(client, link(zone))["error"] == "server_error"
    finally:
        provider.error = ""
    elsewhere = client.get(link("elsewhere.test")).headers["location"]
    assert "error=access_denied" in elsewhere
    assert texts(lab.ns1.ask(f"s1._domainkey.{zone}", "TXT")) == []


@pytest.mark.parametrize("spoilt", ["changed", "unsigned", "unpublished"])
def test_bad_signatures_lead_nowhere(
    lab: DnsLab, provider: DnsProvider, client: httpx2.Client, zone: str, spoilt: str
) -> None:
    """A link that was changed, has no signature, or a key that is not in DNS, gets a page and no way back."""
    provider.serve(zone)
    path = {
        "changed": link(zone).replace("selector=s1", "selector=s2"),
        "unsigned": link(zone).partition("&sig=")[0],
        "unpublished": link(zone, label="_nothing"),
    }[spoilt]
    press(client, path, "sign-in")
    for answer in (client.get(path), press(client, path, "confirm")):
        assert answer.status_code == 403
        assert "not signed by A Service" in answer.text
    assert texts(lab.ns1.ask(f"s2._domainkey.{zone}", "TXT")) == []


def test_without_a_way_back(provider: DnsProvider, client: httpx2.Client, zone: str) -> None:
    """Where a link names no redirect_uri, the provider says how it went and redirects nobody."""
    provider.serve(zone)
    path = link(zone, back="")
    press(client, path, "sign-in")
    assert "The records are added" in press(client, path, "confirm").text


def test_https(lab: DnsLab, mail_certificate: Certificate, zone: str) -> None:
    """With a certificate it speaks HTTPS, as providers do."""
    with providing(lab, mail_certificate) as provider:
        provider.serve(zone)
        trusted = ssl.create_default_context(cafile=str(mail_certificate.chain))
        told = httpx2.get(f"{provider.url}/v2/{zone}/settings", verify=trusted, timeout=60)
        assert told.json()["urlAPI"].startswith("https://localhost:")


def test_a_missing_environment_has_a_name(lab: DnsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the reference implementation the tests say what is missing and what brings it."""
    monkeypatch.setattr(domain_connect, "PYTHON", Path("/nowhere/.venv-domain-connect/bin/python"))
    with pytest.raises(Missing, match=r"\.venv-domain-connect, which is not there: \./dev test makes it"):
        ReferenceProcess(lab)
