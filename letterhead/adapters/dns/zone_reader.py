"""Read zone text, as any DNS host exports it, into zones (RFC 1035 5).

A line that is not understood costs that line alone: it is noted, and what it may hold is not known. Nothing that was
read is dropped. dnspython parses names and RDATA.
"""

import re
from typing import Final

import dns.exception
import dns.name
import dns.rdata
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from letterhead.adapters.dns.dnspython_values import name_text
from letterhead.adapters.dns.text_zone import Sets, TextZone, ZoneCopy, upwards
from letterhead.adapters.dns.zone_lines import Entry, expand_generate, foreign_format, split_entries
from letterhead.adapters.dns.zone_origin import find_origin, full_name, owners_of
from letterhead.adapters.dns.zone_records import (
    UNREADABLE,
    RecordHead,
    begins_record,
    read_head,
    read_rdata,
    split_long_strings,
)
from letterhead.core.dns.answers import Why
from letterhead.core.dns.records import quote
from letterhead.core.dns.zone_text import LongString, UnreadLine, ZoneTextNotes
from letterhead.errors import Fault, Kind

RESOLVER: Final = "@resolver"
DEFAULT_TTL: Final = 3600
INCLUDED: Final = "it takes in another file, which is not read; what is not in this text may be there"

_OVERRIDE = re.compile(r";\s*@(all|resolver|server)(?:\s+(\S+))?(?:\s+(\S+))?\s*$")
_ZONE_FIX = "Begin it with $ORIGIN and the zone's name."
_RECORD_FIX = "Write one record a line: name, TTL, type, value; a text in quotes, a full name with its final dot."


class ZoneTextReader:
    """A reader of texts into `zones`; `asked` is the domain that is looked at, for a text that names no zone."""

    def __init__(self, asked: str | None = None) -> None:
        self.zones: dict[Name, TextZone] = {}
        self._asked = asked
        self._unread: list[UnreadLine] = []
        self._long: list[LongString] = []
        self._assumed: str | None = None

    @property
    def notes(self) -> ZoneTextNotes:
        """What could not be taken as it stands."""
        return ZoneTextNotes(unread=tuple(self._unread), long_strings=tuple(self._long), assumed_zone=self._assumed)

    def read(self, text: str) -> None:
        """Add the zones of a text; raise Fault `parameter-invalid` where none of it is zone text."""
        reading = _TextReading(text, self.zones, self._asked)
        reading.read()
        self._unread += reading.unread
        self._long += reading.long_strings
        if reading.assumed and reading.apex is not None:
            self._assumed = name_text(reading.apex)


class _TextReading:
    """The reading of one text, entry by entry."""

    def __init__(self, text: str, zones: dict[Name, TextZone], asked: str | None) -> None:
        self._text = text.removeprefix("\ufeff")
        self._entries = list(split_entries(self._text))
        self._indent = min((each.indent for each in self._entries if each.tokens), default=0)
        self.apex, self.assumed = find_origin(self._entries, asked)
        self._has_start = next(owners_of(self._entries, "SOA"), None) is not None
        self._origin = self.apex
        self._given: Name | None = None  # the last $ORIGIN
        self._ttl = DEFAULT_TTL
        self._owner: Name | None = None  # of the last record: a line that begins with a blank goes on with it
        self._who: str | None = None
        self._zone: TextZone | None = None
        self._zones = zones
        self._pending: list[tuple[Entry, Name, RecordHead, dns.rdata.Rdata | None, UnreadLine | None]] = []
        self._records = 0
        self.unread: list[UnreadLine] = []
        self.long_strings: list[LongString] = []

    def read(self) -> None:
        for entry in self._entries:
            if not entry.tokens:
                self._read_comment(entry)
            elif entry.tokens[0].startswith("$"):
                self._read_directive(entry)
            else:
                self._read_record(entry)
        self._place_pending()
        if not self._records and self.unread:
            raise self._not_zone_text()
        for zone in self._zones.values():
            _join_copies(zone)

    # --- comments and directives ------------------------------------------------------------------------------------

    def _read_comment(self, entry: Entry) -> None:
        override = _OVERRIDE.match(entry.comment)
        if entry.fault is not None:
            self._note(entry, entry.fault)
        if override is None:
            return
        kind, name, why = override.groups()
        if kind == "resolver":
            name, why = RESOLVER, name
        self._who = None if kind == "all" or name is None else name.lower().rstrip(".")
        if self._who is None or self._zone is None:
            return
        if (kind, why) == ("resolver", "authentic"):
            self._zone.signed = True
        elif why is None:
            self._zone.overrides.setdefault(self._who, {})
        elif why in set(Why):
            self._zone.failures[self._who] = Why(why)
        else:
            raise _fault(entry, f"“{why}” is no reason that we know", f"Use one of {', '.join(Why)}.")

    def _read_directive(self, entry: Entry) -> None:
        keyword, *values = entry.tokens
        match keyword.upper():
            case "$ORIGIN" if values:
                name = _name(values[0], self._given or dns.name.root)
                if name is None:
                    raise _fault(entry, f"“{values[0]}” is no name", "Write $ORIGIN acme.dev.")
                self._origin = self._given = name
            case "$TTL" if values and values[0].isascii():
                self._ttl = read_head(tuple(values)).ttl or DEFAULT_TTL
            case "$GENERATE" if (generated := expand_generate(tuple(values))) is not None:
                for tokens in generated:
                    self._read_record(Entry(entry.number, entry.text, self._indent, tokens))
            case "$INCLUDE":
                zone = self._zone or (self._start_zone(self.apex) if self.apex is not None else None)
                line = self._note(entry, INCLUDED)
                if zone is not None:
                    zone.includes.append(line)
            case _:
                self._note(entry, f"{keyword[:20]} is not followed")

    # --- records ----------------------------------------------------------------------------------------------------

    def _read_record(self, entry: Entry) -> None:
        goes_on = entry.indent > self._indent and begins_record(entry.tokens)
        head = read_head(entry.tokens if goes_on else entry.tokens[1:])
        if not goes_on:
            self._owner = self._read_owner(entry, head)
        owner = self._owner
        if owner is None:
            self._note(entry, "it begins with no name" if goes_on else f"{entry.tokens[0][:60]} is no name")
            return
        why = entry.fault or head.why or ("" if head.rdclass == "IN" else f"its class is {head.rdclass}")
        split, octets = split_long_strings(head)
        rdata = None
        if not why:
            try:
                rdata = read_rdata(split, self._origin or dns.name.root)
            except UNREADABLE:
                why = f"its value is none of the type {head.rdtype.name if head.rdtype else ''}"
        if octets and rdata is not None:
            strings = " ".join(quote(each.decode("latin-1")) for each in getattr(rdata, "strings", ()))
            self.long_strings.append(
                LongString(number=entry.number, owner=name_text(owner), octets=octets, split=strings)
            )
        line = self._note(entry, why, owner) if rdata is None else None
        self._place(entry, owner, head, rdata, line)

    def _read_owner(self, entry: Entry, head: RecordHead) -> Name | None:
        token = entry.tokens[0].strip('"')
        token = token.removesuffix("@") if token.endswith(".@") else token  # GoDaddy: `_sip._tls.@`
        origin = self._origin
        if origin is None:
            if not token.endswith("."):
                raise self._unknown_zone(entry)
            origin = dns.name.root
        elif token != entry.tokens[0].strip('"'):
            token = token.removesuffix(".")
        # The SOA's owner without its final dot, as Cloudflare writes it; a zone doubled like that is never meant.
        if head.rdtype in (RdataType.SOA, RdataType.NS) and full_name(token) == origin:
            return origin
        return _name(token, origin)

    def _place(
        self, entry: Entry, owner: Name, head: RecordHead, rdata: dns.rdata.Rdata | None, line: UnreadLine | None
    ) -> None:
        if rdata is not None and head.rdtype is RdataType.SOA:
            self._zone, self._who = self._start_zone(owner), None
            self._zone.copies.append(ZoneCopy(entry.number))
        zone = self._zone_of(owner)
        if zone is None and not self._has_start and self.apex is not None and owner.is_subdomain(self.apex):
            zone = self._zone = self._start_zone(self.apex)
        if zone is None:
            self._pending.append((entry, owner, head, rdata, line))
        elif line is not None:
            zone.unread.setdefault(owner, []).append((head.hides, line))
        elif rdata is not None:
            self._add(zone, entry, owner, head, rdata)

    def _add(self, zone: TextZone, entry: Entry, owner: Name, head: RecordHead, rdata: dns.rdata.Rdata) -> None:
        self._records += 1
        if not zone.copies:
            zone.copies.append(ZoneCopy(entry.number))
        copy = zone.copies[-1]
        sets = copy.sets if self._who is None else zone.overrides.setdefault(self._who, {})
        key = (owner, rdata.rdtype)
        copy.lines.setdefault(key, entry.number)
        if key not in sets:
            sets[key] = dns.rrset.RRset(owner, rdata.rdclass, rdata.rdtype)
            sets[key].update_ttl(self._ttl if head.ttl is None else head.ttl)
        sets[key].add(rdata)

    def _start_zone(self, apex: Name) -> TextZone:
        return self._zones.setdefault(apex, TextZone(apex))

    def _zone_of(self, owner: Name) -> TextZone | None:
        if self._zone is not None and owner.is_subdomain(self._zone.apex):
            return self._zone
        return next((self._zones[above] for above in upwards(owner) if above in self._zones), None)

    def _place_pending(self) -> None:
        """Place the records before the first SOA; where that can't be read, the zone is that of the origin."""
        pending, self._pending, self._who, self._has_start = self._pending, [], None, self._zone is not None
        if self._zone is None and self.apex is None and pending:
            raise self._unknown_zone(pending[0][0])
        for entry, owner, head, rdata, line in pending:
            self._place(entry, owner, head, rdata, line)
        for entry, owner, _, _, line in self._pending:
            if line is None:
                self._note(entry, f"{name_text(owner)} lies in no zone of this text", owner)

    # --- what is told -----------------------------------------------------------------------------------------------

    def _note(self, entry: Entry, why: str, owner: Name | None = None) -> UnreadLine:
        line = UnreadLine(
            number=entry.number, text=entry.text, why=why, owner=name_text(owner) if owner is not None else None
        )
        self.unread.append(line)
        return line

    def _unknown_zone(self, entry: Entry) -> Fault:
        format_name = foreign_format(self._text)
        if format_name is not None:
            return _foreign(format_name)
        return _fault(entry, "it does not say which zone this is", _ZONE_FIX)

    def _not_zone_text(self) -> Fault:
        format_name = foreign_format(self._text)
        if format_name is not None:
            return _foreign(format_name)
        first = self.unread[0]
        detail = f"Line {first.number} of the zone text can't be read: {first.why} ({first.text!r})."
        return Fault(Kind.PARAMETER_INVALID, detail, _RECORD_FIX)


def _join_copies(zone: TextZone) -> None:
    """Make one zone of its copies (AXFR ends with the SOA once more); raise Fault where they differ."""
    joined: Sets = {}
    lines: dict[tuple[Name, RdataType], int] = {}
    for copy in zone.copies:
        for key, records in copy.sets.items():
            if key in joined and set(joined[key]) != set(records):
                owner, rdtype = key
                detail = (
                    f"Lines {lines[key]} and {copy.lines[key]} of the zone text are of two versions of the zone "
                    f"{name_text(zone.apex)}: the {rdtype.name} of {name_text(owner)} differs."
                )
                fix = "Leave in the text the version that you want to check, and take the other away."
                raise Fault(Kind.PARAMETER_INVALID, detail, fix)
            joined.setdefault(key, records)
            lines.setdefault(key, copy.lines[key])
    zone.sets = joined


def _name(token: str, origin: Name) -> Name | None:
    try:
        return dns.name.from_text(token, origin)
    except UNREADABLE:
        return None


def _fault(entry: Entry, what: str, fix: str) -> Fault:
    detail = f"Line {entry.number} of the zone text can't be read: {what} ({entry.text!r})."
    return Fault(Kind.PARAMETER_INVALID, detail, fix)


def _foreign(format_name: str) -> Fault:
    how = " Route 53 exports no zone text itself; the program cli53 does (cli53 export acme.dev)."
    return Fault(
        Kind.PARAMETER_INVALID,
        f"This is {format_name}, not zone text.",
        "Give zone text (RFC 1035 5): one record a line, with name, TTL, type and value."
        f"{how if 'Route 53' in format_name else ''}",
    )
