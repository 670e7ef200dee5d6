"""Settings from the environment and a TOML file, checked against each other; how they are shown."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from letterhead.config.environment import is_loopback
from letterhead.config.mail_servers import SmtpServer
from letterhead.config.table import PREFIX, TABLE, ProviderName, Setting, Settings
from letterhead.config.values import HostPort, SocketPath, SqliteFile, StartTls, read_path, without_password
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

DEFAULT_FILE = "letterhead.toml"
SYSTEM_FILE = Path("/etc/letterhead/letterhead.toml")
ENVIRONMENT, DEFAULT = "environment", "default"
OF_FILE = "_FILE"  # ends the name of a variable that names a file with the value
_BY_NAME = {setting.name: setting for setting in TABLE}
_NOT_SETTINGS = ("CONFIG", "URL", "API_KEY")  # the file's own path, and what the command line needs as a client
# Kubernetes sets variables with our prefix in each pod, where a service is named letterhead.
_OF_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of `letterhead config`; a secret value is masked."""

    name: str
    value: str
    source: str
    what: str


class _SettingText(NamedTuple):
    text: str | None
    source: str


def read(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> Settings:
    """Return every setting: environment before file before default; Fault `config-invalid` names what is wrong.

    `system` is the file to read where no variable names one and the folder has none.
    """
    return _parse_settings(_find_texts(environ, folder, system))


def dns_resolvers(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> tuple[HostPort, ...]:
    """Return the resolvers that are set, none where none are; for what needs no other setting. Raise as `read` does."""
    setting = _BY_NAME["DNS_RESOLVERS"]
    return _parse_setting(setting, _find_texts(environ, folder, system)[setting.name]) or ()


def operator_token(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> Secret | None:
    """Return the operator's token, for what needs no other setting. Raise as `read` does."""
    setting = _BY_NAME["OPERATOR_TOKEN"]
    token: Secret | None = _parse_setting(setting, _find_texts(environ, folder, system)[setting.name])
    return token


def bind(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> HostPort | SocketPath:
    """Return where the server listens, for what needs no other setting. Raise as `read` does."""
    setting = _BY_NAME["BIND"]
    listener: HostPort | SocketPath = _parse_setting(setting, _find_texts(environ, folder, system)[setting.name])
    return listener


def is_database_chosen(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> bool:
    """Tell whether somebody has said where the database is, by its URL or by its folder; raise as `read` does."""
    given = _find_texts(environ, folder, system)
    return any(given[name].source != DEFAULT for name in ("DATA_DIR", "DATABASE_URL"))


def rows(environ: Mapping[str, str], folder: Path, system: Path | None = None) -> tuple[SettingRow, ...]:
    """Return every setting with its value, its source and its meaning; raise as `read` does."""
    given = _find_texts(environ, folder, system)
    _parse_settings(given)
    found = []
    for setting in TABLE:
        text, source = given[setting.name]
        shown = f"not set: {setting.unset}" if not text else "***" if setting.secret else without_password(text)
        found.append(SettingRow(PREFIX + setting.name, shown, source, setting.what))
    return tuple(found)


def page() -> str:
    """Return docs/configuration.md, made from the table."""
    lines = []
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else f"not set: {setting.unset}"
        lines.append(f"| `{PREFIX}{setting.name}` | {default} | `{setting.example}` | {setting.what} |\n")
    return _PAGE + "".join(lines)


_PAGE = f"""\
# Configuration

Every setting is an environment variable, or a key in a TOML file, in lower case and without the prefix
(`{PREFIX}DATA_DIR=/srv` or `data_dir = "/srv"`). The file is the one that `{PREFIX}CONFIG` names, else
`{DEFAULT_FILE}` in the working directory, else `{SYSTEM_FILE}`. The last is that of a service of
this machine: `letterhead run` reads it only if it is named. The environment overrides the file; an empty variable
counts as not set. A name that is not in this table is refused, and so is an invalid value.

A value may lie in a file of its own, as secrets of containers do: `{PREFIX}KEYS_FILE=/run/secrets/keys` is read as
`{PREFIX}KEYS` would be, and so for every setting whose value is not itself a path. Only one of the two may be set.

`letterhead config` prints every setting, its value (secrets masked), where the value came from and what the setting
does.

This page is generated from the table in the code:
`python -c "from letterhead.config import page; print(page(), end='')"`.

| Setting | Default | Example | What it does |
|---|---|---|---|
"""


def _find_texts(environ: Mapping[str, str], folder: Path, system: Path | None) -> dict[str, _SettingText]:
    """Return each setting's text, in the table's order, which a default that holds another setting relies on."""
    ours = {name.removeprefix(PREFIX): text.strip() for name, text in environ.items() if name.startswith(PREFIX)}
    variables = {
        name: text
        for name, text in ours.items()
        if name not in _NOT_SETTINGS
        and not _OF_KUBERNETES.fullmatch(name)
        and not (name == "PORT" and "://" in text)  # Kubernetes' too
    }
    for name in sorted(variables.keys() - _BY_NAME.keys() - {f"{known}{OF_FILE}" for known in _BY_NAME}):
        near = _nearest(name)
        raise _unknown(PREFIX + name, "in the environment", near and PREFIX + near)
    named = ours.get("CONFIG", "")
    path = folder / (named or DEFAULT_FILE)
    if named and not _is_file(path):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{PREFIX}CONFIG names {path}, which is not a file.",
            f"Write the path of a TOML file, or take the variable away to use {DEFAULT_FILE} if there is one.",
        )
    if not _is_file(path) and system is not None:
        path = system
    from_file = _read_file(path) if _is_file(path) else {}
    found: dict[str, _SettingText] = {}
    for setting in TABLE:
        if text := variables.get(setting.name):
            found[setting.name] = _SettingText(text, ENVIRONMENT)
            if variables.get(setting.name + OF_FILE):
                raise _fault(setting, f"is set, and {PREFIX}{setting.name}{OF_FILE} names a file with its value")
        elif file := variables.get(setting.name + OF_FILE):
            if setting.parse is read_path:  # the file's content, perhaps a private key, would be taken for a path
                variable = PREFIX + setting.name
                raise Fault(
                    Kind.CONFIG_INVALID,
                    f"{variable}{OF_FILE} is set, and {variable} is itself the path of a file or folder.",
                    f"Name the file in {variable} itself, and take {variable}{OF_FILE} away.",
                )
            found[setting.name] = _SettingText(read_value(setting.name, folder / file), file)
        elif text := from_file.get(setting.name):
            found[setting.name] = _SettingText(text, str(path))
        else:
            texts = {name: given.text for name, given in found.items()}
            found[setting.name] = _SettingText(setting.default and setting.default.format_map(texts), DEFAULT)
    return found


def _parse_settings(given: Mapping[str, _SettingText]) -> Settings:
    """Parse every setting, and refuse those that contradict each other."""
    values: dict[str, Any] = {}
    for setting in TABLE:
        is_default = given[setting.name].source == DEFAULT
        if setting.name == "PUBLIC_URL" and is_default and isinstance(values["bind"], SocketPath):
            raise _fault(setting, f"is not set, and none follows from {PREFIX}BIND, which is a Unix socket")
        values[setting.name.lower()] = _parse_setting(setting, given[setting.name])
    settings = Settings(**values)
    if (settings.mail_from_mx is None) != (settings.mail_from_spf is None):
        there, missing = ("MX", "SPF") if settings.mail_from_mx else ("SPF", "MX")
        raise _fault(_BY_NAME[f"MAIL_FROM_{missing}"], f"is not set, and goes with {PREFIX}MAIL_FROM_{there}")
    if settings.provider is ProviderName.SES and settings.mail_from_mx is not None:
        raise _fault(_BY_NAME["MAIL_FROM_MX"], f"is set, and {PREFIX}PROVIDER=ses takes no other MX than Amazon's")
    if settings.ed25519 and settings.provider is not ProviderName.DNS:
        raise _fault(_BY_NAME["ED25519"], f"is on, and {PREFIX}PROVIDER={settings.provider} signs by RSA keys alone")
    if settings.database_read_url is not None and isinstance(settings.database_url, SqliteFile):
        raise _fault(_BY_NAME["DATABASE_READ_URL"], f"is set, and {PREFIX}DATABASE_URL is a file, which has no replica")
    _check_mail_servers(settings)
    _refuse_half(settings, "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    if settings.oidc_operator_group is not None and settings.oidc_groups_claim is None:
        raise _fault(_BY_NAME["OIDC_OPERATOR_GROUP"], f"is set, and {PREFIX}OIDC_GROUPS_CLAIM is not")
    _refuse_half(settings, "DKIM_ZONE", "DKIM_ZONE_SERVER", "DKIM_ZONE_TSIG")
    _refuse_half(settings, "RELAY_CERTIFICATE", "RELAY_CERTIFICATE_KEY")
    _check_relay(settings)
    return settings


def _parse_setting(setting: Setting, given: _SettingText) -> Any:
    """Parse one setting; None where it is not set."""
    text, source = given
    origin = {ENVIRONMENT: "the environment", DEFAULT: "its default"}.get(source, source)
    try:
        value = None if text is None else setting.parse(text)
    except ValueError as error:
        shown = "" if setting.secret or text is None else f" ({without_password(text)[:100]!r})"
        raise _fault(setting, f"from {origin} {error}{shown}") from None
    if setting.secret and text == setting.example:
        raise _fault(setting, f"from {origin} is the example in the documentation, which everybody knows")
    return value


def _refuse_half(settings: Settings, *parts: str) -> None:
    """Refuse settings of which there must be all or none."""
    missing = [name for name in parts if getattr(settings, name.lower()) is None]
    if missing and len(missing) < len(parts):
        there = next(name for name in parts if name not in missing)
        raise _fault(_BY_NAME[missing[0]], f"is not set, and goes with {PREFIX}{there}")


def _refuse_password_in_clear(server: SmtpServer | None, starttls: StartTls, name: str, server_name: str) -> None:
    is_in_clear = server is not None and starttls is StartTls.NEVER and not server.implicit_tls
    if server is not None and is_in_clear and server.password is not None:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{PREFIX}{name} is never, and {PREFIX}{server_name} has a password to be sent in clear.",
            f"Leave {PREFIX}{name} out, so that TLS is required, or take the password out of {PREFIX}{server_name}.",
        )


def _check_mail_servers(settings: Settings) -> None:
    if settings.smtp_url is not None and settings.mail_sender is None:
        raise _fault(_BY_NAME["MAIL_SENDER"], f"is not set, and goes with {PREFIX}SMTP_URL")
    _refuse_password_in_clear(settings.smtp_url, settings.smtp_starttls, "SMTP_STARTTLS", "SMTP_URL")
    for name, value in (("PROOF_SMTP_URL", settings.proof_smtp_url), ("PROOF_IMAP_URL", settings.proof_imap_url)):
        if value is not None and settings.proof_mailbox is None:
            raise _fault(_BY_NAME["PROOF_MAILBOX"], f"is not set, and goes with {PREFIX}{name}")
    if settings.proof_mailbox is not None and (settings.proof_smtp_url or settings.smtp_url) is None:
        raise _fault(_BY_NAME["PROOF_SMTP_URL"], f"is not set, nor SMTP_URL, and goes with {PREFIX}PROOF_MAILBOX")
    _refuse_password_in_clear(settings.proof_smtp_url, settings.smtp_starttls, "SMTP_STARTTLS", "PROOF_SMTP_URL")


def _check_relay(settings: Settings) -> None:
    certificate, starttls = settings.relay_certificate, settings.relay_smarthost_starttls
    if settings.relay_tls_bind is not None and certificate is None:
        raise _fault(_BY_NAME["RELAY_CERTIFICATE"], f"is not set, and goes with {PREFIX}RELAY_TLS_BIND")
    if certificate is None and not settings.relay_auth_in_clear and not is_loopback(settings.relay_bind.host):
        problem = f"is not set, and clients beyond this machine would send API keys in clear to {settings.relay_bind}"
        raise _fault(_BY_NAME["RELAY_CERTIFICATE"], problem)
    _refuse_password_in_clear(settings.relay_smarthost, starttls, "RELAY_SMARTHOST_STARTTLS", "RELAY_SMARTHOST")


def _fault(setting: Setting, problem: str) -> Fault:
    fix = f"Write for example {PREFIX}{setting.name}={setting.example!r}"
    return Fault(
        Kind.CONFIG_INVALID,
        f"{PREFIX}{setting.name} {problem}.",
        f'{fix}, or in the file {setting.name.lower()} = "{setting.example}". {setting.what}',
    )


def read_value(name: str, path: Path) -> str:
    """Return the value of a setting that lies in a file of its own, as containers get their secrets."""
    variable = f"{PREFIX}{name}{OF_FILE}"
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path}, which {variable} names, can't be read: {getattr(error, 'strerror', None) or 'it is no text'}.",
            "Write the path of a file that holds the value and nothing else, and let the user of the service read it.",
        ) from error
    if not text:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path}, which {variable} names, is empty.",
            f"Write the value into it, or take {variable} away.",
        )
    return text


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError as error:  # of a folder above it
        raise _unreadable(path) from error


def _unreadable(path: Path) -> Fault:
    return Fault(
        Kind.CONFIG_INVALID,
        f"{path}, which has the settings, may not be read by this user.",
        "Run the command as root or as the user of the service: sudo -u letterhead letterhead …",
    )


def _read_file(path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except PermissionError as error:
        raise _unreadable(path) from error
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
    """Return a TOML value as the text that the environment would hold, so that each setting has one parser."""
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
