"""The planned records as files for the tools that write DNS: one function for each format, in one table.

Names and texts are written as each tool reads them. Nothing in a name or a value can end the string that it stands in:
YAML, JavaScript and HCL all read a JSON string as it is, once what each of them interpolates is escaped.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from letterhead.core.dns.records import Mx, Rdata, RRset, Target, Txt, quote, split_text, zone_line
from letterhead.core.plan.plan import PlannedRecord, relative_name
from letterhead.errors import Fault, Kind

TTL: Final = 3600  # seconds
COMMENT_WIDTH: Final = 110
MOST_ENDPOINTS: Final = 1000  # of one DNSEndpoint: `maxItems` of its schema


class ZoneExport(msgspec.Struct, frozen=True, kw_only=True):
    """The records to publish in one zone, for a tool that writes them; `notes` are sentences for a person."""

    zone: str
    records: tuple[PlannedRecord, ...]
    notes: tuple[str, ...] = ()


class RecordFormat(NamedTuple):
    """A format: its function, media type and file name's end; `one_zone` where the tool reads a file for each zone."""

    write: Callable[[Sequence[ZoneExport]], str]
    media_type: str
    suffix: str
    one_zone: bool = False


def rrsets(export: ZoneExport) -> list[RRset]:
    """Return the records as RRsets, sorted; what two domains plan alike is there once (RFC 2181 5)."""
    grouped: dict[tuple[str, str], list[Rdata]] = {}
    for record in export.records:
        values, rdata = grouped.setdefault((record.host, record.rdtype), []), rdata_of(record)
        if rdata not in values:
            values.append(rdata)
    return [
        RRset(owner=owner, rdtype=rdtype, ttl=TTL, rdatas=tuple(values))
        for (owner, rdtype), values in sorted(grouped.items())
    ]


def rdata_of(record: PlannedRecord) -> Rdata:
    """Return the content of a planned record."""
    match record.rdtype:
        case "MX":
            return Mx(preference=record.priority or 0, exchange=record.value)
        case "CNAME":
            return Target(name=record.value)
        case _:
            return Txt(strings=split_text(record.value))


# --- one function for each format -------------------------------------------------------------------------------


def bind_zone(exports: Sequence[ZoneExport]) -> str:
    """Return lines of a zone file (RFC 1035 5.1) to be included in the zone's own file, with full names."""
    lines = _introduction(
        "; ", "Records for Letterhead. Add them to the zone's own file, for example by $INCLUDE.", exports
    )
    for export in exports:
        lines += ["", f"$ORIGIN {export.zone}."]
        for rrset, rdata in _each(export):
            priority = rdata.preference if isinstance(rdata, Mx) else None
            lines.append(zone_line(rrset.owner, rrset.rdtype, _text(rdata), priority, rrset.ttl))
    return _joined(lines)


def octodns_yaml(exports: Sequence[ZoneExport]) -> str:
    """Return a document for each zone, whose file is named after the zone (`acme.dev.yaml`).

    octoDNS wants the keys in natural order and each `;` of a text as `\\;`; it splits long texts itself.
    """
    lines: list[str] = []
    for export in exports:
        lines.append("---")
        lines += _introduction(
            "# ",
            f"Records for Letterhead: save as {export.zone}.yaml in a folder of their own, and name that folder as a "
            "further source of the zone, with escaped_semicolons: true, beside the source that it has: octoDNS deletes "
            "what no source has.",
            [export],
        )
        by_name: dict[str, list[RRset]] = {}
        for rrset in rrsets(export):
            name = relative_name(rrset.owner, export.zone)
            by_name.setdefault("" if name == "@" else name, []).append(rrset)
        for name in sorted(by_name, key=_natural):
            lines.append(f"{_string(name)}:")
            for rrset in by_name[name]:
                lines += [f"  - ttl: {rrset.ttl}", f"    type: {rrset.rdtype}", "    values:"]
                lines += [f"      - {_octodns_value(rrset, rdata)}" for rdata in rrset.rdatas]
                if rrset.rdtype == "CNAME":  # of which there is one
                    lines[-2:] = [f"    value: {_octodns_value(rrset, rrset.rdatas[0])}"]
        if not by_name:
            lines.append("{}")
    return _joined(lines)


def dnscontrol_js(exports: Sequence[ZoneExport]) -> str:
    """Return `D_EXTEND` calls, which add to zones that `D()` defined before; DNSControl splits long texts itself."""
    lines = _introduction(
        "// ",
        "Records for Letterhead. Load this file after the D() of each zone: DNSControl deletes what dnsconfig.js "
        "does not have.",
        exports,
    )
    for export in exports:
        calls = []
        for rrset, rdata in _each(export):
            name = _string(relative_name(rrset.owner, export.zone))
            value = f"{rdata.preference}, {_string(f'{rdata.exchange}.')}" if isinstance(rdata, Mx) else None
            if value is None:
                value = _string(_printable(rrset, rdata) if isinstance(rdata, Txt) else f"{_text(rdata)}.")
            calls.append(f",\n  {rrset.rdtype}({name}, {value}, TTL({rrset.ttl}))")
        lines += ["", f"D_EXTEND({_string(export.zone)}{''.join(calls)}", ");"]
    return _joined(lines)


def terraform_route53(exports: Sequence[ZoneExport]) -> str:
    """Return `aws_route53_record` resources of the provider hashicorp/aws.

    It puts the outer quotation marks around a text itself, and wants those between two strings of it.
    """
    introduction = (
        "Records for Letterhead, for the provider hashicorp/aws. A record that is there already stays as it is: "
        "Terraform then refuses to create ours."
    )
    lines, labels = _introduction("# ", introduction, exports), _Labels()
    for export in exports:
        zone = labels.add("zone", export.zone)
        lines += ["", f'data "aws_route53_zone" "{zone}" {{', f"  name = {_hcl(export.zone)}", "}"]
        for rrset in rrsets(export):
            values = ", ".join(_hcl(_route53_value(rrset, rdata)) for rdata in rrset.rdatas)
            lines += [
                "",
                f'resource "aws_route53_record" "{labels.add("record", rrset.owner, rrset.rdtype)}" {{',
                f"  zone_id = data.aws_route53_zone.{zone}.zone_id",
                f"  name    = {_hcl(rrset.owner)}",
                f"  type    = {_hcl(rrset.rdtype)}",
                f"  ttl     = {rrset.ttl}",
                f"  records = [{values}]",
                "}",
            ]
    return _joined(lines)


def terraform_cloudflare(exports: Sequence[ZoneExport]) -> str:
    """Return `cloudflare_dns_record` resources of the provider cloudflare/cloudflare, from version 5 on.

    Cloudflare keeps a text as strings in quotation marks with a space between them; any other form is a difference
    that Terraform finds again at every run.
    """
    introduction = (
        "Records for Letterhead, for the provider cloudflare/cloudflare 5. Cloudflare keeps several records of a "
        "name side by side: remove an older one of the same name and type first."
    )
    lines, labels = _introduction("# ", introduction, exports), _Labels()
    for export in exports:
        zone = labels.add("zone", export.zone)
        lines += ["", f'data "cloudflare_zone" "{zone}" {{', "  filter = {", f"    name = {_hcl(export.zone)}"]
        lines += ["  }", "}"]
        for rrset, rdata in _each(export):
            content = _quoted_strings(rrset, rdata, " ") if isinstance(rdata, Txt) else _text(rdata)
            priority = [f"  priority = {rdata.preference}"] if isinstance(rdata, Mx) else []
            lines += [
                "",
                f'resource "cloudflare_dns_record" "{labels.add("record", rrset.owner, rrset.rdtype)}" {{',
                f"  zone_id  = data.cloudflare_zone.{zone}.zone_id",
                f"  name     = {_hcl(rrset.owner)}",
                f"  type     = {_hcl(rrset.rdtype)}",
                f"  ttl      = {rrset.ttl}",
                f"  content  = {_hcl(content)}",
                *priority,
                "  proxied  = false",
                "}",
            ]
    return _joined(lines)


def external_dns_yaml(exports: Sequence[ZoneExport]) -> str:
    """Return `DNSEndpoint` objects of externaldns.k8s.io/v1alpha1; names have no final dot, texts are one string."""
    introduction = (
        "Records for Letterhead. Run external-dns with --source=crd, with --managed-record-types for TXT, MX, CNAME, "
        "and with --txt-prefix: without it, its own text at the same name breaks DKIM, SPF and DMARC."
    )
    lines = _introduction("# ", introduction, exports)
    for export in exports:
        listed = rrsets(export)
        for begin in range(0, len(listed), MOST_ENDPOINTS):
            part = f"-{begin // MOST_ENDPOINTS + 1}" if begin else ""
            lines += [
                "---",
                "apiVersion: externaldns.k8s.io/v1alpha1",
                "kind: DNSEndpoint",
                "metadata:",
                f"  name: {_string(f'letterhead-{export.zone}{part}')}",
                "spec:",
                "  endpoints:",
            ]
            for rrset in listed[begin : begin + MOST_ENDPOINTS]:
                lines += [f"    - dnsName: {_string(rrset.owner)}", f"      recordTTL: {rrset.ttl}"]
                lines += [f"      recordType: {rrset.rdtype}", "      targets:"]
                for rdata in rrset.rdatas:
                    target = f"{rdata.preference} {rdata.exchange}" if isinstance(rdata, Mx) else _text(rdata)
                    text = _printable(rrset, rdata) if isinstance(rdata, Txt) else target
                    lines.append(f"        - {_string(text)}")
    return _joined(lines)


def pulumi_yaml(exports: Sequence[ZoneExport]) -> str:
    """Return a Pulumi program in YAML with `aws:route53:Record` resources; `$` stands twice, or it interpolates."""
    introduction = (
        "Records for Letterhead, for the package aws. Take variables and resources over into your own program, or run "
        "this one by itself."
    )
    lines, labels = _introduction("# ", introduction, exports), _Labels()
    variables, resources = list[str](), list[str]()
    for export in exports:
        zone = labels.add("name", f"zone.{export.zone}")
        variables += [f"  {zone}:", "    fn::invoke:", "      function: aws:route53:getZone", "      arguments:"]
        variables.append(f"        name: {_pulumi(export.zone)}")
        for rrset in rrsets(export):
            resources += [
                f"  {labels.add('name', rrset.owner, rrset.rdtype)}:",
                "    type: aws:route53:Record",
                "    properties:",
                f"      zoneId: ${{{zone}.zoneId}}",
                f"      name: {_pulumi(rrset.owner)}",
                f"      type: {rrset.rdtype}",
                f"      ttl: {rrset.ttl}",
                "      records:",
            ]
            resources += [f"        - {_pulumi(_route53_value(rrset, rdata))}" for rdata in rrset.rdatas]
    lines += ["name: letterhead-records", "runtime: yaml"]
    lines += [f"variables:{'' if variables else ' {}'}", *variables]
    lines += [f"resources:{'' if resources else ' {}'}", *resources]
    return _joined(lines)


def json_text(exports: Sequence[ZoneExport]) -> str:
    """Return JSON for programs of one's own: each record with its full name, and relative to its zone."""
    zones = []
    for export in exports:
        records = []
        for rrset, rdata in _each(export):
            record: dict[str, object] = {
                "host": rrset.owner,
                "recordName": relative_name(rrset.owner, export.zone),
                "recordType": rrset.rdtype,
                "recordValue": _text(rdata),
                "ttl": rrset.ttl,
            }
            records.append(record | ({"priority": rdata.preference} if isinstance(rdata, Mx) else {}))
        zones.append({"zone": export.zone, "records": records, "notes": export.notes})
    return json.dumps({"zones": zones})


FORMATS: Final[Mapping[str, RecordFormat]] = {
    "bind": RecordFormat(bind_zone, "text/dns", ".zone", one_zone=True),
    "octodns": RecordFormat(octodns_yaml, "application/yaml", ".yaml", one_zone=True),
    "dnscontrol": RecordFormat(dnscontrol_js, "text/javascript", ".js"),
    "terraform-route53": RecordFormat(terraform_route53, "text/plain", ".tf"),
    "terraform-cloudflare": RecordFormat(terraform_cloudflare, "text/plain", ".tf"),
    "external-dns": RecordFormat(external_dns_yaml, "application/yaml", ".yaml"),
    "pulumi-yaml": RecordFormat(pulumi_yaml, "application/yaml", ".yaml"),
    "json": RecordFormat(json_text, "application/json", ".json"),
}


# --- values and strings as the tools read them ------------------------------------------------------------------


def _each(export: ZoneExport) -> Iterator[tuple[RRset, Rdata]]:
    for rrset in rrsets(export):
        for rdata in rrset.rdatas:
            yield rrset, rdata


def _text(rdata: Rdata) -> str:
    """Return a text as one string, or the name that a record leads to."""
    match rdata:
        case Txt():
            return rdata.text
        case Mx():
            return rdata.exchange
        case Target():
            return rdata.name
        case _:
            raise TypeError(f"no record of this kind is planned: {rdata!r}")


def _printable(rrset: RRset, rdata: Txt, forbidden: str = "") -> str:
    """Return a text of printable ASCII without the forbidden parts; Fault `conflict`, since it would change its value.

    All that we plan is such text; these tools either have no way to write anything else, or several that differ.
    """
    if re.search(r"[^ -~]", rdata.text) or (forbidden and re.search(forbidden, rdata.text)):
        raise Fault(
            Kind.CONFLICT,
            f"The value of the {rrset.rdtype} record at {rrset.owner} has characters that this format can't hold.",
            "Ask for the format bind or json, which hold every value.",
        )
    return rdata.text


def _octodns_value(rrset: RRset, rdata: Rdata) -> str:
    match rdata:
        case Mx():
            return f"{{exchange: {_string(f'{rdata.exchange}.')}, preference: {rdata.preference}}}"
        case Txt():
            return _string(_printable(rrset, rdata, r'["\\]').replace(";", "\\;"))
        case _:
            return _string(f"{_text(rdata)}.")


def _route53_value(rrset: RRset, rdata: Rdata) -> str:
    match rdata:
        case Mx():
            return f"{rdata.preference} {rdata.exchange}"
        case Txt():
            return _quoted_strings(rrset, rdata, "")[1:-1]
        case _:
            return _text(rdata)


def _quoted_strings(rrset: RRset, rdata: Txt, between: str) -> str:
    """Return a text as strings of at most 255 octets, each in quotation marks."""
    return between.join(quote(piece) for piece in split_text(_printable(rrset, rdata)))


def _string(text: str) -> str:
    """Return a string in quotation marks, in ASCII, as JSON, YAML and JavaScript read it."""
    return json.dumps(text)


def _hcl(text: str) -> str:
    """Return a quoted template of HCL without interpolation."""
    if re.search(r"\$\${|%%{", text):  # which have no escape that all versions read alike
        raise Fault(
            Kind.CONFLICT,
            f"The value {text[:80]!r} begins what Terraform interpolates, so this format can't hold it.",
            "Ask for the format bind or json, which hold every value.",
        )
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _pulumi(text: str) -> str:
    return json.dumps(text.replace("$", "$$"))


def _natural(name: str) -> list[str | int]:
    """Return a key that sorts numbers by their value, as octoDNS does."""
    return [int(part) if at % 2 else part for at, part in enumerate(re.split(r"(\d+)", name))]


class _Labels:
    """The labels given so far, each once: letters, digits, `-` and `_`, with no digit at the beginning."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()

    def add(self, kind: str, *names: str) -> str:
        """Return a label made from names, which no other thing of the kind has."""
        label = re.sub(r"[^a-z0-9_-]", "_", "_".join(names).lower())
        label = f"_{label}" if label[:1].isdigit() or label.startswith("-") else label
        number = 1
        while (kind, made := label if number == 1 else f"{label}_{number}") in self._given:
            number += 1
        self._given.add((kind, made))
        return made


def _introduction(marker: str, first: str, exports: Iterable[ZoneExport]) -> list[str]:
    """Return comments: how to use the file, and the notes of the zones; nothing in them can end a comment."""
    texts = [first, *(note for export in exports for note in export.notes)]
    return [
        marker + line
        for text in texts
        for line in textwrap.wrap(re.sub(r"[^ -~]", "?", text), COMMENT_WIDTH, break_on_hyphens=False)
    ]


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
