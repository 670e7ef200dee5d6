"""Sender domains of mailcow: the tables `domain` and `alias_domain`, and the DKIM keys in its Redis.

Source: data/web/inc/init_db.inc.php and functions.dkim.inc.php of mailcow: dockerized, 2024 to 2026.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from letterhead.core.imports.found import FoundDomain, FoundDomains, FoundKey, UnreadEntry, merge_domains, pem_of
from letterhead.core.secret import Secret

QUERY: Final = "SELECT domain, active FROM domain UNION SELECT alias_domain, active FROM alias_domain"
COLUMNS: Final = ("domain", "active")
KEYS: Final = "DKIM_PRIV_KEYS"
SELECTORS: Final = "DKIM_SELECTORS"


def find_mailcow_domains(
    rows: Sequence[Mapping[str, str | None]], keys: Mapping[str, str], selectors: Mapping[str, str]
) -> FoundDomains:
    """Return the active domains, each with the key at its selector where it has one."""
    found, unread = list[FoundDomain](), list[UnreadEntry]()
    for row in rows:
        name = (row["domain"] or "").lower()
        if row["active"] == "0":
            unread.append(UnreadEntry(place=name, why="is not active"))
            continue
        selector = selectors.get(name, "")
        pem = keys.get(f"{selector}.{name}")
        key = FoundKey(selector=selector, place=KEYS, private_key=pem_of(Secret(pem.encode()))) if pem else None
        found.append(FoundDomain(sender=name, keys=(key,) if key else ()))
    return FoundDomains(domains=merge_domains(found), unread=tuple(unread))
