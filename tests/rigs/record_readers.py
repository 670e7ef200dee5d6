"""Read exports of records as the tools do that they are written for: with the tool's own reader where there is one."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dns.rdatatype
import dns.zone
import hcl2
import jsonschema
import yaml  # type: ignore[import-untyped]

from letterhead.core.dns.records import Mx, Target, Txt
from letterhead.core.plan.record_formats import ZoneExport, rrsets
from tests.rigs.processes import program

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "dnsendpoint.json").read_text("utf-8"))
# The functions of DNSControl that an export calls; each record is written down as it was given.
DNSCONTROL = """
const records = [];
function TTL(seconds) { return {ttl: seconds}; }
function TXT(name, text, ...more) { return {name, type: "TXT", value: text, ...Object.assign({}, ...more)}; }
function CNAME(name, target, ...more) { return {name, type: "CNAME", value: target, ...Object.assign({}, ...more)}; }
function MX(name, priority, target, ...more) {
  return {name, type: "MX", value: `${priority} ${target}`, ...Object.assign({}, ...more)};
}
function D_EXTEND(zone, ...modifiers) { for (const each of modifiers) records.push({zone, ...each}); }
require("vm").runInNewContext(require("fs").readFileSync(0, "utf-8"), {TTL, TXT, CNAME, MX, D_EXTEND});
console.log(JSON.stringify(records));
"""


class ReadRecord(NamedTuple):
    """One record as a tool reads it: the full name without a final dot, and the content as one text."""

    owner: str
    rdtype: str
    value: str


def expected(*exports: ZoneExport) -> set[ReadRecord]:
    """Return what went in."""
    found = set()
    for export in exports:
        for rrset in rrsets(export):
            for rdata in rrset.rdatas:
                match rdata:
                    case Txt():
                        value = rdata.text
                    case Mx():
                        value = f"{rdata.preference} {rdata.exchange}"
                    case Target():
                        value = rdata.name
                    case _:
                        raise TypeError(rdata)
                found.add(ReadRecord(rrset.owner, rrset.rdtype, value))
    return found


def read_bind(text: str) -> set[ReadRecord]:
    """Read zone files with dnspython, each zone from its $ORIGIN on."""
    found = set()
    for part in re.split(r"^(?=\$ORIGIN )", text, flags=re.MULTILINE)[1:]:
        zone = dns.zone.from_text(part, relativize=False, check_origin=False)
        for name, rdataset in zone.iterate_rdatasets():
            for rdata in rdataset:
                if rdata.rdtype == dns.rdatatype.TXT:
                    value = b"".join(rdata.strings).decode("latin-1")
                else:
                    value = rdata.to_text().removesuffix(".")
                owner, rdtype = name.to_text(omit_final_dot=True), dns.rdatatype.to_text(rdata.rdtype)
                found.add(ReadRecord(owner, rdtype, value))
    return found


def read_octodns(text: str, folder: Path) -> set[ReadRecord]:
    """Read each document with octoDNS's own YamlProvider, which refuses unsorted keys and bare semicolons."""
    from octodns.provider.yaml import YamlProvider
    from octodns.zone import Zone

    found = set()
    for document in re.split(r"^---$", text, flags=re.MULTILINE)[1:]:
        name = re.search(r"save as\s(?:# )?(\S+)\.yaml", document)
        assert name is not None
        (folder / f"{name[1]}.yaml").write_text(f"---{document}", "utf-8")
        zone = Zone(f"{name[1]}.", [])
        YamlProvider("test", str(folder), escaped_semicolons=True).populate(zone)
        for record in zone.records:
            values = record.data.get("values", [record.data.get("value")])
            for each in values:
                if record._type == "MX":
                    value = f"{each['preference']} {each['exchange'].removesuffix('.')}"
                elif record._type == "TXT":
                    value = str(each).replace("\\;", ";")
                else:
                    value = str(each).removesuffix(".")
                found.add(ReadRecord(record.fqdn.removesuffix("."), record._type, value))
    return found


def read_dnscontrol(text: str) -> set[ReadRecord]:
    """Run the JavaScript in node, with stand-ins for the functions of DNSControl."""
    run = subprocess.run(
        [program("node"), "-e", DNSCONTROL], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    found = set()
    for each in json.loads(run.stdout):
        owner = each["zone"] if each["name"] == "@" else f"{each['name']}.{each['zone']}"
        value = each["value"] if each["type"] == "TXT" else each["value"].removesuffix(".")
        found.add(ReadRecord(owner, each["type"], value))
    return found


def read_terraform_route53(text: str) -> set[ReadRecord]:
    """Read HCL, and the texts as the provider sends them to Route 53: with quotation marks around each."""
    parsed, found = hcl2.loads(text), set()
    zones = _labels(parsed.get("data", []), "aws_route53_zone")
    for body in _labels(parsed.get("resource", []), "aws_route53_record").values():
        zone = re.search(r"data\.aws_route53_zone\.([\w-]+)\.zone_id", body["zone_id"])
        assert zone is not None
        assert zone[1] in zones
        rdtype = _plain(body["type"])
        for value in body["records"]:
            text_ = _plain(value)
            found.add(ReadRecord(_plain(body["name"]), rdtype, _strings(f'"{text_}"') if rdtype == "TXT" else text_))
    return found


def read_terraform_cloudflare(text: str) -> set[ReadRecord]:
    """Read HCL, and the texts as Cloudflare does: strings in quotation marks with a space between them."""
    parsed, found = hcl2.loads(text), set()
    zones = _labels(parsed.get("data", []), "cloudflare_zone")
    for body in _labels(parsed.get("resource", []), "cloudflare_dns_record").values():
        zone = re.search(r"data\.cloudflare_zone\.([\w-]+)\.zone_id", body["zone_id"])
        assert zone is not None
        assert zone[1] in zones
        rdtype, content = _plain(body["type"]), _plain(body["content"])
        value = _strings(content) if rdtype == "TXT" else content
        value = f"{body['priority']} {value}" if rdtype == "MX" else value
        found.add(ReadRecord(_plain(body["name"]), rdtype, value))
    return found


def read_external_dns(text: str) -> set[ReadRecord]:
    """Read YAML, and hold each object against the schema of the custom resource."""
    found = set()
    for each in yaml.safe_load_all(text):
        if each is None:  # comments alone
            continue
        jsonschema.validate(each, SCHEMA)
        for endpoint in each["spec"]["endpoints"]:
            for target in endpoint["targets"]:
                found.add(ReadRecord(endpoint["dnsName"], endpoint["recordType"], target))
    return found


def read_pulumi(text: str) -> set[ReadRecord]:
    """Read YAML, and each string as Pulumi does: `$$` is a dollar sign, and `${name.zoneId}` a zone's id."""
    program_ = yaml.safe_load(text)
    assert program_["runtime"] == "yaml"
    found = set()
    for resource in program_["resources"].values():
        assert resource["type"] == "aws:route53:Record"
        given = resource["properties"]
        assert set(given) == {"zoneId", "name", "type", "ttl", "records"}
        assert isinstance(given["ttl"], int)
        zone = re.fullmatch(r"\$\{(\w[\w-]*)\.zoneId\}", given["zoneId"])
        assert zone is not None
        called = program_["variables"][zone[1]]["fn::invoke"]
        assert called["function"] == "aws:route53:getZone"
        assert _dollars(given["name"]).endswith(_dollars(called["arguments"]["name"]))
        for value in map(_dollars, given["records"]):
            text_ = _strings(f'"{value}"') if given["type"] == "TXT" else value
            found.add(ReadRecord(_dollars(given["name"]), given["type"], text_))
    return found


def read_json(text: str) -> set[ReadRecord]:
    """Read the JSON of our own."""
    return {
        ReadRecord(each["host"], each["recordType"], " ".join([*_priority(each), each["recordValue"]]))
        for zone in json.loads(text)["zones"]
        for each in zone["records"]
    }


READERS: dict[str, Callable[[str], set[ReadRecord]]] = {
    "bind": read_bind,
    "dnscontrol": read_dnscontrol,
    "terraform-route53": read_terraform_route53,
    "terraform-cloudflare": read_terraform_cloudflare,
    "external-dns": read_external_dns,
    "pulumi-yaml": read_pulumi,
    "json": read_json,
}


def _priority(each: dict[str, Any]) -> list[str]:
    return [str(each["priority"])] if "priority" in each else []


def _labels(blocks: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the bodies of one kind of block by their labels, each of which stands once."""
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for given, named in block.items():
            assert _plain(given) == kind
            for label, body in named.items():
                assert _plain(label) not in found
                found[_plain(label)] = body
    return found


def _plain(text: str) -> str:
    """Return the value of a quoted template without interpolation, as HCL's specification defines its escapes."""
    inner = text[1:-1] if text.startswith('"') and text.endswith('"') and len(text) > 1 else text
    assert not re.search(r"(?<![$])\$\{|(?<!%)%\{", inner), "it interpolates nothing"
    return str(json.loads(f'"{inner}"')).replace("$${", "${").replace("%%{", "%{")


def _dollars(text: str) -> str:
    assert not re.search(r"\$", text.replace("$$", "")), "it interpolates nothing"
    return text.replace("$$", "$")


def _strings(text: str) -> str:
    """Join strings in quotation marks, as a zone file has them, each of at most 255 octets."""
    strings = list(_each_string(text))
    assert all(len(each) <= 255 for each in strings)
    return "".join(strings)


def _each_string(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = re.compile(r'\s*"((?:[^"\\]|\\.)*)"').match(text, at)
        assert found is not None, text[at:]
        yield re.sub(r"\\(.)", r"\1", found[1])
        at = found.end()
