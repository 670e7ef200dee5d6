"""The file that `check --expect` reads: the records that should be published, as JSON."""

import codecs
import re
from pathlib import Path

import idna
import msgspec

from letterhead.core.plan.plan import ANY_KEYS, PlannedRecord, RecordId
from letterhead.errors import Fault, Kind

MOST_RECORDS = 16
_OWNER = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_EXAMPLE = (
    '{"records": [{"id": "dkim", "host": "lh1._domainkey.acme.dev", "recordType": "TXT", "recordValue": "v=DKIM1; …"}]}'
)
_RDTYPES = {
    **dict.fromkeys(ANY_KEYS, ("TXT", "CNAME")),
    RecordId.MAIL_FROM_MX: ("MX",),
    RecordId.MAIL_FROM_SPF: ("TXT",),
    RecordId.DMARC: ("TXT",),
}
_REQUIRED = (RecordId.DKIM, RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)  # no mail depends on the others


class _ExpectedRecord(msgspec.Struct, rename="camel"):
    id: RecordId
    host: str
    record_type: str
    record_value: str
    priority: int | None = None
    required: bool | None = None


class _ExpectedRecords(msgspec.Struct):
    records: list[_ExpectedRecord]


def read_expected(path: Path) -> tuple[PlannedRecord, ...]:
    """Return the records of the file; Fault `config-invalid` names what is wrong."""
    try:
        plan = msgspec.json.decode(read_text(path, "The file of expected records").encode(), type=_ExpectedRecords)
    except msgspec.DecodeError as wrong:
        raise _new_fault(path, f"{wrong}") from wrong
    if not 0 < len(plan.records) <= MOST_RECORDS:
        raise _new_fault(path, f"it holds {len(plan.records)} records, and 1 to {MOST_RECORDS} can be checked")
    parsed = []
    for at, record in enumerate(plan.records):
        rdtype, value, priority = record.record_type.upper(), record.record_value.strip(), record.priority
        if rdtype not in _RDTYPES[record.id]:
            fits = " or ".join(_RDTYPES[record.id])
            raise _new_fault(path, f"$.records[{at}].recordType is {record.record_type!r}, and {record.id} is {fits}")
        if rdtype == "MX" and (spelt := re.fullmatch(r"(\d{1,5})\s+(\S+)", value)):  # as in a zone file
            priority, value = priority if priority is not None else int(spelt[1]), spelt[2]
        if not value:
            raise _new_fault(path, f"$.records[{at}].recordValue is empty")
        planned = PlannedRecord(
            id=record.id,
            host=_parse_owner(path, at, record.host),
            rdtype=rdtype,
            value=value.rstrip(".").lower() if rdtype in ("MX", "CNAME") else value,
            priority=priority,
            required=record.id in _REQUIRED if record.required is None else record.required,
        )
        parsed.append(planned)
    return tuple(parsed)


def _parse_owner(path: Path, at: int, host: str) -> str:
    """Return an owner name in lower-case A-labels without a final dot."""
    try:
        labels = [
            each if each.isascii() else idna.alabel(each).decode() for each in host.lower().rstrip(".").split(".")
        ]
    except idna.IDNAError as wrong:
        raise _new_fault(path, f"$.records[{at}].host is no name: {wrong}") from wrong
    name = ".".join(labels)
    if len(name) > 253 or "." not in name or not _OWNER.fullmatch(name):
        raise _new_fault(path, f"$.records[{at}].host is {host[:80]!r}, which is no full name of a record")
    return name


def read_text(path: Path, what: str) -> str:
    """Return the text of a file of the user's; Fault `config-invalid` where it can't be read."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        fix = "Name a file that is there and that this user may read."
        raise Fault(Kind.CONFIG_INVALID, f"{what}, {path}, can't be read: {error.strerror}.", fix) from error
    encoding = _encoding(octets)
    try:
        return octets.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        name = encoding.upper()
        detail = f"{what}, {path}, is no {name} text: octet {error.start + 1} is {octets[error.start]:#04x}."
        raise Fault(Kind.CONFIG_INVALID, detail, "Save it as UTF-8.") from error


def _encoding(octets: bytes) -> str:
    """Return the encoding of a text by its byte-order mark, or by where the first letter has a zero octet."""
    start = octets[:4]
    if start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start[:2]:  # PowerShell and Windows DNS tools write UTF-16 with and without a mark
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    return "utf-8"


def _new_fault(path: Path, why: str) -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        f"{path} is no plan that a domain can be compared with: {why}.",
        f"Write it like {_EXAMPLE}",
    )
