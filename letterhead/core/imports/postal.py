"""Sender domains of Postal, from the table `domains` of its main database.

Source: db/schema.rb and app/models/domain.rb of Postal 3. The selector is `dns.dkim_identifier` of postal.yml, a hyphen
and the domain's own identifier; the MAIL FROM domain is below `dns.custom_return_path_prefix`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from letterhead.core.imports.found import FoundDomain, FoundDomains, FoundKey, UnreadEntry, merge_domains, pem_of
from letterhead.core.secret import Secret

QUERY: Final = "SELECT name, verified_at, outgoing, dkim_identifier_string, dkim_private_key FROM domains"
COLUMNS: Final = ("name", "verified_at", "outgoing", "dkim_identifier_string", "dkim_private_key")


def find_postal_domains(
    rows: Sequence[Mapping[str, str | None]], identifier: str, return_path_prefix: str
) -> FoundDomains:
    """Return the domains that Postal sends mail for, each with its key; a name may be there for several servers."""
    found, unread = list[FoundDomain](), list[UnreadEntry]()
    for row in rows:
        name = row["name"] or ""
        if row["outgoing"] == "0":
            unread.append(UnreadEntry(place=name, why="is for incoming mail alone"))
            continue
        keys = list[FoundKey]()
        if row["dkim_identifier_string"] and row["dkim_private_key"]:
            selector = f"{identifier}-{row['dkim_identifier_string']}"
            pem = pem_of(Secret(row["dkim_private_key"].encode()))
            keys.append(FoundKey(selector=selector, place="Postal's database", private_key=pem))
        mail_from = f"{return_path_prefix}.{name}"
        is_verified = row["verified_at"] is not None
        found.append(FoundDomain(sender=name, keys=tuple(keys), mail_from=mail_from, is_verified=is_verified))
    return FoundDomains(domains=merge_domains(found), unread=tuple(unread))
