"""The configuration and the tables of OpenDKIM: which domains it signs for, with which selectors and keys.

Source: opendkim.conf(5) and opendkim(8), "DATA SETS", of OpenDKIM 2.11.
"""

import re
from enum import StrEnum

import msgspec

from letterhead.errors import Fault, Kind

SIGNING = ("keytable", "signingtable", "domain", "selector", "keyfile")
_PATH = ("/", "./", "../")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?\.?", re.IGNORECASE)


class DatasetForm(StrEnum):
    """How a data set lists its entries; of the other forms that OpenDKIM has, none can be read here."""

    FILE = "file"
    PATTERNS = "refile"
    LIST = "csl"


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Where a data set is: `place` is a path, or the entries themselves for a list."""

    form: DatasetForm
    place: str


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a data set: its key, its value, and the number of its line."""

    key: str
    value: str
    line: int


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the KeyTable; `domain` and `key` may hold a % for the domain of the sender."""

    domain: str
    selector: str
    key: str

    @property
    def is_path(self) -> bool:
        """Whether `key` names a file, and is not the key itself."""
        return self.key.startswith(_PATH)

    def at(self, sender: str) -> "KeyEntry":
        """Return the entry as it is for mail from a domain."""
        domain = sender if self.domain == "%" else self.domain
        return KeyEntry(domain=domain, selector=self.selector, key=self.key.replace("%", sender))


def parse_settings(text: str) -> dict[str, str]:
    """Parse opendkim.conf into its settings, with names in lower case; of a setting that stands twice the last counts.

    What is not of the signing tables is of no interest here, and is kept unread.
    """
    settings: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition("#")[0].strip().replace("\t", " ").partition(" ")
        if name and value.strip():
            settings[name.lower()] = value.strip()
    return settings


def parse_dataset(text: str, setting: str) -> Dataset:
    """Parse the place of a data set; Fault `config-invalid` for a database, which can't be read here."""
    form, colon, rest = text.partition(":")
    if text.startswith(_PATH):
        return Dataset(form=DatasetForm.FILE, place=text)
    if colon and form.lower() in ("db", "dsn", "ldap", "lua", "memcache", "mdb", "repute", "erlang", "socket"):
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{setting} of OpenDKIM is kept in a data set of the form {form.lower()}:, which can't be read here.",
            f"Write its entries into a file, a line for each, and a configuration that names it: {setting} file:/…",
        )
    if colon and form.lower() in ("file", "refile"):
        return Dataset(form=DatasetForm(form.lower()), place=rest)
    return Dataset(form=DatasetForm.LIST, place=rest if form.lower() == "csl" and colon else text)


def parse_table(text: str, form: DatasetForm) -> list[TableEntry]:
    """Parse the entries of a data set; an entry without a value has an empty one."""
    if form is DatasetForm.LIST:
        pairs = [(1, *entry.partition("=")[::2]) for entry in text.split(",")]
    else:
        lines = enumerate(text.splitlines(), 1)
        # A # begins a comment wherever it stands: no pattern, path or key has one.
        split = [(number, line.partition("#")[0].strip().split(maxsplit=1)) for number, line in lines]
        pairs = [(number, parts[0], "".join(parts[1:])) for number, parts in split if parts]
    return [TableEntry(key=key.strip(), value=value.strip(), line=line) for line, key, value in pairs if key.strip()]


def parse_key_entry(value: str) -> KeyEntry | None:
    """Parse the value of a KeyTable's entry, domain:selector:key; None where it has fewer parts."""
    parts = [each.strip() for each in value.split(":", 2)]
    if len(parts) < 3 or not all(parts):
        return None
    return KeyEntry(domain=parts[0], selector=parts[1], key=parts[2])


def domain_of_pattern(pattern: str) -> str | None:
    """Return the domain that a key of the SigningTable stands for; None where it is any domain, or any below one.

    `*@acme.dev`, `user@acme.dev` and `acme.dev` are acme.dev; `.acme.dev`, `*@*.acme.dev` and `*` are no domain.
    """
    host = pattern.rpartition("@")[2]
    return host.rstrip(".").lower() if "*" not in host and _HOST.fullmatch(host) else None


def key_name(value: str) -> str:
    """Return the name in the KeyTable of a SigningTable's value, without the signer that may follow it."""
    return value.split(":", 1)[0].strip()
