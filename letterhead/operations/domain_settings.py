"""What an account sets of a domain of its own: what it keeps about it, and whether it covers the names below it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import DomainProfile, parse_note
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.domains import FindDomainNeeds, find_domain, new_not_found


class DomainSettingNeeds(FindDomainNeeds, AuditNeeds, Protocol):
    """What changing a domain's settings needs."""


class DomainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a domain; what is unset stays as it is, and an empty note removes it."""

    note: str | UnsetType = UNSET
    covers_subdomains: bool | UnsetType = UNSET

    def named(self) -> str:
        """Return the names of what is to change, for the audit."""
        fields: Mapping[str, object] = msgspec.structs.asdict(self)
        return ", ".join(name.replace("_", " ") for name, value in fields.items() if value is not UNSET)


async def change_domain(
    deps: DomainSettingNeeds, account_id: str, raw: str, settings: DomainSettings, actor: Actor
) -> Domain:
    """Change what is given of a domain's settings. Faults: `not-found`, `note-invalid`."""
    domain = await find_domain(deps, account_id, raw)
    note = settings.note if isinstance(settings.note, UnsetType) else parse_note(settings.note)

    def change(profile: DomainProfile) -> DomainProfile:
        return profile if isinstance(note, UnsetType) else replace(profile, note=note)

    if not (named := settings.named()):
        return domain
    row = audit_row(deps, actor, "domain.change", f"{domain.sender}: {named}")
    covers = settings.covers_subdomains
    if not isinstance(covers, UnsetType) and not await deps.store.set_covers_subdomains(domain.id, covers, row):
        raise new_not_found(raw)
    keeps_more = named != "covers subdomains"
    if keeps_more and await deps.store.change_profile(domain, change, row) is None:
        raise new_not_found(raw)
    return domain
