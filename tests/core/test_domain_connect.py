"""Domain Connect: what is read of strangers, what a link asks for, and that template and link fit each other."""

import base64
import itertools
import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.core.dkim import topic as dkim
from letterhead.core.dmarc import topic as dmarc
from letterhead.core.domain.domain import KeyDelegation
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.domain_connect import apply_query, host_settings, template, template_rules
from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.core.domain_connect.apply_query import ApplyRequest
from letterhead.core.domain_connect.host_settings import DomainConnectHost, SettingsRefused, parse_address
from letterhead.core.domain_connect.template import ServiceProvider, TemplateRecord
from letterhead.core.mail_from import topic as mail_from
from letterhead.core.plan.plan import PlannedRecord, RecordId
from letterhead.core.rotation import delegated_keys
from letterhead.core.spf import topic as spf
from letterhead.wiring.dns import load_domain_connect_hosts, suffixes

PATH = ReturnPath(mx_host="feedback-smtp.eu-west-1.amazonses.com", mx_priority=10, spf="include:amazonses.com")
PROVIDER = ServiceProvider(
    provider_id="example.net",
    provider_name="Example",
    service_id="mail",
    service_name="E-mail from your own domain",
    key_domain="connect.example.net",
    redirect_origins=("https://mail.example.net", "http://127.0.0.1:8025"),
    labels=("bounces", "lh"),
    path=PATH,
    key_zone="keys.example.net",
)
HOST = DomainConnectHost(
    name="Virtucon", discovery=("dc.virtucon.com",), api=("dc.virtucon.com",), source="a test", checked="2026-11"
)
KEY = base64.b64encode(bytes(range(256)) + b"+/" * 19).decode()

# What the published schema (template.schema, 2026) asks for, in our own words.
_TEXTS = ("providerId", "providerName", "serviceId", "serviceName")
_FIELDS = {
    "CNAME": ("host", "pointsTo"),
    "TXT": ("host", "data"),
    "MX": ("host", "pointsTo", "priority"),
    "SPFM": ("host", "spfRules"),
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": [*_TEXTS, "records"],
    "properties": {
        **{name: {"type": "string"} for name in (*_TEXTS, "description", "variableDescription", "logoUrl")},
        **{name: {"type": "string"} for name in ("syncPubKeyDomain", "syncRedirectDomain")},
        **{name: {"type": "boolean"} for name in ("syncBlock", "multiInstance", "warnPhishing", "hostRequired")},
        "version": {"type": "integer"},
        "records": {
            "type": "array",
            "items": {
                "anyOf": [
                    {
                        "properties": {
                            "type": {"const": kind},
                            "ttl": {"type": "integer"},
                            "priority": {"type": "integer"},
                            "groupId": {"type": "string"},
                            "essential": {"type": "string"},
                            **{name: {"type": "string"} for name in fields if name != "priority"},
                        },
                        "required": ["type", *fields],
                    }
                    for kind, fields in _FIELDS.items()
                ]
            },
        },
    },
}

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
selectors = st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,10})?", fullmatch=True)
keys = st.binary(min_size=32, max_size=600).map(lambda octets: base64.b64encode(octets).decode())
senders = st.lists(labels, min_size=2, max_size=5).map(".".join)


def substituted(record: TemplateRecord, variables: dict[str, str], sender: str) -> PlannedRecord:
    """Return what a DNS host writes for a record of the template, as the draft says."""

    def fill(text: str) -> str:
        for name, value in variables.items():
            text = text.replace(f"%{name}%", value)
        return text

    is_spf = record.type == "SPFM"
    value = f"v=spf1 {record.spf_rules} ~all" if is_spf else fill(record.data or record.points_to or "")
    return PlannedRecord(
        id=RecordId.DKIM,
        host=f"{fill(record.host)}.{sender}",
        rdtype="TXT" if is_spf else record.type,
        value=value,
        priority=record.priority,
    )


def every_record(sender: str, selector: str, key: str) -> list[PlannedRecord]:
    """Return one of each planned record that there can be."""
    home = KeyDelegation(zone="keys.example.net", token="abcdefgh234567ab")
    name = f"lh.{sender}"
    return [
        dkim.planned_record(sender, selector, key),
        dkim.planned_record(sender, f"{selector}n", key, ahead=True),
        dkim.planned_ed25519_record(sender, selector, key),
        dkim.planned_ed25519_record(sender, selector, key, ahead=True),
        *delegated_keys.planned_cnames(sender, "lh1", home),
        *delegated_keys.planned_cnames(sender, "lh2", home),
        mail_from.planned_record(name, PATH.mx_host, PATH.mx_priority),
        spf.planned_record(name, PATH.spf),
        dmarc.planned_record(sender),
    ]


@given(senders, selectors, keys)
def test_template_and_link_fit_for_every_record(sender: str, selector: str, key: str) -> None:
    """What a host makes of the template and a link's variables is the planned record, for every kind of record."""
    groups = {record.group_id: record for record in template.new_template(PROVIDER).records}
    records = every_record(sender, selector, key)
    applied = [template.apply_record(PROVIDER, sender, planned) for planned in records]
    written = [substituted(groups[each.group], dict(each.variables), sender) for each in applied if each is not None]
    assert [(each.host, each.rdtype, each.value, each.priority) for each in written] == [
        (each.host, each.rdtype, each.value, each.priority) for each in records
    ]


@pytest.mark.parametrize(
    "planned",
    [
        mail_from.planned_record("own.acme.dev", PATH.mx_host, PATH.mx_priority),
        mail_from.planned_record("a.lh.acme.dev", PATH.mx_host, PATH.mx_priority),
        mail_from.planned_record("lh.acme.dev", "feedback-smtp.us-east-1.amazonses.com", 10),
        mail_from.planned_record("lh.acme.dev", PATH.mx_host, 20),
        spf.planned_record("lh.acme.dev", "include:other.example"),
        replace(dkim.planned_record("acme.dev", "s", "AAAA"), value="v=DKIM1; k=rsa; p=AAAA; t=y"),
        delegated_keys.planned_cnames("acme.dev", "lh1", KeyDelegation(zone="old.example", token="abc"))[0],
    ],
)
def test_what_the_template_lacks_is_no_part_of_a_link(planned: PlannedRecord) -> None:
    """A record that the template would write otherwise than planned has no group."""
    assert template.apply_record(PROVIDER, "acme.dev", planned) is None


def test_without_a_return_path_and_a_key_zone() -> None:
    """The template has neither MAIL FROM records nor CNAMEs where the installation has none."""
    plain = replace(PROVIDER, path=None, key_zone=None)
    records = template.new_template(plain).records
    assert {record.type for record in records} == {"TXT"}
    assert template_rules.broken_rules(template.new_template(plain)) == ()


# --- the template and its rules ---------------------------------------------------------------------------------------


def test_the_template_keeps_the_published_schema_and_the_rules() -> None:
    """The file passes the public repository's schema, and no rule of the linter says anything, not even as a note."""
    made = template.new_template(PROVIDER, 3)
    written = json.loads(msgspec.json.encode(made))
    jsonschema.validate(written, SCHEMA)
    assert template_rules.broken_rules(made) == ()
    assert template_rules.file_name(made) == "example.net.mail.json"
    assert (written["version"], written["syncRedirectDomain"]) == (3, "mail.example.net")
    assert "warnPhishing" not in written
    assert written["multiInstance"] is True
    assert {each["essential"] for each in written["records"]} == {"OnApply"}


BROKEN: dict[str, dict[str, Any]] = {
    "DCTL1002": {"provider_id": "a b"},
    "DCTL1005": {"provider_name": ""},
    "DCTL1009": {"service_name": "%a%"},
    "DCTL1006": {"version": 0},
    "DCTL1029": {"sync_pub_key_domain": None},
    "DCTL1022": {"sync_pub_key_domain": "localhost"},
    "DCTL1028": {"warn_phishing": True},
    "sync-block": {"sync_block": True},
    "sync-redirect-domain": {"sync_redirect_domain": None},
    "DCTL1026": {"sync_redirect_domain": "a.example, b.example"},
    "DCTL1030": {"records": ()},
}
TXT = TemplateRecord(type="TXT", group_id="x", host="x", data="y", ttl=3600)
BROKEN_RECORDS = {
    "DCTL1016": (replace(TXT, type="CAA"),),
    "DCTL1013": (replace(TXT, host=""),),
    "DCTL1027": (replace(TXT, host="a b"),),
    "DCTL1012": (TemplateRecord(type="CNAME", group_id="x", host="@", points_to="a.example"),),
    "DCTL0008": (TemplateRecord(type="MX", group_id="x", host="x", priority=1),),
    "DCTL1034": (TemplateRecord(type="A", group_id="x", host="x", points_to="::1"),),
    "DCTL1015": (TemplateRecord(type="MX", group_id="x", host="x", points_to="a.example"),),
    "DCTL1014": (replace(TXT, data="v=spf1 -all"),),
    "txt-conflict-matching": (replace(TXT, host="_dmarc"),),
    "bare-variable": (replace(TXT, data="%a%%b%"),),
    "DCTL1025": (replace(TXT, host="a_b"),),
    "DCTL1021": (replace(TXT, host="_unknown"),),
    "DCTL1017": (TemplateRecord(type="SPFM", group_id="x", host="x", spf_rules="v=spf1 include:a.example ~all"),),
    "DCTL1018": (TemplateRecord(type="SPFM", group_id="x", host="x", spf_rules="redirect=a.b redirect=c.d"),),
    "DCTL1040": (replace(TXT, host="%a%"),),
    "DCTL1020": (replace(TXT, data="p=%a"),),
    "DCTL1024": (replace(TXT, host="a.%host%"),),
    "DCTL1019": (replace(TXT, data="p=%a b%"),),
    "DCTL1023": (TXT, TXT),
    "DCTL1011": (TXT, TemplateRecord(type="CNAME", group_id="x", host="x", points_to="a.example")),
    "DCTL1032": (TXT, replace(TXT, group_id=None)),
    "DCTL1031": (TXT, replace(TXT, host="z")),
}


@pytest.mark.parametrize("rule", [*BROKEN, *BROKEN_RECORDS])
def test_each_rule_is_seen_broken(rule: str) -> None:
    """A template that breaks one rule is told so by its name."""
    made = template.new_template(PROVIDER)
    changed = replace(made, **BROKEN[rule]) if rule in BROKEN else replace(made, records=BROKEN_RECORDS[rule])
    assert rule in {each.rule for each in template_rules.broken_rules(changed)}


# --- the query --------------------------------------------------------------------------------------------------------


@settings(deadline=None)  # the suffix list is read at its first use
@given(
    labels,
    senders,
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    keys,
)
def test_the_query_is_encoded_as_it_is_signed(label: str, apex: str, state: str, key: str) -> None:
    """Each value comes back whole, no raw delimiter is in one, and the link is the signed text with two more values."""
    sender = f"{label}.{apex}"
    planned = dkim.planned_record(sender, "s1", key)
    applied = template.apply_record(PROVIDER, sender, planned)
    assert applied is not None
    redirect = "https://mail.example.net/setup/a?b=c&d=e"
    query = apply_query.apply_query(
        ApplyRequest(sender=sender, zone=apex, records=(applied,), redirect=redirect, state=state)
    )
    pairs = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    assert (pairs["domain"], pairs["host"], pairs["groupId"]) == (apex, label, "dkim")
    assert (pairs["redirect_uri"], pairs["state"], pairs["dkimkey"]) == (redirect, state, key)
    assert all(part.count("=") == 1 for part in query.split("&"))
    assert not set(query) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%=&")
    virtucon = host_settings.parse_settings(SETTINGS, HOST, suffixes())
    url = apply_query.signed_url(virtucon, PROVIDER, query, "a+/=", "_dcpubkeyv1")
    begin = "https://ux.virtucon.com/x/v2/domainTemplates/providers/example.net/services/mail/apply?"
    assert url == f"{begin}{query}&sig=a%2B%2F%3D&key=_dcpubkeyv1"
    # The reference implementation signs what is left without these two.
    left = [part for part in url.partition("?")[2].split("&") if part.partition("=")[0] not in ("sig", "key")]
    assert "&".join(left) == query


def test_a_domain_at_the_zone_has_no_host() -> None:
    """At the zone's own name the parameter `host` is left out."""
    applied = template.apply_record(PROVIDER, "acme.dev", dmarc.planned_record("acme.dev"))
    assert applied is not None
    query = apply_query.apply_query(ApplyRequest(sender="acme.dev", zone="acme.dev", records=(applied,)))
    assert query == "domain=acme.dev&groupId=dmarc"


@given(st.binary(min_size=1, max_size=1200), st.randoms())
def test_a_public_key_is_read_back_in_any_order(octets: bytes, random: object) -> None:
    """The TXT records hold the whole key, each fits into one string, and their order does not matter."""
    key = base64.b64encode(octets).decode()
    texts = list(apply_query.key_texts(key))
    assert all(len(text) <= 255 for text in texts)
    random.shuffle(texts)  # type: ignore[attr-defined]
    assert apply_query.is_published(key, texts)
    assert not apply_query.is_published(key, [*texts, "p=99,a=RS256,d=AAAA"])
    assert not apply_query.is_published(key, texts[1:])


@given(st.lists(st.sampled_from(["nA+", "nnBA", "A+n"]), min_size=80, max_size=300))
def test_no_piece_is_cut_beside_an_n(parts: list[str]) -> None:
    """DNS hosts strip the letter "n" from the ends of a piece."""
    key = "".join(parts)
    pieces = [text.split(",d=")[1] for text in apply_query.key_texts(key)]
    assert "".join(pieces) == key
    assert "n" not in "".join(before[-1] + after[0] for before, after in itertools.pairwise(pieces))


@pytest.mark.parametrize(
    "texts", [[], ["p=x,d=1"], ["p=1,a=ES256,d=QQ=="], ["p=1,a=RS256,t=pgp,d=QQ=="], ["v=spf1 -all"]]
)
def test_other_texts_publish_no_key(texts: list[str]) -> None:
    """What is no key of RS256 is none."""
    assert apply_query.published_key(texts) is None


# --- what strangers write ---------------------------------------------------------------------------------------------

SETTINGS = json.dumps(
    {
        "providerId": "virtucon.com",
        "providerName": "Virtucon Domains",
        "urlSyncUX": "https://ux.virtucon.com/x/",
        "urlAPI": "https://dc.virtucon.com",
        "width": "800",
        "height": 600.0,
        "nameServers": ["ns1.virtucon.com"],
    }
).encode()


def test_settings_are_read() -> None:
    """Name, addresses, and sizes as numbers or as text (IONOS)."""
    found = host_settings.parse_settings(SETTINGS, HOST, suffixes())
    assert (found.name, found.width, found.height) == ("Virtucon Domains", 800, 600)
    assert (found.api.url, found.pages.url) == ("https://dc.virtucon.com", "https://ux.virtucon.com/x")


@pytest.mark.parametrize(
    "pages",
    [
        "javascript:alert(1)//virtucon.com",
        "data:text/html,x",
        "https://virtucon.com.evil.example",
        "https://evil.example/virtucon.com",
        "https://user:pass@ux.virtucon.com",
        "https://ux.virtucon.com@evil.example",
        "https://ux.virtucon.com:8443",
        "http://ux.virtucon.com",
        "//ux.virtucon.com",
        "https://ux.virtucon.com/a?b=c",
        "https://ux.virtucon.com/a#b",
        "https://ux.virtucon.com/\r\nSet-Cookie: a=b",
        "https://ux.virtucon.com/\u212a",
        "https://127.0.0.1",
        "https://169.254.169.254/latest",
        "https://com",
        "https://[::1]/",
        "https://ux.virtucon.com\\@evil.example",
        "https://ux.virtucon.com/" + "a" * 400,
    ],
)
def test_pages_of_others_are_refused(pages: str) -> None:
    """A link leads nowhere but to the host's own pages by https."""
    written = json.dumps({"urlAPI": "https://dc.virtucon.com", "urlSyncUX": pages}).encode()
    with pytest.raises(SettingsRefused) as refused:
        host_settings.parse_settings(written, HOST, suffixes())
    assert refused.value.reason is ApplyLinkReason.HOST_NOT_KNOWN


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", ApplyLinkReason.HOST_UNREACHABLE),
        (b"nonsense", ApplyLinkReason.HOST_UNREACHABLE),
        (b"[]", ApplyLinkReason.HOST_UNREACHABLE),
        (b'{"urlAPI": 1, "urlSyncUX": "https://ux.virtucon.com"}', ApplyLinkReason.HOST_UNREACHABLE),
        (b"[" * 60_000, ApplyLinkReason.HOST_UNREACHABLE),
        (b'{"a":' * 12_000, ApplyLinkReason.HOST_UNREACHABLE),
        (
            b'{"urlAPI": "https://dc.virtucon.com", "x": ' + b"9" * 5000 + b"}",
            ApplyLinkReason.HOST_NOT_ON_DOMAIN_CONNECT,
        ),
        (b'{"urlAPI": "https://dc.virtucon.com", "urlSyncUX": ""}', ApplyLinkReason.HOST_NOT_ON_DOMAIN_CONNECT),
        (b'{"urlAPI": "https://dc.virtucon.com"}', ApplyLinkReason.HOST_NOT_ON_DOMAIN_CONNECT),
        (
            b'{"urlAPI": "https://evil.example", "urlSyncUX": "https://ux.virtucon.com"}',
            ApplyLinkReason.HOST_NOT_KNOWN,
        ),
        (b'{"urlAPI": "\\ud800", "urlSyncUX": "https://ux.virtucon.com"}', ApplyLinkReason.HOST_UNREACHABLE),
        (b"\xff\xfe", ApplyLinkReason.HOST_UNREACHABLE),
    ],
)
def test_settings_that_are_none(written: bytes, reason: ApplyLinkReason) -> None:
    """Nonsense, bombs and other people's APIs are refused, each with its reason."""
    with pytest.raises(SettingsRefused) as refused:
        host_settings.parse_settings(written, HOST, suffixes())
    assert refused.value.reason is reason


@pytest.mark.parametrize(("size", "read"), [(-1, 750), (1e9, 750), ("NaN", 750), ("inf", 750), ("", 750), (900, 900)])
def test_sizes_that_are_none_are_the_usual_one(size: object, read: int) -> None:
    """A window has a size that a screen has."""
    written = json.dumps({"urlAPI": "https://dc.virtucon.com", "urlSyncUX": "https://ux.virtucon.com", "width": size})
    assert host_settings.parse_settings(written.encode(), HOST, suffixes()).width == read


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "169.254.169.254",
        "localhost",
        "0x7f000001",
        "2130706433",
        "user@dc.virtucon.com",
        "dc.virtucon.com@evil.example",
        "dc.virtucon.com:8443",
        "dc.virtucon.com.evil.example",
        "dc.virtucon.com/evil",
        "http://dc.virtucon.com",
        "https://dc.virtucon.com/../x",
        "dc.virtucon.com?x",
        "dc.virtucon.com#x",
        "javascript:alert(1)",
        "[::1]",
        "",
        "dc.virtucon.com dc.virtucon.com",
    ],
)
def test_only_a_known_api_is_asked(text: str) -> None:
    """Whatever a zone's owner writes into the record, nothing is asked but a known address, whole and exact."""
    found = host_settings.host_by_text([text], [HOST])
    assert found is None or found[1].url == "https://dc.virtucon.com"
    assert text.startswith("http://") or found is None


@pytest.mark.parametrize(
    "text", ["dc.virtucon.com", "DC.virtucon.com.", " dc.virtucon.com ", "https://dc.virtucon.com/"]
)
def test_a_known_api_is_found(text: str) -> None:
    """Case, a final dot, spaces around it and a scheme do no harm."""
    found = host_settings.host_by_text(["v=spf1 -all", text], [HOST])
    assert found is not None
    assert found[1].url == "https://dc.virtucon.com"


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_none(text: str) -> None:
    """Parsing never raises, and what it takes is written back as an address of the same host."""
    found = parse_address(text)
    assert found is None or (parse_address(found.url), unquote(found.url)) == (found, found.url)


def test_the_known_hosts_can_be_read() -> None:
    """Every row has addresses that parse, with https, and a source."""
    hosts = load_domain_connect_hosts()
    addresses = [parse_address(text) for host in hosts for text in (*host.discovery, *host.api)]
    assert {address.scheme if address else None for address in addresses} == {"https"}
    assert all(host.source.startswith("https://") for host in hosts)
