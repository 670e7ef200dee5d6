"""The command `letterhead import opendkim`: what OpenDKIM signs for, from its own configuration."""

from collections.abc import Sequence
from pathlib import Path

from letterhead.cli.exit_codes import Exit
from letterhead.cli.imports.execution import MailFromLabel, OnlyDomains, PlanOnly, run_import
from letterhead.cli.imports.source_files import find_files, read_key, read_table
from letterhead.cli.keys import AsJson
from letterhead.core.imports import opendkim as tables
from letterhead.core.imports.found import FoundDomain, FoundDomains, FoundKey, UnreadEntry, merge_domains, pem_of
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

NO_DOMAIN = "matches mail from any domain, and names none"
INCLUDES = 5  # levels, as OpenDKIM has it
FIX = "Name OpenDKIM's own configuration: letterhead import opendkim /etc/opendkim.conf"


def opendkim(
    configuration: Path = Path("/etc/opendkim.conf"),
    /,
    *,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains that OpenDKIM signs for, each with its own selector and key where DNS serves that key.

    Reads the configuration, its KeyTable and SigningTable (file:, refile: and lists) or Domain, Selector and KeyFile,
    and the keys. OpenDKIM goes on signing meanwhile: nothing of it is changed. Done twice, it changes nothing. Exit
    codes as of `apply`.

    Parameters
    ----------
    configuration
        OpenDKIM's configuration.
    """
    return run_import(read_opendkim(configuration), domain, mail_from, plan=plan, as_json=as_json)


def read_opendkim(configuration: Path) -> FoundDomains:
    """Return what a configuration signs for; Fault `config-invalid`."""
    settings = read_settings(configuration)
    if "keytable" not in settings:
        return read_single_key(configuration, settings)
    configuration = Path(settings.get("basedirectory", configuration.parent)) / configuration.name
    entries, _ = read_dataset(settings["keytable"], "KeyTable", configuration)
    if "signingtable" not in settings:
        raise Fault(Kind.CONFIG_INVALID, f"{configuration} has a KeyTable and no SigningTable.", FIX)
    signing, place = read_dataset(settings["signingtable"], "SigningTable", configuration)
    return match_tables(entries, signing, place, configuration.parent)


def read_settings(configuration: Path, depth: int = 0) -> dict[str, str]:
    """Return the settings of a configuration and of those that it includes; paths are relative to `BaseDirectory`."""
    settings = tables.parse_settings(read_table(configuration, "The configuration"))
    included = settings.pop("include", None)
    if included is not None and depth < INCLUDES:
        settings = read_settings(configuration.parent / included, depth + 1) | settings
    return settings


def match_tables(
    entries: Sequence[tables.TableEntry], signing: Sequence[tables.TableEntry], place: str, folder: Path
) -> FoundDomains:
    """Return the domains that a SigningTable names, with the keys that a KeyTable has for them."""
    keys = {each.key: each for each in entries}
    found, unread = list[FoundDomain](), list[UnreadEntry]()
    for entry in signing:
        where = f"{place}, line {entry.line} ({entry.key})"
        sender = tables.domain_of_pattern(entry.key)
        name = tables.key_name(entry.value)
        name = sender if name == "%" and sender else name
        key = tables.parse_key_entry(keys[name].value) if name in keys else None
        if key is None:
            why = f"names {name}, which the KeyTable lacks, or has without domain:selector:key"
            unread.append(UnreadEntry(place=where, why=why))
        elif found_here := domains_of(key, sender, folder):
            found += found_here
        else:
            unread.append(UnreadEntry(place=where, why=NO_DOMAIN))
    return FoundDomains(domains=merge_domains(found), unread=tuple(unread))


def read_single_key(configuration: Path, settings: dict[str, str]) -> FoundDomains:
    """Return the domains of the settings Domain, Selector and KeyFile, which share one key."""
    missing = [name for name in ("Domain", "Selector", "KeyFile") if name.lower() not in settings]
    if missing:
        detail = f"{configuration} has no KeyTable, and lacks {' and '.join(missing)}: it signs for no domain."
        raise Fault(Kind.CONFIG_INVALID, detail, FIX)
    configuration = Path(settings.get("basedirectory", configuration.parent)) / configuration.name
    entries, _ = read_dataset(settings["domain"], "Domain", configuration)
    key = read_key(settings["selector"], configuration.parent / settings["keyfile"])
    found = [FoundDomain(sender=each.key, keys=(key,)) for each in entries if tables.domain_of_pattern(each.key)]
    unread = [
        UnreadEntry(place=f"Domain of {configuration} ({each.key})", why=NO_DOMAIN)
        for each in entries
        if not tables.domain_of_pattern(each.key)
    ]
    return FoundDomains(domains=merge_domains(found), unread=tuple(unread))


def read_dataset(text: str, setting: str, configuration: Path) -> tuple[list[tables.TableEntry], str]:
    """Return the entries of a data set, and where they are; a path may be relative to the configuration's folder."""
    dataset = tables.parse_dataset(text, setting)
    if dataset.form is tables.DatasetForm.LIST:
        return tables.parse_table(dataset.place, dataset.form), f"{setting} of {configuration}"
    path = configuration.parent / dataset.place
    return tables.parse_table(read_table(path, f"The {setting}"), dataset.form), str(path)


def domains_of(key: tables.KeyEntry, sender: str | None, folder: Path) -> list[FoundDomain]:
    """Return the domains that an entry signs for; where any sender matches, those that its key's files name.

    Mail from a domain that is signed in the name of another one has no key of its own: it is found without.
    """
    if sender is None and key.domain == "%":
        if not (key.is_path and "%" in key.key):
            return []
        names = [name for name, _ in find_files(str(folder / key.key), "%") if tables.domain_of_pattern(name)]
        return [each for name in names for each in domains_of(key, name, folder)]
    here = key.at(sender or key.domain)
    if here.is_path:
        found = read_key(here.selector, folder / here.key)
    else:
        pem = pem_of(Secret(here.key.encode()))
        found = FoundKey(selector=here.selector, place="the key in the KeyTable", private_key=pem)
    signed = [FoundDomain(sender=here.domain, keys=(found,))]
    if sender is not None and sender != here.domain.lower():
        signed.append(FoundDomain(sender=sender))
    return signed
