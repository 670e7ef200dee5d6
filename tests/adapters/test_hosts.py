"""The table of DNS hosts: each row is whole, dated and sourced, and real name servers lead to it and to no other."""

import re
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import fields

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.core.plan.dns_hosts import DnsHost, host_of

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

    Where values are typed in quotes a long one is split: one string holds 255 octets at most (RFC 1035 3.3).
    """
    general = {field.name: field.default for field in fields(DnsHost)}
    if host.quotes:
        general["long_txt"] = "split"
    unsourced = set(host.unsourced) - {"apex", "where"}
    assert {fact: getattr(host, fact) for fact in unsourced} == {fact: general[fact] for fact in unsourced}


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
