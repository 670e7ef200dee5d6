"""A signed link by which the DNS host adds the records, or the reason why there is none."""

import base64
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec.structs import replace

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.adapters.https_fetch import HttpsFetcher
from letterhead.adapters.pinned_connections import system_names
from letterhead.core.accounts.accounts import Scope
from letterhead.core.dns.answers import Question, Reply, Unanswered, Why
from letterhead.core.dns.records import zone_line
from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.core.domain_connect.apply_query import published_key
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.errors import Fault, Kind
from letterhead.operations.apply_links import find_apply_link
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.resolver import Allowance
from letterhead.web import serialize_links
from tests.rigs.domain_connect_api import ApiBehaviour, domain_connect_api
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

HEAD = """$ORIGIN acme.dev.
@ 3600 SOA ns1 dns 1 7200 3600 1209600 600
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
"""
KEYS = """$ORIGIN example.net.
@ 3600 SOA ns1 dns 1 7200 3600 1209600 600
@ NS ns1
ns1 A 192.0.2.3
"""
WILDCARDS = (
    *("* A 192.0.2.9\n", "* AAAA 2001:db8::9\n", "* MX 10 mail.example.\n"),
    *('* TXT "v=spf1 mx ~all"\n', "* CNAME shop.example.\n"),
)
DEV = """$ORIGIN dev.
@ 3600 SOA ns1.example.net. dns.example.net. 1 7200 3600 1209600 600
@ NS ns1.example.net.
"""  # DMARC's tree walk ends there


class ChangingZones:
    """A resolver on zone text that a test changes."""

    def __init__(self) -> None:
        self.records = ""
        self.keys = ""
        self.silent = ""

    async def ask(self, questions: Any, allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer from the text as it is now."""
        zones = f"{HEAD}{self.records}\n{KEYS}{self.keys}\n{DEV}"
        answers = await ZoneFileResolver(zones).ask(questions, allowance)
        timeout = Unanswered(why=Why.TIMEOUT)
        return {
            asked: tuple(replace(each, answer=timeout) for each in replies) if asked.name == self.silent else replies
            for asked, replies in answers.items()
        }


class Story:
    """An installation with a published key, and a zone whose DNS host has the template."""

    def __init__(self, house: Installation, zones: ChangingZones, api: ApiBehaviour) -> None:
        self.house, self.zones, self.api = house, zones, api

    async def link(self, sender: str = "acme.dev", **query: str) -> dict[str, Any]:
        """Return the link of a domain as the API does, with nothing remembered of the last one."""
        domain = await self.house.world.domain(sender)
        found = await find_apply_link(
            self.house.deps,
            OnDemand(time.monotonic),
            domain,
            redirect=query.get("redirectUri"),
            state=query.get("state"),
        )
        shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(serialize_links.apply_link(found)))
        return shown

    async def add(self, sender: str = "acme.dev", **body: Any) -> dict[str, dict[str, Any]]:
        """Add a domain, and return its planned records."""
        async with self.house.client(self.house.keys["acme"]) as client:
            answer = await client.post("/domains", json={"sender": sender, **body})
            assert answer.status_code == 200, answer.text
            shown = (await client.get(f"/domains/{sender}")).json()
        found: dict[str, dict[str, Any]] = shown["verificationRecords"]
        return found

    async def operator(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Ask with the operator's token."""
        async with self.house.client(OPERATOR_TOKEN) as client:
            return await client.request(method, path, **more)


@pytest.fixture
def api() -> Iterator[ApiBehaviour]:
    """Serve the API of a DNS host."""
    with domain_connect_api() as behaviour:
        behaviour.zones.add("acme.dev")
        yield behaviour


@asynccontextmanager
async def told(
    folder: Path, api: ApiBehaviour, now: Callable[[], datetime] = lambda: datetime.now(UTC), **environment: str
) -> AsyncIterator[Story]:
    """Run an installation that is a service provider, with a key that DNS serves."""
    zones = ChangingZones()
    settings = {
        "DOMAIN_CONNECT_PROVIDER": "example.net",
        "DOMAIN_CONNECT_HOSTS": api.url,
        "WEBHOOKS_ALLOW_HTTP": "true",
        "WEBHOOKS_ALLOW_PRIVATE": "true",
        "PUBLIC_URL": "https://mail.example.net",
        **environment,
    }
    async with running(folder, resolver=zones, environment=settings, now=now) as house:
        story = Story(house, zones, api)
        made = (await story.operator("POST", "/domain-connect/keys")).json()
        zones.keys = lines(made)
        zones.records = f'_domainconnect TXT "{api.url.removeprefix("http://")}"\n'
        yield story


def lines(key: dict[str, Any]) -> str:
    """Return the TXT records that publish a key, as lines of a zone."""
    return "".join(f"{zone_line(key['host'], 'TXT', text)}\n" for text in key["texts"])


def is_signed(url: str, keys: str) -> bool:
    """Verify a link as a DNS host does: everything after the ? but `sig` and `key`, by the key that DNS serves."""
    query = urlsplit(url).query
    left = "&".join(part for part in query.split("&") if part.partition("=")[0] not in ("sig", "key"))
    given = parse_qs(query)
    host = f"{given['key'][0]}.example.net."
    texts = [line.split('"')[1] for line in keys.splitlines() if line.startswith(host)]
    public = load_der_public_key(base64.b64decode(published_key(texts) or ""))
    assert isinstance(public, RSAPublicKey)
    try:
        public.verify(base64.b64decode(given["sig"][0]), left.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def published(records: dict[str, dict[str, Any]], *ids: str) -> str:
    """Return planned records as lines of a zone."""
    wanted = [records[each] for each in ids or records]
    return "".join(
        f"{zone_line(each['host'], each['recordType'], each['recordValue'], each.get('priority'))}\n" for each in wanted
    )


async def test_a_link_for_an_empty_zone(tmp_path: Path, api: ApiBehaviour) -> None:
    """All records of the domain, signed by the key that DNS serves; another letter in the query breaks it."""
    async with told(tmp_path, api) as story:
        await story.add()
        link = await story.link(state="a b/c", redirectUri="https://mail.example.net/setup/x/applied")
        assert link["supported"], link
        assert link["records"] == ["dkim", "mail_from_mx", "mail_from_spf", "dmarc"]
        assert (link["host"], link["state"], link["width"]) == ("Virtucon", "a b/c", 750)
        assert link["url"].startswith(f"{api.url}/v2/domainTemplates/providers/example.net/services/mail/apply?")
        query = parse_qs(urlsplit(link["url"]).query)
        assert query["groupId"] == ["dkim,mx-lh,spf-lh,dmarc"]
        assert query["domain"] == ["acme.dev"]
        assert "host" not in query
        assert query["redirect_uri"] == ["https://mail.example.net/setup/x/applied"]
        assert is_signed(link["url"], story.zones.keys)
        assert not is_signed(link["url"].replace("domain=acme.dev", "domain=acme.dex"), story.zones.keys)


async def test_a_subdomain_has_a_host(tmp_path: Path, api: ApiBehaviour) -> None:
    """The domain of a link is the zone, and the sender is its host."""
    async with told(tmp_path, api) as story:
        await story.add("news.acme.dev")
        query = parse_qs(urlsplit((await story.link("news.acme.dev"))["url"]).query)
        assert (query["domain"], query["host"]) == (["acme.dev"], ["news"])
        assert api.asked[0] == "/v2/acme.dev/settings"


@pytest.mark.parametrize(
    ("there", "groups"),
    [
        ('_dmarc TXT "v=DMARC1; p=reject"\n', "dkim,mx-lh,spf-lh"),
        ("_dmarc CNAME acme.dmarc.vendor.example.\n", "dkim,mx-lh,spf-lh"),
        ('_dmarc TXT "v=DMARC1; p=none;"\n', "dkim,mx-lh,spf-lh,dmarc"),
        ('lh TXT "v=spf1 include:other.example ~all"\n', "dkim,mx-lh,spf-lh,dmarc"),
        ('lh TXT "some-verification=1"\n', "dkim,mx-lh,spf-lh,dmarc"),
        ('* TXT "v=spf1 -all"\n* MX 10 mail.example.\n', "dkim,mx-lh,spf-lh"),
        ("* CNAME shop.example.\n", "dkim,mx-lh,spf-lh"),
    ],
)
async def test_what_is_there_and_in_nobodys_way(tmp_path: Path, api: ApiBehaviour, there: str, groups: str) -> None:
    """DMARC only where there is none, SPF beside others, a wildcard for none of our names."""
    async with told(tmp_path, api) as story:
        await story.add()
        story.zones.records += there
        link = await story.link()
        assert link["supported"], link
        assert parse_qs(urlsplit(link["url"]).query)["groupId"] == [groups]


async def test_an_inherited_policy_is_not_weakened(tmp_path: Path, api: ApiBehaviour) -> None:
    """A subdomain under its organisation's policy gets no DMARC record of its own."""
    async with told(tmp_path, api) as story:
        await story.add("news.acme.dev")
        story.zones.records += '_dmarc TXT "v=DMARC1; p=reject"\n'
        assert "dmarc" not in (await story.link("news.acme.dev"))["records"]


@pytest.mark.parametrize(
    ("there", "reason", "code"),
    [
        ("lh CNAME shop.example.\n", "records-collide", "mail-from.cname-conflict"),
        ("lh MX 10 aspmx.l.google.com.\n", "records-collide", "mail-from.in-use"),
        ("lh MX 10 other.example.\n", "records-collide", "mail-from.mx-wrong-host"),
        ("lh MX 0 .\n", "records-collide", "mail-from.mx-null"),
        ('lh TXT "v=spf1 -all"\nlh TXT "v=spf1 mx ~all"\n', "records-collide", "spf.several-records"),
        ('lh TXT "v=spf1 nonsense:x ~all"\n', "records-collide", "spf.unknown-mechanism"),
        ("KEY CNAME key.other.example.\n", "records-collide", "dkim.cname-conflict"),
        ('KEY TXT "v=DKIM1; k=rsa; p=QUFB"\n', "records-collide", None),
        ('KEY TXT "something else"\n', "records-collide", "dkim.not-dkim"),
        ("lh NS ns.other.example.\n", "zone-delegated-elsewhere", None),
        ("_domainkey NS ns.other.example.\n", "zone-delegated-elsewhere", None),
    ],
)
async def test_nobody_is_sent_to_a_screen_that_breaks_mail(
    tmp_path: Path, api: ApiBehaviour, there: str, reason: str, code: str | None
) -> None:
    """What stands at our names and is somebody else's forbids the link, with the finding and what to do."""
    async with told(tmp_path, api) as story:
        records = await story.add()
        key = records["dkim"]["host"].removesuffix(".acme.dev")
        story.zones.records += there.replace("KEY", key)
        link = await story.link()
        assert not link["supported"]
        if reason == "zone-delegated-elsewhere":
            assert link["reason"] in (reason, "dns-unanswered"), link
        else:
            assert link["reason"] == reason, link
        assert "url" not in link
        assert link["detail"].count(". ") >= 1
        if code is not None:
            assert link["code"] == code, link


@pytest.mark.parametrize("there", WILDCARDS)
async def test_a_wildcard_goes_on_to_answer(tmp_path: Path, api: ApiBehaviour, there: str) -> None:
    """A first record below a name ends the wildcard's answers for it: a web site, or mail, would be gone."""
    async with told(tmp_path, api) as story:
        await story.add("news.acme.dev")
        story.zones.records += there
        link = await story.link("news.acme.dev")
        assert (link["reason"], link["code"]) == ("records-collide", "zone.wildcard-answers")
        story.zones.records += "news A 192.0.2.9\nnews MX 10 mail.example.\n"
        again = await story.link("news.acme.dev")
        assert again["supported"], again


@pytest.mark.parametrize("ours", ["192.0.2.77.", "{}", "{0}.acme.dev."])
async def test_another_mx_beside_our_spoilt_one_is_kept(tmp_path: Path, api: ApiBehaviour, ours: str) -> None:
    """A finding names the first fault of an RRset alone: a host would delete every MX there."""
    async with told(tmp_path, api) as story:
        records = await story.add()
        spoilt = f"{records['mail_from_mx']['host']}. MX 5 {ours.format(records['mail_from_mx']['recordValue'])}\n"
        story.zones.records += spoilt
        assert (await story.link())["supported"]
        story.zones.records += "lh MX 20 aspmx.l.google.com.\n"
        link = await story.link()
        assert (link["supported"], link["reason"]) == (False, "records-collide"), link


@pytest.mark.parametrize("ours", ["", "news TXT", "_dmarc.news.acme.dev TXT"])
@pytest.mark.parametrize("silent", ["", "_dmarc.acme.dev"])
async def test_a_parents_policy_is_kept(tmp_path: Path, api: ApiBehaviour, ours: str, silent: str) -> None:
    """DMARC is no part of a link where a policy is inherited or may be, whatever else explains that it is missing."""
    async with told(tmp_path, api) as story:
        records = await story.add("news.acme.dev")
        assert "dmarc" in (await story.link("news.acme.dev"))["records"]
        story.zones.records += '_dmarc TXT "v=DMARC1; p=reject"\n'
        story.zones.records += f'{ours} "{records["dmarc"]["recordValue"]}"\n' if ours else ""
        story.zones.silent = silent
        link = await story.link("news.acme.dev")
        assert (link["supported"], "dmarc" in link["records"]) == (True, False), link


async def test_our_own_spoilt_value_is_mended(tmp_path: Path, api: ApiBehaviour) -> None:
    """A key that was cut off when it was pasted is replaced by a link."""
    async with told(tmp_path, api) as story:
        records = await story.add()
        cut = {**records["dkim"], "recordValue": records["dkim"]["recordValue"][:200]}
        story.zones.records += published({"dkim": cut})
        assert (await story.link())["supported"]


async def test_a_stranger_beside_our_misplaced_key_is_kept(tmp_path: Path, api: ApiBehaviour) -> None:
    """Our key at the doubled name explains the absence, and yet what stands at the right name is not ours to lose."""
    async with told(tmp_path, api) as story:
        records = await story.add()
        host = records["dkim"]["host"]
        story.zones.records += published({"dkim": {**records["dkim"], "host": f"{host}.acme.dev"}})
        story.zones.records += f'{host}. TXT "somebody else needs this"\n'
        assert (await story.link())["reason"] == "records-collide"


async def test_nothing_to_add(tmp_path: Path, api: ApiBehaviour) -> None:
    """Where all is there, there is no link; where one is missing, all are in it but an SPF that has the terms."""
    async with told(tmp_path, api) as story:
        records = await story.add()
        before = story.zones.records
        story.zones.records = before + published(records)
        assert (await story.link())["reason"] == "nothing-to-add"
        story.zones.records = before + published(records, "dkim", "mail_from_mx", "mail_from_spf")
        assert (await story.link())["records"] == ["dkim", "mail_from_mx", "dmarc"]


async def test_a_name_of_ones_own_is_left(tmp_path: Path, api: ApiBehaviour) -> None:
    """A MAIL FROM name that the template does not have stays to be typed, and the answer says so."""
    async with told(tmp_path, api) as story:
        await story.add(mailFrom="returns")
        link = await story.link()
        assert (link["records"], link["left"]) == (["dkim", "dmarc"], ["mail_from_mx", "mail_from_spf"])


async def test_silence_is_not_taken_for_absence(tmp_path: Path, api: ApiBehaviour) -> None:
    """Where a name has no answer, there is no link."""
    async with told(tmp_path, api) as story:
        await story.add()
        story.zones.silent = "lh.acme.dev"
        link = await story.link()
        assert (link["supported"], link["reason"]) == (False, "dns-unanswered")
        story.zones.silent = "_domainconnect.acme.dev"
        assert (await story.link())["reason"] == "dns-unanswered"


async def test_the_record_may_be_an_alias(tmp_path: Path, api: ApiBehaviour) -> None:
    """GoDaddy and IONOS have every zone's record lead to one of their own."""
    async with told(tmp_path, api) as story:
        await story.add()
        text = story.zones.records.partition("TXT ")[2]
        story.zones.records = "_domainconnect CNAME _domainconnect.example.net.\n"
        story.zones.keys += f"_domainconnect.example.net. TXT {text}"
        assert (await story.link())["supported"]


# --- the DNS host -----------------------------------------------------------------------------------------------------


async def test_reasons_of_the_host(tmp_path: Path, api: ApiBehaviour) -> None:
    """Each reason that has to do with the host, in the order in which it is asked."""
    async with told(tmp_path, api) as story:
        await story.add()
        api.templates.clear()
        assert (await story.link())["reason"] == "template-not-there"
        api.zones.clear()
        assert (await story.link())["reason"] == "zone-delegated-elsewhere"
        api.status = 503
        assert (await story.link())["reason"] == "host-unreachable"
        asked = len(api.asked)
        story.zones.records = '_domainconnect TXT "169.254.169.254/latest/meta-data"\n'
        assert (await story.link())["reason"] == "host-not-known"
        story.zones.records = '_domainconnect TXT "127.0.0.1:1"\n'
        assert (await story.link())["reason"] == "host-not-known"
        story.zones.records = ""
        assert (await story.link())["reason"] == "host-not-on-domain-connect"
        assert len(api.asked) == asked, "nothing was asked that is not known"


@pytest.mark.parametrize(
    "raw",
    [b"x" * 70_000, b"[" * 60_000, b"", b"<html>", b'{"urlAPI": "javascript:alert(1)", "urlSyncUX": "x"}'],
)
async def test_hostile_settings(tmp_path: Path, api: ApiBehaviour, raw: bytes) -> None:
    """Too much, bombs and nonsense are no settings, and nothing breaks."""
    async with told(tmp_path, api) as story:
        await story.add()
        api.raw = raw
        link = await story.link()
        assert link["reason"] in ("host-unreachable", "host-not-known")
        assert "javascript" not in link["detail"]


async def test_a_redirect_is_not_followed(tmp_path: Path, api: ApiBehaviour) -> None:
    """A host that sends us elsewhere is not followed there."""
    async with told(tmp_path, api) as story:
        await story.add()
        api.status, api.location = 302, f"{api.url}/elsewhere"
        link = await story.link()
        assert link["reason"] == "host-unreachable"
        assert "/elsewhere" not in api.asked


async def test_a_slow_host_is_not_waited_for(tmp_path: Path, api: ApiBehaviour) -> None:
    """An API that does not answer in time counts as unreachable."""
    async with told(tmp_path, api) as story, system_names() as names:
        await story.add()
        api.seconds = 1.0
        hasty = HttpsFetcher(names, EgressPolicy(http=True, private=True), seconds=0.05)
        domain = await story.house.world.domain("acme.dev")
        deps = dataclasses.replace(story.house.deps, fetcher=hasty)
        link = await find_apply_link(deps, OnDemand(time.monotonic), domain)
        assert (link.reason, link.supported) == (ApplyLinkReason.HOST_UNREACHABLE, False)
        assert "no whole answer" in (link.detail or "")


async def test_a_private_address_is_not_dialled(tmp_path: Path, api: ApiBehaviour) -> None:
    """A known API at an address inside is not reached unless the operator allows it, and neither is one by http."""
    async with told(tmp_path, api, WEBHOOKS_ALLOW_PRIVATE="false") as story:
        await story.add()
        assert (await story.link())["reason"] == "host-unreachable"
        assert api.asked == []
    with pytest.raises(Fault) as refused:
        async with told(tmp_path / "other", api, WEBHOOKS_ALLOW_HTTP="false"):
            pass
    assert refused.value.kind is Kind.CONFIG_INVALID
    assert "DOMAIN_CONNECT_HOSTS" in refused.value.detail


async def test_without_a_template_or_a_published_key(tmp_path: Path, api: ApiBehaviour, house: Installation) -> None:
    """An operator who set nothing, and one whose key DNS does not serve, have no links; no host is asked."""
    async with house.client(house.keys["acme"]) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        assert (await client.get("/domains/acme.dev/apply-link")).json()["reason"] == "not-configured"
    async with told(tmp_path / "other", api) as story:
        await story.add()
        story.zones.keys = ""
        assert (await story.link())["reason"] == "not-configured"
        assert api.asked == []


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/",
        "https://mail.example.net.evil.example/",
        "https://mail.example.net@evil.example/",
        "https://mail.example.net\\@evil.example/",
        "http://mail.example.net/",
        "javascript:alert(1)",
        "https://mail.example.net:444/",
        "https://mail.example.net/#a",
    ],
)
async def test_a_host_is_not_told_to_send_people_elsewhere(tmp_path: Path, api: ApiBehaviour, redirect: str) -> None:
    """Our signature vouches for no address but our own: hosts follow whatever is signed."""
    async with told(tmp_path, api) as story:
        await story.add()
        async with story.house.client(story.house.keys["acme"]) as client:
            answer = await client.get("/domains/acme.dev/apply-link", params={"redirectUri": redirect})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "parameter-invalid"


async def test_origins_that_may_frame_the_page_may_be_come_back_to(tmp_path: Path, api: ApiBehaviour) -> None:
    """The operator's EMBED_ORIGINS are taken, and are in the template."""
    async with told(tmp_path, api, EMBED_ORIGINS="https://app.example.org") as story:
        await story.add()
        assert (await story.link(redirectUri="https://app.example.org/x"))["supported"]
        written = (await story.operator("GET", "/domain-connect/template")).json()
        assert written["template"]["syncRedirectDomain"] == "mail.example.net,app.example.org"
        assert written["problems"] == []


async def test_a_setup_link_has_it(tmp_path: Path, api: ApiBehaviour) -> None:
    """A new set-up link says what the DNS host can do, and comes back to the page."""
    async with told(tmp_path, api) as story:
        await story.add()
        async with story.house.client(story.house.keys["acme"]) as client:
            made = (await client.post("/domains/acme.dev/setup-links")).json()
            again = (await client.get("/domains/acme.dev/apply-link")).json()
        assert made["applyLink"]["supported"], made
        assert again["supported"]
        assert parse_qs(urlsplit(made["applyLink"]["url"]).query)["redirect_uri"] == [made["url"]]


async def test_a_setup_link_is_not_made_by_the_last_check(tmp_path: Path, api: ApiBehaviour) -> None:
    """The signed link goes out with a new set-up link: what came into the zone since the last check forbids it."""
    async with told(tmp_path, api) as story:
        await story.add()
        async with story.house.client(story.house.keys["acme"]) as client:
            assert (await client.post("/domains/acme.dev/check")).status_code == 200
            story.zones.records += "lh MX 10 aspmx.l.google.com.\n"
            made = (await client.post("/domains/acme.dev/setup-links")).json()
        assert made["applyLink"]["reason"] == "records-collide", made


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_a_key_is_replaced_without_a_gap(tmp_path: Path, api: ApiBehaviour) -> None:
    """A new key signs once DNS serves it; the newest one can't be deleted, nor a number be used twice."""
    async with told(tmp_path, api) as story:
        await story.add()
        first = story.zones.keys
        second = (await story.operator("POST", "/domain-connect/keys")).json()
        assert (second["name"], second["published"]) == ("_dcpubkeyv2", False)
        link = await story.link()
        assert parse_qs(urlsplit(link["url"]).query)["key"] == ["_dcpubkeyv1"]
        story.zones.keys = first + lines(second)
        link = await story.link()
        assert parse_qs(urlsplit(link["url"]).query)["key"] == ["_dcpubkeyv2"]
        assert is_signed(link["url"], story.zones.keys)
        refused = await story.operator("DELETE", "/domain-connect/keys/_dcpubkeyv2")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert (await story.operator("DELETE", "/domain-connect/keys/_dcpubkeyv1")).status_code == 200
        assert (await story.operator("DELETE", "/domain-connect/keys/_dcpubkeyv1")).status_code == 404
        assert [each["name"] for each in (await story.operator("GET", "/domain-connect")).json()["keys"]] == [
            "_dcpubkeyv2"
        ]
        rows = (await story.operator("GET", "/audit")).text
        assert "domain-connect-key.make" in rows
        assert "domain-connect-key.delete" in rows


async def test_a_key_deleted_a_moment_ago_signs_no_more(tmp_path: Path, api: ApiBehaviour) -> None:
    """Which key signs is remembered for a minute; where it was deleted meanwhile, the one that DNS serves now signs."""
    async with told(tmp_path, api) as story:
        await story.add()
        domain, on_demand = await story.house.world.domain("acme.dev"), OnDemand(time.monotonic)
        assert (await find_apply_link(story.house.deps, on_demand, domain)).supported
        second = (await story.operator("POST", "/domain-connect/keys")).json()
        assert (await story.operator("DELETE", "/domain-connect/keys/_dcpubkeyv1")).status_code == 200
        link = await find_apply_link(story.house.deps, on_demand, domain)
        assert link.reason is ApplyLinkReason.NOT_CONFIGURED
        story.zones.keys = lines(second)
        link = await find_apply_link(story.house.deps, on_demand, domain)
        assert parse_qs(urlsplit(link.url or "").query)["key"] == ["_dcpubkeyv2"]


async def test_another_key_in_dns_is_told(tmp_path: Path, api: ApiBehaviour) -> None:
    """A key that is published half, or is somebody else's, is not published."""
    async with told(tmp_path, api) as story:
        story.zones.keys = story.zones.keys.splitlines()[0] + "\n"
        shown = (await story.operator("GET", "/domain-connect")).json()["keys"][0]
        assert (shown["published"], shown["problem"]) == (
            False,
            "_dcpubkeyv1.example.net has TXT records that are not this key.",
        )


async def test_accounts_have_links_for_their_own_domains_alone(tmp_path: Path, api: ApiBehaviour) -> None:
    """Another account's domain is not found, and no account reaches the operator's part."""
    async with told(tmp_path, api) as story:
        await story.add()
        other = await story.house.open_account("other")
        async with story.house.client(other) as client:
            assert (await client.get("/domains/acme.dev/apply-link")).status_code == 404
            assert (await client.post("/domain-connect/keys")).status_code in (401, 403)
        reader = await story.house.make_key("acme", Scope.READ)
        async with story.house.client(reader) as client:
            assert (await client.get("/domains/acme.dev/apply-link")).json()["supported"]
