"""The fields of a DNS host's credential, as a command gets them: from a file, from variables, or asked for."""

import getpass
import json
import os
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from letterhead.cli.client import Api, decode_json, path_of, refuse_clear_text
from letterhead.cli.tables import visible
from letterhead.errors import Fault, Kind

VARIABLE = "DNS_HOST_"  # and the name of a field: no setting of the server's, which refuses what it does not know
LARGEST = 64 * 1024  # octets of a credential's file

CredentialFile = Annotated[
    Path | None,
    Parameter(
        help="A file with the credential: JSON, or a line NAME=VALUE for each field; - reads standard input. Without "
        "it the fields come from variables such as DNS_HOST_TOKEN, or are asked for at a terminal."
    ),
]

KeptCredential = Annotated[
    str,
    Parameter(help="The id of a credential that the account keeps for the zone: letterhead dns credentials list."),
]


def read_access(api: Api, host: str, file: Path | None, kept: str) -> dict[str, Any]:
    """Return how the zone is reached, as the API takes it; Fault `config-invalid`."""
    if kept:
        return {"host": host, "credentialId": kept}
    return {"host": host, "credential": read_credential(api, host, file)}


def read_credential(api: Api, host: str, file: Path | None) -> dict[str, str]:
    """Return the fields of a credential: from a file, from variables, or asked for; never an argument that `ps` shows.

    Fault `config-invalid` for an unknown host, a file that can't be read, a field that nobody gives, or a server to
    which all that would go in clear.
    """
    refuse_clear_text("The credential", "nothing was sent")
    listed: list[dict[str, Any]] = decode_json(api.call("GET", path_of("dns-hosts")))["dnsHosts"]
    known = next((each for each in listed if each["id"] == host), None)
    if known is None:
        names = ", ".join(each["id"] for each in listed) or "none: the server can't write at DNS hosts"
        raise Fault(Kind.CONFIG_INVALID, f"{visible(host)} is no DNS host that is known here.", f"Known are: {names}.")
    if file is not None:
        needed = [each["name"] for each in known["fields"] if not each["optional"]]
        fields = parse_credential(read_file(file), str(file), needed[0] if len(needed) == 1 else None)
        require_fields(fields, known, str(file))
        return fields
    fields = {}
    for each in known["fields"]:
        variable = VARIABLE + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", each["name"]).upper()
        value = os.environ.get(variable, "").strip()
        if not value and not each["optional"]:
            value = _ask(each, variable)
        if value:
            fields[each["name"]] = value
    return fields


def parse_credential(text: str, name: str, only: str | None = None) -> dict[str, str]:
    """Parse a credential's file: a JSON object of texts, or lines of the form NAME=VALUE. Fault `config-invalid`.

    Where a host needs `only` one field, a file that does not name it is that field, such as a token.
    """
    if only is not None and not re.search(rf'^\s*(?:\{{\s*)?"?{re.escape(only)}"?\s*[=:]', text, re.MULTILINE):
        return {only: text.strip()}
    if text.lstrip().startswith("{"):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict) and all(isinstance(value, str) for value in parsed.values()):
            return parsed
        fix = 'Write it like {"token": "…"}, or a line token=… for each field.'
        raise Fault(Kind.CONFIG_INVALID, f"{name} is no JSON object whose values are texts.", fix)
    fields = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        field, equals, value = line.partition("=")
        if not equals:
            fix = "Write a line token=… for each field that `letterhead dns hosts` lists."
            raise Fault(Kind.CONFIG_INVALID, f"Line {number} of {name} has no =.", fix)
        fields[field.strip()] = value.strip().strip("\"'")
    return fields


def require_fields(fields: Collection[str], host: Mapping[str, Any], name: str) -> None:
    """Refuse a file that lacks a field of a host, or has others; Fault `config-invalid`.

    It names the fields as the file has them, which a message of the API in the words of the command does not. What the
    host does not know is not shown: it may be the secret itself.
    """
    names = [each["name"] for each in host["fields"]]
    missing = [each["name"] for each in host["fields"] if not each["optional"] and each["name"] not in fields]
    if missing or not set(fields) <= set(names):
        wrong = f"lacks {' and '.join(missing)}" if missing else "has a field that is none of its fields"
        detail = f"The credential of {visible(host['name'])} in {name} {wrong}."
        raise Fault(
            Kind.CONFIG_INVALID, detail, f"Its fields are: {', '.join(names)}. Write a line NAME=VALUE for each."
        )


def read_file(file: Path) -> str:
    """Read a credential's file, of at most 64 KB; Fault `config-invalid`, which shows no octet of it."""
    try:
        octets = sys.stdin.buffer.read(LARGEST + 1) if str(file) == "-" else file.read_bytes()
        text = octets.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "Name a text file that you may read; keep it to yourself (chmod 600)."
        raise Fault(Kind.CONFIG_INVALID, f"The credential {file} can't be read: {type(error).__name__}.", fix) from None
    if len(octets) > LARGEST:
        raise Fault(Kind.CONFIG_INVALID, f"The credential {file} is larger than 64 KB.", "Name another file.")
    return text


def _ask(field: Mapping[str, Any], variable: str) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fix = f"Set {variable}, or name a file with --credential."
        raise Fault(Kind.CONFIG_INVALID, f"The credential's field {field['name']} was not given.", fix)
    prompt = f"{visible(field['title'])}: "
    if field["secret"]:
        return getpass.getpass(prompt, stream=sys.stderr).strip()
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
