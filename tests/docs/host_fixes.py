"""Ask what we say when records are missing at each DNS host: a whole check on a zone with that host's name servers."""

import asyncio
import tomllib
from pathlib import Path

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.check import check
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.plan import RecordId
from letterhead.operations.dns_questions import DnsRequest, ask_until_answered
from tests.core import samples

SERVERS: dict[str, list[str]] = tomllib.loads((Path(__file__).parents[1] / "data/nameservers.toml").read_text("utf-8"))
PLAN = samples.plan()


def missing_at(servers: list[str]) -> dict[RecordId, Finding]:
    """Return the finding for each planned record of a zone that holds none, served by these name servers."""
    lines = [f"{PLAN.zone}. 3600 IN NS {server}." for server in servers]
    soa = f"{PLAN.zone}. 3600 IN SOA {servers[0]}. hostmaster.{PLAN.zone}. 1 7200 3600 1209600 600"
    text = "\n".join([f"$ORIGIN {PLAN.zone}.", soa, *lines])
    request = DnsRequest(plan=PLAN, history=check.NO_HISTORY)
    seen = asyncio.run(ask_until_answered(ZoneFileResolver(text), request))
    findings = check.examine(PLAN, seen, load_hosts()).findings
    return {RecordId(each.record): each for each in findings if each.record is not None}
