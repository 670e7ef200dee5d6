"""The keys and tables of each signing program, as text.

Each program's table names the key by its path, and one file alone names the key that signs: replacing it switches keys.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

KEYS: Final = "keys"
SECOND_TABLE: Final = "KeyTableEd25519"
NO_SELECTOR, NO_KEY = "none", "/dev/null"
LINKS: Final = "dkim"  # the folder that Haraka reads below its config/


# The programs that sign a message twice where a domain has an Ed25519 key too, and the form in which they read one.
TWICE: Final[Mapping[str, str]] = {"rspamd": "key", "postfix-milter": "key", "exim": "pem", "stalwart": "pem"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondKey:
    """An Ed25519 key for a second signature; `forms` are `key` (base64 of its seed) and `pem` (PKCS #8)."""

    selector: str
    forms: Mapping[str, str]
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningDomain:
    """A domain that signs; `pem` is its RSA private key (PKCS #1).

    With `covers` it signs for the names below it too, except those at and below `taken_out`, and those below another
    of the domains, which decides on them.
    """

    sender: str
    selector: str
    pem: str
    second: SecondKey | None = None
    covers: bool = False
    taken_out: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The key's file below the folder; the selector is part of it, so that two keys never share a file."""
        return f"{KEYS}/{self.sender}/{self.selector}.pem"


Files = dict[str, str]  # path below the folder → text
Tables = Callable[[PurePosixPath, Sequence[SigningDomain]], Files]

MADE: Final = "Made by `letterhead export`; what is changed here is lost."


def opendkim_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return opendkim.conf(5)'s KeyTable and SigningTable (`refile:`); the name of a key is its domain.

    The first line that matches counts. No line can say that a name is not signed: a domain that does not sign for all
    names below it signs for none of them.
    """
    keys = [f"{each.sender} {each.sender}:{each.selector}:{folder / each.path}" for each in signers]
    signing = [f"*@{each.sender} {each.sender}" for each in signers]
    wild = [each.sender for each in signers if each.covers and not left_out_below(each, signers)]
    signing += [f"*@*.{sender} {sender}" for sender in sorted(wild, key=lambda each: (-each.count("."), each))]
    return {"KeyTable": _lines("#", keys), "SigningTable": _lines("#", signing)}


def dkimpy_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return dkimpy-milter's tables: OpenDKIM's, and KeyTableEd25519 in the same form.

    The milter looks each domain up in both tables, and fails where one lacks it: a domain without a second key has an
    empty one there, with which the milter adds no second signature. (Its 1.2.3 reads keys only from paths.)
    """
    keys = [
        f"{each.sender} {each.sender}:{each.second.selector}:{folder / each.second.path}"
        if each.second is not None
        else f"{each.sender} {each.sender}:{NO_SELECTOR}:{NO_KEY}"
        for each in signers
    ]
    # The milter takes a `*` in its table for a name before the @ alone.
    exact = [replace(each, covers=False) for each in signers]
    return opendkim_files(folder, exact) | {SECOND_TABLE: _lines("#", keys)}


def left_out_below(signer: SigningDomain, signers: Sequence[SigningDomain]) -> tuple[str, ...]:
    """Return the names below a domain that it does not sign for, nor for those below: taken out, or without a cover."""
    below = (each.sender for each in signers if not each.covers and each.sender.endswith(f".{signer.sender}"))
    return (*signer.taken_out, *below)


def rspamd_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return the `domain` block of rspamd's local.d/dkim_signing.conf, to be included there."""
    blocks = [
        f"  {_quoted(each.sender)} {{\n    selectors [\n"
        + ",\n".join(
            f"      {{ selector = {_quoted(selector)}; path = {_quoted(str(folder / path))}; }}"
            for selector, path in _keys_of(each)
        )
        + "\n    ]\n  }\n"
        for each in signers
    ]
    chosen = _rspamd_choice(signers) if any(each.covers for each in signers) else ""
    return {"dkim_signing.conf": f"# {MADE}\n{chosen}domain {{\n{''.join(blocks)}}}\n"}


RSPAMD_CHOICE: Final = """\
use_esld = false;
use_domain_custom = <<EOD
local util = require "rspamd_util"
local own, covers, taken = {{{own}}}, {{{covers}}}, {{{taken}}}
return function(task)
  local from = task:get_from("mime")
  local name = from and from[1] and string.lower(from[1].domain or "")
  if not name or name == "" then return nil end
  if own[name] then return name end
  local above, closed = name, taken[name]
  while true do
    above = string.match(above, "^[^.]+%.(.+)$")
    if not above then break end
    if covers[above] then return not closed and above or nil end
    closed = closed or own[above] or taken[above]
  end
  if taken[name] then return nil end
  return util.get_tld(name)
end
EOD
"""


def _rspamd_choice(signers: Sequence[SigningDomain]) -> str:
    """Return the options by which rspamd finds the domain that signs, from the From domain upward.

    Where none covers the name, the organisational domain signs, as rspamd does it without these options.
    """

    def lua_set(names: Iterable[str]) -> str:
        return ", ".join(f"[{_quoted(name)}] = true" for name in sorted(set(names)))

    return RSPAMD_CHOICE.format(
        own=lua_set(each.sender for each in signers),
        covers=lua_set(each.sender for each in signers if each.covers),
        taken=lua_set(name for each in signers for name in each.taken_out),
    )


def exim_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return a file for `lsearch`, and the options of an smtp transport that look into it.

    The domain is taken from the file and not from the message: Exim opens no file by a tainted name.
    """
    table = [
        f"{each.sender}: domain={each.sender} selector={':'.join(selector for selector, _ in _keys_of(each))} "
        + " ".join(f"key-{selector}={folder / path}" for selector, path in _keys_of(each))
        for each in signers
    ]
    # `partial2-lsearch` looks for `*.acme.dev` where there is no line for the name; a line without data signs nothing.
    covering = [each for each in signers if each.covers]
    table += [
        f"*.{each.sender}: domain={each.sender} selector={':'.join(selector for selector, _ in _keys_of(each))} "
        for each in covering
    ]
    left_out = {name for each in covering for name in left_out_below(each, signers)}
    table += [f"*.{name}:" for name in sorted(left_out)]
    domains, kind = folder / "domains", "partial2-lsearch" if covering else "lsearch"
    found = f"${{lookup{{${{lc:${{domain:$h_from:}}}}}}{kind}{{{domains}}}}}"
    of_domain = f"${{lookup{{$dkim_domain}}lsearch{{{domains}}}}}"
    options = [
        f"dkim_domain = ${{extract{{domain}}{{{found}}}}}",
        f"dkim_selector = ${{extract{{selector}}{{{of_domain}}}}}",
        f"dkim_private_key = ${{extract{{key-$dkim_selector}}{{{of_domain}}}{{$value}}{{false}}}}",
        "dkim_canon = relaxed",
        "dkim_strict = false",
    ]
    return {"domains": _lines("#", table), "transport.conf": _lines("#", options)}


def kumomta_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return the TOML that KumoMTA's policy-extras.dkim_sign reads."""
    blocks = [
        f"[domain.{_quoted(each.sender)}]\nselector = {_quoted(each.selector)}\n"
        f'filename = {_quoted(str(folder / each.path))}\nalgo = "sha256"\n'
        for each in signers
    ]
    headers = '["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]'
    base = f'[base]\nheaders = {headers}\nheader_canonicalization = "Relaxed"\nbody_canonicalization = "Relaxed"\n'
    return {"dkim_data.toml": "\n".join([f"# {MADE}\n{base}", *blocks])}


def haraka_files(_: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return Haraka's config/dkim/DOMAIN/{private,selector}, each pair in a folder of its own behind a link."""
    made: Files = {}
    for each in signers:
        home = f"{KEYS}/{each.sender}/{each.selector}"
        made |= {f"{home}/private": each.pem, f"{home}/selector": f"{each.selector}\n"}
    return made


def stalwart_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return Stalwart's `signature` blocks, named `rsa-DOMAIN` and `ed25519-DOMAIN` as its `auth.dkim.sign` expects."""
    blocks = [
        f"[signature.{_quoted(f'{kind}-{each.sender}')}]\nprivate-key = {_quoted(f'%{{file:{folder / path}}}%')}\n"
        f"domain = {_quoted(each.sender)}\nselector = {_quoted(selector)}\n"
        'headers = ["From", "To", "Date", "Subject", "Message-ID"]\n'
        f'algorithm = "{kind}-sha256"\ncanonicalization = "relaxed/relaxed"\nreport = false\n'
        for each in signers
        for kind, (selector, path) in zip(("rsa", "ed25519"), _keys_of(each), strict=False)
    ]
    return {"signatures.toml": "\n".join([f"# {MADE}\n", *blocks])}


def powermta_files(folder: PurePosixPath, signers: Sequence[SigningDomain]) -> Files:
    """Return PowerMTA's `domain-key SELECTOR,DOMAIN,FILE` directives."""
    keys = [f"domain-key {each.selector},{each.sender},{folder / each.path}" for each in signers]
    return {"domain-keys.conf": _lines("#", keys)}


def _keys_of(signer: SigningDomain) -> list[tuple[str, str]]:
    """Return selector and path of each key, the RSA key first."""
    second = signer.second
    return [(signer.selector, signer.path), *([(second.selector, second.path)] if second else [])]


def _lines(comment: str, lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in [f"{comment} {MADE}", *lines])


def _quoted(text: str) -> str:
    """Quote a text as JSON, TOML and UCL all do; names and paths are ASCII."""
    return json.dumps(text)


PROGRAMS: Final[Mapping[str, Tables]] = {
    "opendkim": opendkim_files,
    "rspamd": rspamd_files,
    "postfix-milter": dkimpy_files,
    "exim": exim_files,
    "kumomta": kumomta_files,
    "haraka": haraka_files,
    "stalwart": stalwart_files,
    "powermta": powermta_files,
}


def links_for(name: str, signers: Sequence[SigningDomain]) -> Mapping[str, str]:
    """Return the links that Haraka opens as the domains' folders: replacing one changes selector and key at once."""
    if name != "haraka":
        return {}
    return {f"{LINKS}/{each.sender}": f"../{KEYS}/{each.sender}/{each.selector}" for each in signers}


def files_for(name: str, folder: PurePosixPath, signers: Sequence[SigningDomain]) -> tuple[Files, Files]:
    """Return the keys' files and the tables of a program: the keys are to be written before a table names them."""
    form, usable = TWICE.get(name), []
    for each in signers:
        second = each.second if form is not None else None
        if second is not None:
            second = replace(second, path=f"{KEYS}/{each.sender}/{second.selector}.{form}")
        usable.append(replace(each, second=second))
    made = PROGRAMS[name](folder, usable)
    keys = {path: text for path, text in made.items() if path.startswith(f"{KEYS}/")}
    if not keys:
        keys = {each.path: each.pem for each in usable}
        keys |= {each.second.path: each.second.forms[TWICE[name]] for each in usable if each.second}
    return keys, {path: text for path, text in made.items() if path not in keys}
