"""Identities that Amazon SES holds, and what is to be done about each, so that no mail fails DMARC meanwhile.

SES signs with one key at a time. While it verifies a new one it may send without a signature (Amazon's page on
BYODKIM). DMARC then passes by SPF alone, which needs an aligned MAIL FROM domain that SES has verified.
"""

from collections.abc import Mapping
from typing import Any, Final

from letterhead.core.imports.plan import ImportAction, PlannedImport

FIRST: Final = "publish its DKIM record, which changes nothing at SES, then import again to adopt it"
GAP: Final = (
    "SES may send without a signature while it verifies the new key, and then DMARC passes only by a MAIL FROM domain "
    "that SES has verified and keeps: "
)


def plan_identity(
    identity: Mapping[str, Any],
    account_id: str,
    present: Mapping[str, str],
    mail_froms: Mapping[str, str | None],
    *,
    accepts_gap: bool,
) -> PlannedImport:
    """Return what is to be done about an identity, as the API lists it, for an account with these domains.

    `present` has the selectors of its domains, `mail_froms` their MAIL FROM domains, which an adoption puts at SES.
    """
    sender, holder = str(identity["sender"]), identity.get("accountId")
    mail_from = str(identity.get("mailFrom") or "")
    is_below = mail_from.endswith(f".{sender}")
    selector = present.get(sender)

    def planned(action: ImportAction, why: str) -> PlannedImport:
        kept = mail_from if is_below and action is ImportAction.ADD else None
        return PlannedImport(sender=sender, action=action, why=why, selector=selector, mail_from=kept)

    if identity["isOurs"]:
        return planned(ImportAction.KEEP, "")
    if identity.get("owner"):
        why = f"it carries the tag of another installation, {identity['owner']}: letterhead identities adopt {sender}"
        return planned(ImportAction.REFUSE, why)
    if holder not in (None, account_id):
        return planned(ImportAction.REFUSE, f"the account {holder} has proven this name: import it there")
    if selector is None:
        keeps = f"keeps its MAIL FROM domain {mail_from}; " if is_below else ""
        return planned(ImportAction.ADD, f"{keeps}{FIRST}")
    if holder is None:
        return planned(ImportAction.WAIT, FIRST)
    place = mail_froms.get(sender)
    is_kept = place is not None and place == mail_from and identity["mailFromSaid"] == "SUCCESS"
    if not is_kept and not accepts_gap:
        do = f"publish the records of {place}, and set it up at SES first" if place else f"{sender} has none here"
        return planned(ImportAction.WAIT, GAP + do)
    signs = "a key that SES made" if identity["isProvidersKey"] else str(identity.get("selector"))
    return planned(ImportAction.ADOPT, f"it signs with {signs} now, and with {selector} after the next check")
