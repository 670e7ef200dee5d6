"""Make the table of DNS hosts in docs/writing-records.md; the rest of that page is written by hand."""

import re
from pathlib import Path

from letterhead.adapters.dns_hosts.table import HOSTS
from letterhead.ports.dns_host import DnsHostAccess

PAGE = Path(__file__).parents[2] / "docs" / "writing-records.md"
HEADER = "| DNS host | id | credential | narrowest scope |\n|---|---|---|---|"
PART = re.compile(r"(<!-- hosts: ./dev docs writes this -->\n).*?(<!-- end -->)", re.DOTALL)


def page() -> str:
    """Make the page: as it is, with the table anew."""
    accesses = sorted((row.access for row in HOSTS), key=lambda access: access.name.lower())
    rows = "\n".join(map(_row, accesses))
    return PART.sub(lambda hit: f"{hit[1]}\n{HEADER}\n{rows}\n\n{hit[2]}", PAGE.read_text("utf-8"))


def _row(access: DnsHostAccess) -> str:
    fields = ", ".join(f"`{each.name}`{' (optional)' if each.optional else ''}" for each in access.fields)
    return f"| {access.name} | `{access.id}` | {fields} | {access.scope} [Source]({access.source}) |"
