"""Make docs/dns-hosts.md: the table of DNS hosts, and what we say at each when records are missing."""

import textwrap
from collections.abc import Iterable

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.core.check.catalogue import shorten
from letterhead.core.plan.dns_hosts import DnsHost, Fact
from letterhead.core.plan.plan import RecordId
from tests.docs.host_fixes import SERVERS, missing_at

INTRODUCTION = """# DNS hosts

From a domain's nameservers Letterhead recognises the DNS host where its records are edited, and writes each fix as that
host's form expects it. For a DNS host that is not in this table it says “your DNS host” with the first nameserver, and
gives names relative to the zone.

The table is data: `letterhead/data/dns_hosts.toml`. To add a host, add a row there with its source, and its nameservers
in `tests/data/nameservers.toml`; then run `./dev docs`. A fact with a `?` is unconfirmed: it is what suits most forms.
Please send a correction with a link to the host's own page."""

HEADER = """| DNS host | nameservers | name | the zone itself | long TXT | MX priority | host names end in a dot |
|---|---|---|---|---|---|---|"""


def page() -> str:
    """Make the page."""
    hosts = sorted(load_hosts(), key=lambda host: host.name.lower())
    rows = "\n".join(_row(host) for host in hosts)
    return "\n\n".join([INTRODUCTION, f"{HEADER}\n{rows}", *(_section(host) for host in hosts)]) + "\n"


def _row(host: DnsHost) -> str:
    ends = " ".join(f"`{end}`" for end in host.nameservers)
    name = _told(host, "names", "without the zone" if host.names == "relative" else "in full")
    apex = _told(host, "apex", f"`{host.apex}`" if host.apex else "left empty")
    pieces = "in one piece" if host.long_txt == "whole" else "split, in quotes"
    text = _told(host, "long_txt", f"{pieces}{', always quoted' if host.quotes else ''}")
    priority = _told(host, "priority_field", "its own field" if host.priority_field else "before the host name")
    return f"| {host.name} | {ends} | {name} | {apex} | {text} | {priority} | {'yes' if host.final_dot else ''} |"


def _told(host: DnsHost, fact: Fact, words: str) -> str:
    return f"{words} ?" if fact in host.unsourced else words


def _section(host: DnsHost) -> str:
    return "\n\n".join(
        [
            f"## {host.name}",
            "\n".join(map(_wrapped, _facts(host))),
            "If records are missing, a check says:",
            _said(host),
        ]
    )


def _facts(host: DnsHost) -> Iterable[str]:
    yield f"- Where: {_told(host, 'where', host.where)}"
    if host.record_page:
        yield f"- The records' page: {_told(host, 'record_page', f'<{host.record_page}>')}"
    if host.imports:
        yield f"- Imports a zone file: {host.imports}"
    if host.flattens:
        yield "- A CNAME at the top of the zone is flattened: the zone's other records are served beside it."
    if host.proxy:
        yield f"- Must be off: {host.proxy}"
    if host.other_form:
        yield f"- A TXT value {host.other_form}"
    if host.note:
        yield f"- {host.note}"
    if host.help:
        yield f"- The host's own page: <{host.help}>"
    yield f"- Read in {host.checked}: {', '.join(f'<{url}>' for url in (host.source, *host.also))}"


def _wrapped(item: str) -> str:
    return textwrap.fill(item, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _said(host: DnsHost) -> str:
    found = missing_at(SERVERS[host.id])
    fixes = [found[record].fix for record in (RecordId.DKIM, RecordId.MAIL_FROM_MX)]
    return "```text\n" + shorten("\n".join(fixes)) + "\n```"
