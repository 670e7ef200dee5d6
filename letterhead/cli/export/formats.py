"""Knows what each signing program wants of keys and tables, as text; knows neither the API nor how files are written.

Each program's table names the key by its path, and one file alone says which key signs: replacing it is the switch.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

KEYS: Final = "keys"
LINKS: Final = "dkim"  # the folder that Haraka reads below its config/


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Holds one domain that signs: `pem` is its private key (PKCS #1)."""

    sender: str
    selector: str
    pem: str

    @property
    def path(self) -> str:
        """Names the key's file below the folder; its selector is part of it, so that two keys never share one."""
        return f"{KEYS}/{self.sender}/{self.selector}.pem"


Files = dict[str, str]  # path below the folder → text
Tables = Callable[[PurePosixPath, Sequence[Signer]], Files]

MADE: Final = "Made by `letterhead export`; what is changed here is lost."


def _opendkim(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes opendkim.conf(5)'s KeyTable and SigningTable (`refile:`); the name of a key is its domain."""
    keys = [f"{each.sender} {each.sender}:{each.selector}:{folder / each.path}" for each in signers]
    signing = [f"*@{each.sender} {each.sender}" for each in signers]
    return {"KeyTable": _lines("#", keys), "SigningTable": _lines("#", signing)}


def _rspamd(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes the `domain` block of rspamd's local.d/dkim_signing.conf, to be included there."""
    blocks = [
        f"  {_quoted(each.sender)} {{\n    selector = {_quoted(each.selector)};\n"
        f"    path = {_quoted(str(folder / each.path))};\n  }}\n"
        for each in signers
    ]
    return {"dkim_signing.conf": f"# {MADE}\ndomain {{\n{''.join(blocks)}}}\n"}


def _exim(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes a file for `lsearch`, and the options of an smtp transport that look into it.

    The domain is taken from the file and not from the message: Exim opens no file by a tainted name.
    """
    table = [
        f"{each.sender}: domain={each.sender} selector={each.selector} key={folder / each.path}" for each in signers
    ]
    domains = folder / "domains"
    found = f"${{lookup{{${{lc:${{domain:$h_from:}}}}}}lsearch{{{domains}}}}}"
    of_domain = f"${{lookup{{$dkim_domain}}lsearch{{{domains}}}}}"
    options = [
        f"dkim_domain = ${{extract{{domain}}{{{found}}}}}",
        f"dkim_selector = ${{extract{{selector}}{{{of_domain}}}}}",
        f"dkim_private_key = ${{extract{{key}}{{{of_domain}}}{{$value}}{{false}}}}",
        "dkim_canon = relaxed",
        "dkim_strict = false",
    ]
    return {"domains": _lines("#", table), "transport.conf": _lines("#", options)}


def _kumomta(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes the TOML that KumoMTA's policy-extras.dkim_sign reads."""
    blocks = [
        f"[domain.{_quoted(each.sender)}]\nselector = {_quoted(each.selector)}\n"
        f'filename = {_quoted(str(folder / each.path))}\nalgo = "sha256"\n'
        for each in signers
    ]
    headers = '["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]'
    base = f'[base]\nheaders = {headers}\nheader_canonicalization = "Relaxed"\nbody_canonicalization = "Relaxed"\n'
    return {"dkim_data.toml": "\n".join([f"# {MADE}\n{base}", *blocks])}


def _haraka(_: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes Haraka's config/dkim/DOMAIN/{private,selector}, each pair in a folder of its own behind a link."""
    made: Files = {}
    for each in signers:
        home = f"{KEYS}/{each.sender}/{each.selector}"
        made |= {f"{home}/private": each.pem, f"{home}/selector": f"{each.selector}\n"}
    return made


def _stalwart(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes Stalwart's `signature` blocks, named `rsa-DOMAIN` as its own default for `auth.dkim.sign` expects."""
    blocks = [
        f"[signature.{_quoted(f'rsa-{each.sender}')}]\nprivate-key = {_quoted(f'%{{file:{folder / each.path}}}%')}\n"
        f"domain = {_quoted(each.sender)}\nselector = {_quoted(each.selector)}\n"
        'headers = ["From", "To", "Date", "Subject", "Message-ID"]\n'
        'algorithm = "rsa-sha256"\ncanonicalization = "relaxed/relaxed"\nreport = false\n'
        for each in signers
    ]
    return {"signatures.toml": "\n".join([f"# {MADE}\n", *blocks])}


def _powermta(folder: PurePosixPath, signers: Sequence[Signer]) -> Files:
    """Writes PowerMTA's `domain-key SELECTOR,DOMAIN,FILE` directives."""
    keys = [f"domain-key {each.selector},{each.sender},{folder / each.path}" for each in signers]
    return {"domain-keys.conf": _lines("#", keys)}


def _lines(comment: str, lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in [f"{comment} {MADE}", *lines])


def _quoted(text: str) -> str:
    """Quotes a text as JSON, TOML and UCL all do; names and paths are plain ASCII by now."""
    return json.dumps(text)


PROGRAMS: Final[Mapping[str, Tables]] = {
    "opendkim": _opendkim,
    "rspamd": _rspamd,
    "postfix-milter": _opendkim,  # dkimpy-milter, which reads OpenDKIM's tables
    "exim": _exim,
    "kumomta": _kumomta,
    "haraka": _haraka,
    "stalwart": _stalwart,
    "powermta": _powermta,
}


def links_for(name: str, signers: Sequence[Signer]) -> Mapping[str, str]:
    """Names the links that Haraka opens as the domains' folders: replacing one changes selector and key in one step."""
    if name != "haraka":
        return {}
    return {f"{LINKS}/{each.sender}": f"../{KEYS}/{each.sender}/{each.selector}" for each in signers}


def files_for(name: str, folder: PurePosixPath, signers: Sequence[Signer]) -> tuple[Files, Files]:
    """Gives the keys' files and the tables of a program: the keys are there before a table names them."""
    made = PROGRAMS[name](folder, signers)
    keys = {path: text for path, text in made.items() if path.startswith(f"{KEYS}/")}
    if not keys:
        keys = {each.path: each.pem for each in signers}
    return keys, {path: text for path, text in made.items() if path not in keys}
