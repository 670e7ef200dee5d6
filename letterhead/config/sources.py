"""Knows where settings come from and how they are shown; knows no setting by name, but for those that must agree."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from letterhead.config.environment import is_loopback
from letterhead.config.table import PREFIX, TABLE, ProviderName, Setting, Settings
from letterhead.config.values import StartTls, without_password
from letterhead.errors import Fault, Kind

DEFAULT_FILE = "letterhead.toml"
ENVIRONMENT, DEFAULT = "environment", "default"
_BY_NAME = {setting.name: setting for setting in TABLE}
_NOT_SETTINGS = ("CONFIG", "URL", "API_KEY")  # the file's own path, and what the command line needs as a client
# Kubernetes tells each pod of a service named letterhead where that is, in variables that look like ours.
_OF_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """Holds one line of `letterhead config`: the value is masked where it is secret."""

    name: str
    value: str
    source: str
    what: str


class _SettingText(NamedTuple):
    text: str | None
    source: str


def read(environ: Mapping[str, str], folder: Path) -> Settings:
    """Reads every setting: environment before file before default; Fault `config-invalid` names what is wrong."""
    return _settings(_given(environ, folder))


def rows(environ: Mapping[str, str], folder: Path) -> tuple[SettingRow, ...]:
    """Tells every setting, its value, where that came from and what it does, having checked them all."""
    given = _given(environ, folder)
    _settings(given)
    return tuple(
        SettingRow(
            PREFIX + setting.name, _shown(setting, given[setting.name].text), given[setting.name].source, setting.what
        )
        for setting in TABLE
    )


def page() -> str:
    """Writes docs/configuration.md from the table."""
    return _PAGE + "".join(
        f"| `{PREFIX}{setting.name}` | {_default(setting)} | `{setting.example}` | {setting.what} |\n"
        for setting in TABLE
    )


_PAGE = f"""\
# Configuration

Every setting is an environment variable, or a key in a TOML file, in lower case and without the prefix
(`{PREFIX}DATA_DIR=/srv` or `data_dir = "/srv"`). The file is the one that `{PREFIX}CONFIG` names, or
`{DEFAULT_FILE}` in the working directory if it exists. The environment overrides the file; an empty variable
counts as not set. A name that is not in this table is refused, and so is an invalid value.

`letterhead config` prints every setting, its value (secrets masked), where the value came from and what the setting
does.

This page is generated from the table in the code:
`python -c "from letterhead.config import page; print(page(), end='')"`.

| Setting | Default | Example | What it does |
|---|---|---|---|
"""


def _given(environ: Mapping[str, str], folder: Path) -> dict[str, _SettingText]:
    """Finds each setting's text, in the table's order, which a default that holds another setting relies on."""
    variables = _variables(environ)
    path = _file(environ.get(PREFIX + "CONFIG", "").strip(), folder)
    from_file = _file_texts(path) if path else {}
    found: dict[str, _SettingText] = {}
    for setting in TABLE:
        if text := variables.get(setting.name):
            found[setting.name] = _SettingText(text, ENVIRONMENT)
        elif text := from_file.get(setting.name):
            found[setting.name] = _SettingText(text, str(path))
        else:
            texts = {name: given.text for name, given in found.items()}
            found[setting.name] = _SettingText(setting.default and setting.default.format_map(texts), DEFAULT)
    return found


def _settings(given: Mapping[str, _SettingText]) -> Settings:
    read_values: dict[str, Any] = {setting.name.lower(): _value(setting, given[setting.name]) for setting in TABLE}
    settings = Settings(**read_values)
    if (settings.mail_from_mx is None) != (settings.mail_from_spf is None):
        there, missing = ("MX", "SPF") if settings.mail_from_mx else ("SPF", "MX")
        raise _fault(_BY_NAME[f"MAIL_FROM_{missing}"], f"is not set, and goes with {PREFIX}MAIL_FROM_{there}")
    if settings.provider is ProviderName.SES and settings.mail_from_mx is not None:
        raise _fault(_BY_NAME["MAIL_FROM_MX"], f"is set, and {PREFIX}PROVIDER=ses takes no other MX than Amazon's")
    if settings.ed25519 and settings.provider is not ProviderName.DNS:
        raise _fault(_BY_NAME["ED25519"], f"is on, and {PREFIX}PROVIDER={settings.provider} signs by RSA keys alone")
    _refuse_half_mail(settings)
    _refuse_half_proof(settings)
    _refuse_half(settings, "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    _refuse_half(settings, "DKIM_ZONE", "DKIM_ZONE_SERVER", "DKIM_ZONE_TSIG")
    _refuse_half(settings, "RELAY_CERTIFICATE", "RELAY_CERTIFICATE_KEY")
    _refuse_half_relay(settings)
    return settings


def _refuse_half(settings: Settings, *parts: str) -> None:
    """Refuses settings of which there must be all or none."""
    missing = [name for name in parts if getattr(settings, name.lower()) is None]
    if missing and len(missing) < len(parts):
        there = next(name for name in parts if name not in missing)
        raise _fault(_BY_NAME[missing[0]], f"is not set, and goes with {PREFIX}{there}")


def _refuse_half_mail(settings: Settings) -> None:
    server = settings.smtp_url
    if server is not None and settings.mail_sender is None:
        raise _fault(_BY_NAME["MAIL_SENDER"], f"is not set, and goes with {PREFIX}SMTP_URL")
    in_clear = settings.smtp_starttls is StartTls.NEVER
    if server is not None and in_clear and server.password is not None and not server.implicit_tls:
        raise _fault(_BY_NAME["SMTP_STARTTLS"], f"is never, and {PREFIX}SMTP_URL has a password to be sent in clear")


def _refuse_half_relay(settings: Settings) -> None:
    chain, server = settings.relay_certificate, settings.relay_smarthost
    if settings.relay_tls_bind is not None and chain is None:
        raise _fault(_BY_NAME["RELAY_CERTIFICATE"], f"is not set, and goes with {PREFIX}RELAY_TLS_BIND")
    if chain is None and not settings.relay_auth_in_clear and not is_loopback(settings.relay_bind.host):
        problem = f"is not set, and clients beyond this machine would send API keys in clear to {settings.relay_bind}"
        raise _fault(_BY_NAME["RELAY_CERTIFICATE"], problem)
    in_clear = settings.relay_smarthost_starttls is StartTls.NEVER
    if server is not None and in_clear and server.password is not None and not server.implicit_tls:
        problem = f"is never, and {PREFIX}RELAY_SMARTHOST has a password to be sent in clear"
        raise _fault(_BY_NAME["RELAY_SMARTHOST_STARTTLS"], problem)


def _refuse_half_proof(settings: Settings) -> None:
    for name, value in (("PROOF_SMTP_URL", settings.proof_smtp_url), ("PROOF_IMAP_URL", settings.proof_imap_url)):
        if value is not None and settings.proof_mailbox is None:
            raise _fault(_BY_NAME["PROOF_MAILBOX"], f"is not set, and goes with {PREFIX}{name}")
    server = settings.proof_smtp_url
    if settings.proof_mailbox is not None and (server or settings.smtp_url) is None:
        raise _fault(_BY_NAME["PROOF_SMTP_URL"], f"is not set, nor SMTP_URL, and goes with {PREFIX}PROOF_MAILBOX")
    in_clear = settings.smtp_starttls is StartTls.NEVER
    if server is not None and in_clear and server.password is not None and not server.implicit_tls:
        url = f"{PREFIX}PROOF_SMTP_URL"
        raise _fault(_BY_NAME["SMTP_STARTTLS"], f"is never, and {url} has a password to be sent in clear")


def _value(setting: Setting, given: _SettingText) -> object:
    if given.text is None:
        return None
    try:
        value = setting.parse(given.text)
    except ValueError as error:
        text = "" if setting.secret else f" ({without_password(given.text)[:100]!r})"
        raise _fault(setting, f"from {_from(given)} {error}{text}") from None
    if setting.secret and given.text == setting.example:
        raise _fault(setting, f"from {_from(given)} is the example in the documentation, which everybody knows")
    return value


def _from(given: _SettingText) -> str:
    return {ENVIRONMENT: "the environment", DEFAULT: "its default"}.get(given.source, given.source)


def _fault(setting: Setting, problem: str) -> Fault:
    fix = f"Write for example {PREFIX}{setting.name}={setting.example!r}"
    return Fault(
        Kind.CONFIG_INVALID,
        f"{PREFIX}{setting.name} {problem}.",
        f'{fix}, or in the file {setting.name.lower()} = "{setting.example}". {setting.what}',
    )


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    ours = {name.removeprefix(PREFIX): text.strip() for name, text in environ.items() if name.startswith(PREFIX)}
    settings = {name: text for name, text in ours.items() if not _of_others(name, text)}
    for name in sorted(settings.keys() - _BY_NAME.keys()):
        near = _nearest(name)
        raise _unknown(PREFIX + name, "in the environment", near and PREFIX + near)
    return settings


def _of_others(name: str, text: str) -> bool:
    of_kubernetes = _OF_KUBERNETES.fullmatch(name) or (name == "PORT" and "://" in text)
    return name in _NOT_SETTINGS or bool(of_kubernetes)


def _file(named: str, folder: Path) -> Path | None:
    path = folder / (named or DEFAULT_FILE)
    if path.is_file():
        return path
    if named:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{PREFIX}CONFIG names {path}, which is not a file.",
            f"Write the path of a TOML file, or take the variable away to use {DEFAULT_FILE} if there is one.",
        )
    return None


def _file_texts(path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path} can't be read as TOML: {error}.",
            'Each line is a key and a value, as in bind = "127.0.0.1:8025".',
        ) from error
    for name in sorted(document.keys() - {known.lower() for known in _BY_NAME}):
        near = _nearest(name)
        raise _unknown(name, f"in {path}", near and near.lower())
    return {name.upper(): _toml_text(_BY_NAME[name.upper()], value, path) for name, value in document.items()}


def _toml_text(setting: Setting, value: object, path: Path) -> str:
    """Writes a TOML value as the environment would have it, so that there is one way to read each setting."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int():
            return str(value)
        case list() if all(isinstance(part, str | int) for part in value):
            return ",".join(str(part) for part in value)
        case _:
            raise _fault(setting, f"from {path} is neither text, number, truth value nor a list of texts")


def _nearest(name: str) -> str | None:
    return next(iter(difflib.get_close_matches(name.upper(), _BY_NAME, n=1)), None)


def _unknown(spelt: str, where: str, near: str | None) -> Fault:
    advice = f"Did you mean {near}?" if near else "Take it away."
    return Fault(
        Kind.CONFIG_INVALID,
        f"{spelt[:100]!r} {where} is no setting.",
        f"{advice} `letterhead config` lists all settings.",
    )


def _shown(setting: Setting, text: str | None) -> str:
    if not text:
        return f"not set: {setting.unset}"
    return "***" if setting.secret else without_password(text)


def _default(setting: Setting) -> str:
    return f"`{setting.default}`" if setting.default else f"not set: {setting.unset}"
