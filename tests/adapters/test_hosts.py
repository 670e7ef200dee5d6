"""The table of DNS hosts: each row is whole, dated and sourced, and real name servers lead to it and to no other."""

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import fields

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.core.plan.dns_hosts import DnsHost, host_of, record_page, steps_to_form

SERVERS: dict[str, list[str]] = tomllib.loads((Path(__file__).parents[1] / "data/nameservers.toml").read_text("utf-8"))
HOSTS = load_hosts()


def test_the_table_is_read() -> None:
    """At least 25 DNS hosts are known, each under an id of its own, and each has name servers to be tried with."""
    ids = [host.id for host in HOSTS]
    assert len(ids) >= 25
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(SERVERS) - {"unknown"}


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.id)
def test_a_row_says_where_and_when_it_was_read(host: DnsHost) -> None:
    """Each row has its sources, its date, and name server patterns that can match."""
    assert all(url.startswith("https://") for url in (host.source, *host.also, host.help or host.source))
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", host.checked)
    assert host.nameservers
    assert all(re.fullmatch(r"[a-z0-9*-]+(\.[a-z0-9-]*[a-z0-9*-]+)+", pattern) for pattern in host.nameservers)
    assert not any(label == "*" for pattern in host.nameservers for label in pattern.split("."))


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.id)
def test_what_nobody_confirmed_suits_most_panels(host: DnsHost) -> None:
    """Only facts that were read depart from the general form; an empty apex alone may stand for itself.

    The address of the records may be known from users' own notes alone: a wrong one leads to the host all the same.

    Where values are typed in quotes a long one is split: one string holds 255 octets at most (RFC 1035 3.3).
    """
    general = {field.name: field.default for field in fields(DnsHost)}
    if host.quotes:
        general["long_txt"] = "split"
    unsourced = set(host.unsourced) - {"apex", "where", "record_page"}
    assert {fact: getattr(host, fact) for fact in unsourced} == {fact: general[fact] for fact in unsourced}


@pytest.mark.parametrize("host", [each for each in HOSTS if each.record_page], ids=lambda host: host.id)
def test_the_records_page_is_the_host_s_own(host: DnsHost) -> None:
    """Its address is https, holds nothing but the zone's name to be filled in, and the zone stays where it belongs."""
    address = record_page(host, "xn--bcher-kva.example")
    assert address is not None
    parts = urlsplit(address)
    assert (parts.scheme, "{" in address, "example" in parts.netloc) == ("https", False, False)


def test_the_way_to_the_form_is_in_steps() -> None:
    """With the zone's own name; another way, for another case, is a list of its own."""
    ways = {host.id: steps_to_form(host, "acme.dev") for host in HOSTS}
    assert ways["godaddy"] == (("Domain Portfolio", "acme.dev", "DNS", "Add New Record"),)
    assert ways["ovh"][1] == ("over 255 characters: Change in text format",)
    assert all(step for way in ways.values() for steps in way for step in steps)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.id)
def test_no_name_server_belongs_to_two_hosts(host: DnsHost) -> None:
    """The patterns of any two hosts have no name in common."""
    assert host.nameservers
    for pattern in host.nameservers:
        for part in ("", "1", "17"):
            name = f"ns7.{pattern.replace('*', part)}"
            assert [each.id for each in HOSTS if host_of([name], [each])] == [host.id], name


@pytest.mark.parametrize(("expected", "servers"), [each for each in SERVERS.items() if each[0] != "unknown"])
def test_real_name_servers_lead_to_their_host(expected: str, servers: list[str]) -> None:
    """All of its servers together, and each alone, tell the host."""
    for names in (servers, *([server] for server in servers)):
        host = host_of(names, HOSTS)
        assert host is not None
        assert host.id == expected


@pytest.mark.parametrize("server", SERVERS["unknown"])
def test_other_name_servers_lead_to_none(server: str) -> None:
    """A name that only looks like a known one is nobody's."""
    assert host_of([server], HOSTS) is None


def test_most_of_the_name_servers_decide() -> None:
    """One server of another host beside two of ours does not change it; half of them is nobody."""
    cloudflare, secondary = SERVERS["cloudflare"], "ns6.gandi.net"
    host = host_of([*cloudflare, secondary], HOSTS)
    assert host is not None
    assert host.id == "cloudflare"
    assert host_of([cloudflare[0], secondary], HOSTS) is None
    assert host_of([], HOSTS) is None
