"""Zones at the DNS hosts that no test can ask: what octoDNS sends to each, and what comes of their refusals."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from letterhead.adapters.dns_hosts.hosts import OctoDnsHosts
from letterhead.core.dns.records import Mx, RRset
from letterhead.core.secret import Secret
from letterhead.core.zone_changes.changes import RRsetChange
from letterhead.errors import Fault, Kind
from letterhead.ports.dns_host import HostCredential, HostedZone
from tests.adapters.test_dns_hosts import KEY_TEXT, MERGED, SPF, by_name, planned, text_set, texts_of
from tests.rigs import dns_host_apis
from tests.rigs.dns_host_apis import FIELDS, TOKEN, HostApi

ZONE = "acme.dev"


@pytest.fixture
def apis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, HostApi]]:
    """Run the stand-in, with the same zone at each host."""
    with dns_host_apis.running(tmp_path, ZONE) as (found, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for api in found.values():
            api.add("@", "NS", 3600, "ns1.host.example.", "ns2.host.example.")
            api.add("@", "TXT", 3600, f'"{SPF}"', '"google-site-verification=abc; d=e"')
            api.add("@", "MX", 3600, "10 mail.acme.dev.", "20 mail2.acme.dev.")
            api.add("www", "A", 3600, "192.0.2.1")
            api.add("odd", "HINFO", 3600, '"PC" "DOS"')
            api.add("long", "TXT", 3600, f'"{"x" * 200}" "{"y" * 200}"')
        yield found


def opened(host: str, **fields: str) -> HostedZone:
    """Open the zone at a host, with other fields of the credential where these are given."""
    given = {name: Secret(value.encode()) for name, value in (FIELDS[host] | fields).items()}
    return OctoDnsHosts().open_zone(host, ZONE, HostCredential(given))


async def refusal(zone: HostedZone, *changes: RRsetChange) -> Fault:
    """Read or write the zone, and return the fault that comes of it."""
    with pytest.raises(Fault) as refused:
        await (zone.write(changes) if changes else zone.read())
    return refused.value


@pytest.mark.parametrize("host", FIELDS)
async def test_a_zone_is_read_written_and_put_back(apis: dict[str, HostApi], host: str) -> None:
    """The same story as at real servers: other people's records stay, and undoing leaves what was there."""
    zone = opened(host)
    before = by_name(await zone.read())
    apex = before[ZONE, "TXT"]
    assert texts_of(apex) == {SPF, "google-site-verification=abc; d=e"}
    assert texts_of(before[f"long.{ZONE}", "TXT"]) == {"x" * 200 + "y" * 200}
    changes = planned(ZONE, apex)
    await zone.write(changes)
    after = by_name(await zone.read())
    for change in changes:
        assert change.after is not None
        now = after[change.rrset.owner, change.rrset.rdtype]
        assert set(now.rdatas) == set(change.after.rdatas)
    held = apis[host].find("lh1._domainkey", "DKIM" if host == "ovh" else "TXT")
    assert held is not None
    assert "".join(held.values[0].strip('"').split('" "')).replace("\\;", ";") == KEY_TEXT
    assert apis[host].find("odd", "HINFO") is not None
    keys = {(each.rrset.owner, each.rrset.rdtype) for each in changes}
    assert {key: after[key] for key in after.keys() - keys} == {key: before[key] for key in before.keys() - keys}
    undone = [RRsetChange(before=after[each.rrset.owner, each.rrset.rdtype], after=each.before) for each in changes]
    await zone.write(undone)
    assert by_name(await zone.read()) == before


@pytest.mark.parametrize("host", FIELDS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.DNS_HOST_REFUSED),
        (403, Kind.DNS_HOST_REFUSED),
        (404, Kind.NOT_FOUND),
        (422, Kind.CONFLICT),
        (429, Kind.DNS_HOST_FAILED),
        (500, Kind.DNS_HOST_FAILED),
    ],
)
async def test_each_refusal_is_told_without_the_credential(
    apis: dict[str, HostApi], caplog: pytest.LogCaptureFixture, host: str, status: int, kind: Kind
) -> None:
    """Whatever the host answers, even with the token in it: the fault has its code, and no log has the token."""
    caplog.set_level(logging.DEBUG)
    apis[host].fate = 400 if (host, status) == ("desec", 422) else status
    fault = await refusal(opened(host))
    assert fault.kind is kind
    assert fault.fix
    shown = f"{fault.detail} {fault.fix} {fault.provider_code} {fault!r} {fault.__cause__!r} {caplog.text}"
    assert TOKEN not in shown
    assert "hush" not in shown


@pytest.mark.parametrize("host", FIELDS)
async def test_a_zone_that_is_not_there_is_not_made(apis: dict[str, HostApi], host: str) -> None:
    """octoDNS itself would make it."""
    apis[host].zone = "other.example"
    apis[host].rrsets.clear()
    fault = await refusal(opened(host), RRsetChange(before=None, after=text_set(f"_dmarc.{ZONE}", "v=DMARC1; p=none")))
    assert fault.kind is Kind.NOT_FOUND
    assert not any(" POST " in call or " PATCH " in call for call in apis[host].calls)


@pytest.mark.parametrize("host", ["cloudflare", "digitalocean", "dnsimple", "gandi", "hetzner", "ovh"])
async def test_a_failure_between_two_writes_is_told(apis: dict[str, HostApi], host: str) -> None:
    """These hosts take one change after the other: what was written shows by reading, and the rest can follow."""
    zone = opened(host)
    before = by_name(await zone.read())
    changes = [change for change in planned(ZONE, before[ZONE, "TXT"]) if change.before is None]
    apis[host].writes_until = 2
    fault = await refusal(zone, *changes)
    assert fault.kind is Kind.DNS_HOST_FAILED
    apis[host].writes_until = None
    seen = by_name(await zone.read())
    left = [change for change in changes if (change.rrset.owner, change.rrset.rdtype) not in seen]
    assert 0 < len(left) < len(changes)
    await zone.write(left)
    assert {(each.rrset.owner, each.rrset.rdtype) for each in changes} <= by_name(await zone.read()).keys()


@pytest.mark.parametrize("host", ["cloudflare", "digitalocean", "dnsimple", "gandi", "ovh"])
@pytest.mark.parametrize("writes", [0, 1])
async def test_a_change_cut_off_takes_nothing_of_others(apis: dict[str, HostApi], host: str, writes: int) -> None:
    """Other people's texts at the name stay at each moment, with the same number; and no record has two numbers."""
    zone = opened(host)
    apex = by_name(await zone.read())[ZONE, "TXT"]
    verification = "google-site-verification=abc; d=e"
    numbers = {value: number for number, _, value in apis[host].entries()}
    apis[host].writes_until = writes
    after = text_set(ZONE, *(MERGED if text == SPF else text for text in texts_of(apex)))
    if writes == 0 or host == "ovh":
        assert (await refusal(zone, RRsetChange(before=apex, after=after))).kind is Kind.DNS_HOST_FAILED
    else:
        await zone.write([RRsetChange(before=apex, after=after)])
    apis[host].writes_until = None
    now = by_name(await zone.read())[ZONE, "TXT"]
    assert verification in texts_of(now) <= {verification, SPF, MERGED}
    await zone.write([RRsetChange(before=now, after=after)])
    assert texts_of(by_name(await zone.read())[ZONE, "TXT"]) == {verification, MERGED}
    assert {value: number for number, _, value in apis[host].entries()}[f'"{verification}"'] == numbers[
        f'"{verification}"'
    ]


async def test_mx_and_several_texts_are_changed_record_by_record(apis: dict[str, HostApi]) -> None:
    """More values or fewer than before; and what was there comes back."""
    for host in ("cloudflare", "digitalocean", "dnsimple", "gandi", "ovh"):
        zone = opened(host)
        before = by_name(await zone.read())
        apex, mail = before[ZONE, "TXT"], before[ZONE, "MX"]
        more = replace(text_set(ZONE, *texts_of(apex), "one=1", "two=2"), ttl=apex.ttl)
        other = replace(
            mail, rdatas=(Mx(preference=10, exchange="mail.acme.dev"), Mx(preference=5, exchange="in.acme.dev"))
        )
        await zone.write([RRsetChange(before=apex, after=more), RRsetChange(before=mail, after=other)])
        now = by_name(await zone.read())
        assert texts_of(now[ZONE, "TXT"]) == texts_of(more)
        assert set(now[ZONE, "MX"].rdatas) == set(other.rdatas)
        await zone.write(
            [
                RRsetChange(before=now[each, kind], after=before[each, kind])
                for each, kind in ((ZONE, "TXT"), (ZONE, "MX"))
            ]
        )
        assert by_name(await zone.read()) == before


async def test_cloudflare_keeps_what_a_record_has_besides_its_value(apis: dict[str, HostApi]) -> None:
    """Comments, tags and the automatic TTL are other people's, too: each record keeps its own."""
    api = apis["cloudflare"]
    api.comments = {number: f"about {value}" for number, _, value in api.entries()}
    before = dict(api.comments)
    zone = opened("cloudflare")
    apex = by_name(await zone.read())[ZONE, "TXT"]
    after = text_set(ZONE, *(MERGED if text == SPF else text for text in texts_of(apex)))
    await zone.write([RRsetChange(before=apex, after=after)])
    texts = {value: api.comments.get(number) for number, each, value in api.entries() if each.rdtype == "TXT"}
    assert texts[f'"{MERGED}"'] == f'about "{SPF}"'
    assert {number for number, _, _ in api.entries()} == before.keys()


async def test_hetzner_keeps_the_comments_of_records(apis: dict[str, HostApi]) -> None:
    """An RRset is replaced as a whole there: those that stay keep theirs."""
    api = apis["hetzner"]
    api.comments = {number: f"about {value}" for number, _, value in api.entries()}
    zone = opened("hetzner")
    apex = by_name(await zone.read())[ZONE, "TXT"]
    after = text_set(ZONE, *(MERGED if text == SPF else text for text in texts_of(apex)))
    await zone.write([RRsetChange(before=apex, after=after)])
    told = {value: api.comments[number] for number, each, value in api.entries() if each.rdtype == "TXT"}
    kept = '"google-site-verification=abc; d=e"'
    assert (told[kept], told[f'"{MERGED}"']) == (f"about {kept}", "")


async def test_ovh_types_for_texts_are_one_rrset(apis: dict[str, HostApi]) -> None:
    """What OVHcloud's own pages call SPF, DKIM or DMARC is TXT to everybody else: nothing is written beside it."""
    api = apis["ovh"]
    api.add("_dmarc", "DMARC", 3600, '"v=DMARC1; p=reject"')
    api.add("lh", "SPF", 3600, '"v=spf1 mx -all"')
    api.add("lh", "TXT", 3600, '"site=1"')
    old = f"v=DKIM1; k=rsa; p={'ABCDEFGH' * 40}"
    key = "lhabcdefgh._domainkey"
    api.add(key, "TXT", 3600, f'"{old}"')
    api.add(key, "DKIM", 3600, f'"{old}x"')
    zone = opened("ovh")
    before = by_name(await zone.read())
    assert texts_of(before[f"_dmarc.{ZONE}", "TXT"]) == {"v=DMARC1; p=reject"}
    assert texts_of(before[f"lh.{ZONE}", "TXT"]) == {"v=spf1 mx -all", "site=1"}
    assert texts_of(before[f"{key}.{ZONE}", "TXT"]) == {old, f"{old}x"}
    assert not {kind for _, kind in before} & {"SPF", "DKIM", "DMARC"}
    merged, new = text_set(f"lh.{ZONE}", MERGED, "site=1"), text_set(f"{key}.{ZONE}", KEY_TEXT)
    changes = [RRsetChange(before=before[each.owner, "TXT"], after=each) for each in (merged, new)]
    await zone.write(changes)
    now = by_name(await zone.read())
    assert texts_of(now[f"lh.{ZONE}", "TXT"]) == {MERGED, "site=1"}
    assert texts_of(now[f"{key}.{ZONE}", "TXT"]) == {KEY_TEXT}
    assert sorted(each.rdtype for each in api.rrsets if each.name in (key, "_dmarc")) == ["DKIM", "DMARC"]
    await zone.write([RRsetChange(before=now[each.rrset.owner, "TXT"], after=each.before) for each in changes])
    assert by_name(await zone.read()) == before
    await zone.write([RRsetChange(before=before[f"_dmarc.{ZONE}", "TXT"], after=None)])
    assert not any(each.name == "_dmarc" for each in api.rrsets)


async def test_no_redirect_is_followed(apis: dict[str, HostApi]) -> None:
    """One would carry the credential to wherever it leads."""
    apis["cloudflare"].redirect = "https://api.digitalocean.com/v2/domains"
    fault = await refusal(opened("cloudflare"))
    assert fault.kind is Kind.DNS_HOST_FAILED
    assert apis["digitalocean"].calls == []


@pytest.mark.parametrize("host", ["cloudflare", "gandi", "dnsimple", "hetzner", "desec"])
async def test_other_peoples_odd_texts_are_not_rewritten(apis: dict[str, HostApi], host: str) -> None:
    """octoDNS would change a text with quotes or backslashes: so the RRset that it is in is left alone."""
    apis[host].add("@", "TXT", 3600, r'"a \"quoted\" \\ text"')
    zone = opened(host)
    before = by_name(await zone.read())
    apex: RRset = before[ZONE, "TXT"]
    after = text_set(ZONE, *(MERGED if text == SPF else text for text in texts_of(apex)))
    fault = await refusal(zone, RRsetChange(before=apex, after=after))
    assert (fault.kind, fault.provider_code) == (Kind.CONFLICT, "not-writable")
    assert by_name(await zone.read()) == before
