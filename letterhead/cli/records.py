"""The command that writes the records to publish as files for DNS tools."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import console, visible
from letterhead.errors import Fault, Kind

Format = Literal[
    "bind", "octodns", "dnscontrol", "terraform-route53", "terraform-cloudflare", "external-dns", "pulumi-yaml", "json"
]
# The file that a tool reads; {zone} where it reads one for each zone.
_FILES = {
    "bind": "{zone}.zone",
    "octodns": "{zone}.yaml",
    "dnscontrol": "letterhead.js",
    "terraform-route53": "letterhead.tf",
    "terraform-cloudflare": "letterhead.tf",
    "external-dns": "letterhead.yaml",
    "pulumi-yaml": "Pulumi.yaml",
    "json": "letterhead.json",
}
INTRODUCTION = b"Records for Letterhead"  # stands in the first line of each file
_ZONE = re.compile(r"(?!.{254})[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_][a-z0-9_-]*)*")  # a server's text that becomes a path


def records(
    sender: str | None = None,
    /,
    *,
    all_domains: Annotated[bool, Parameter(name="--all", negative="")] = False,
    record_format: Annotated[Format, Parameter(name=["--format", "-f"])] = "bind",
    zone: str | None = None,
    directory: Path | None = None,
) -> Exit:
    """Write the records to publish in the form that a DNS tool reads, of one domain or of all.

    A record that works and is the owner's own, such as a DMARC policy, is left out, and a comment says so.

    Parameters
    ----------
    sender
        The domain; leave it away with --all.
    all_domains
        All domains of the account, by zone.
    record_format
        The tool: bind, octodns, dnscontrol, terraform-route53, terraform-cloudflare, external-dns, pulumi-yaml or json.
    zone
        With --all: only the records of this zone.
    directory
        Write files into this folder instead: for bind and octodns one for each zone, named after it.
    """
    if (sender is None) is not all_domains or (zone is not None and not all_domains):
        detail = "Name one domain, or all with --all; --zone goes with --all."
        raise Fault(
            Kind.CONFIG_INVALID, detail, "letterhead domains records acme.dev, or letterhead domains records --all"
        )
    path = path_of("domains", "records") if sender is None else path_of("domains", sender, "records")
    with Api(account_key()) as api:

        def fetch(form: str, only: str | None) -> bytes:
            return api.call("GET", path, query={"format": form, "zone": only})

        if directory is None:
            print(fetch(record_format, zone).decode(), end="" if record_format != "json" else "\n")
            return Exit.OK
        if "{zone}" in _FILES[record_format]:
            zones = [each["zone"] for each in decode_json(fetch("json", zone))["zones"]]
            texts = {each: fetch(record_format, each if sender is None else None) for each in map(_checked, zones)}
        else:
            texts = {"": fetch(record_format, zone)}
    texts = {_FILES[record_format].format(zone=name): text for name, text in texts.items()}
    _write_files(directory, texts, _FILES[record_format].format(zone="*") if all_domains and zone is None else None)
    return Exit.OK


def _write_files(directory: Path, texts: Mapping[str, bytes], pattern: str | None) -> None:
    """Write the files that changed, and name those of the pattern that are left of zones without domains."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        file = directory / name
        changed = not file.exists() or file.read_bytes() != text
        if changed:
            file.write_bytes(text)
        console().print(f"{'Wrote' if changed else 'Unchanged:'} {file}")
    for left in sorted(set(directory.glob(pattern)) - {directory / each for each in texts} if pattern else ()):
        if INTRODUCTION in left.read_bytes()[:200]:  # one that we wrote
            says = f"{left} is left of a zone in which the account has no domain any more, and its records are still"
            console(stderr=True).print(visible(f"{says} published from it. Delete the file if they are to go."))


def _checked(zone: str) -> str:
    """Return a zone's name, which becomes that of a file; Fault `config-invalid` where it is no name."""
    if not _ZONE.fullmatch(zone):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The server names a zone {zone[:80]!r}, which is no name of a zone.",
            "Check LETTERHEAD_URL.",
        )
    return zone
