"""Write the records that an account is to publish in the form that a DNS tool reads: of one domain, or of all."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from letterhead.core.check.record_export import export_of, merge_exports
from letterhead.core.domain.domain import Domain
from letterhead.core.names.domain_names import parse_anywhere
from letterhead.core.plan.record_formats import FORMATS, RecordFormat, ZoneExport
from letterhead.errors import Fault, Kind
from letterhead.operations.domains import DomainViewNeeds, find_domain, plan_of
from letterhead.ports.store.domains import CheckResult, DomainQuery

MOST_DOMAINS: Final = 5000  # in one export: each has about five records of up to 700 octets
PIECE: Final = 64  # domains whose last checks are read together


class WrittenRecords(msgspec.Struct, frozen=True, kw_only=True):
    """An export as text, and the format that it is in."""

    text: str
    format: RecordFormat


async def export_domain(deps: DomainViewNeeds, account_id: str, raw: str, format_name: str) -> WrittenRecords:
    """Write the records of one domain; Fault `not-found`, `parameter-invalid`, `conflict`."""
    record_format = find_format(format_name)
    domain = await find_domain(deps, account_id, raw)
    checks = await deps.store.last_checks([domain.id])
    return _write(record_format, [_export(deps, domain, checks.get(domain.id))])


async def export_all(
    deps: DomainViewNeeds, account_id: str, format_name: str, zone: str | None = None
) -> WrittenRecords:
    """Write the records of all domains of an account, by zone, or those of one zone; faults as of `export_domain`."""
    record_format, exports, after = find_format(format_name), list[ZoneExport](), ""
    while True:
        listed = await deps.store.domains(account_id, DomainQuery(limit=PIECE, after=after))
        checks = await deps.store.last_checks([each.id for each in listed])
        exports += [_export(deps, each, checks.get(each.id)) for each in listed]
        if len(listed) < PIECE:
            break
        if len(exports) > MOST_DOMAINS:
            raise Fault(
                Kind.PARAMETER_INVALID,
                f"This account has more than {MOST_DOMAINS} domains, and one export has at most so many.",
                "Export one domain at a time.",
            )
        after = listed[-1].sender
        await asyncio.sleep(0)  # others are served between two pieces
    merged = merge_exports(exports)
    if zone is not None:
        try:
            wanted = parse_anywhere(zone).ascii
        except Fault:  # a zone may have a name that no sender has, such as _domainkey.acme.dev
            wanted = zone.lower().rstrip(".")
        merged = [each for each in merged if each.zone == wanted]
        if not merged:
            raise Fault(
                Kind.NOT_FOUND,
                f"None of this account's domains is in the zone {zone[:253]!r}.",
                "Leave zone away for the records of all zones, which are named there.",
            )
    return _write(record_format, merged)


def find_format(name: str) -> RecordFormat:
    """Return a format by its name; Fault `parameter-invalid`."""
    found = FORMATS.get(name)
    if found is None:
        detail = f"The query parameter 'format' is {name[:80]!r}: there is no format of this name."
        raise Fault(Kind.PARAMETER_INVALID, detail, f"Choose one of {', '.join(FORMATS)}.")
    return found


def _export(deps: DomainViewNeeds, domain: Domain, check: CheckResult | None) -> ZoneExport:
    plan = plan_of(deps, domain)
    if check is None:
        return export_of(domain, plan, (), (), {})
    return export_of(domain, plan, check.results, check.codes, check.snapshot.seen())


def _write(record_format: RecordFormat, exports: Sequence[ZoneExport]) -> WrittenRecords:
    return WrittenRecords(text=record_format.write(exports), format=record_format)
