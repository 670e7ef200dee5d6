"""The command `letterhead import rspamd`: what Rspamd's module dkim_signing signs for, as Rspamd reads its settings."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit
from letterhead.cli.imports import opendkim
from letterhead.cli.imports.execution import MailFromLabel, OnlyDomains, PlanOnly, run_import
from letterhead.cli.imports.source_files import find_files, read_hash, read_key, read_table
from letterhead.cli.keys import AsJson
from letterhead.core.imports import opendkim as tables
from letterhead.core.imports import rspamd as settings_of
from letterhead.core.imports.found import FoundDomain, FoundDomains, FoundKey, UnreadEntry, merge_domains, pem_of
from letterhead.core.imports.rspamd import RspamdSettings
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

DUMP: Final = ("rspamadm", "configdump", "--json", "dkim_signing")
FIX: Final = f"Run `{' '.join(DUMP)} > rspamd.json` where Rspamd runs, and name that file."
VAULT: Final = "its keys are in a vault, which can't be read here"


def rspamd(
    dump: Path | None = None,
    /,
    *,
    redis_keys: Annotated[Path | None, Parameter(help="The hash of keys, from redis-cli --json HGETALL.")] = None,
    redis_selectors: Annotated[Path | None, Parameter(help="The hash of selectors, likewise.")] = None,
    plan: PlanOnly = False,
    domain: OnlyDomains = (),
    mail_from: MailFromLabel = None,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains that Rspamd signs for, each with its own selector and key where DNS serves that key.

    Asks Rspamd for its settings (rspamadm configdump), and reads the maps, tables and keys that they name. Rspamd goes
    on signing meanwhile: nothing of it is changed. Done twice, it changes nothing. Exit codes as of `apply`.

    Parameters
    ----------
    dump
        The settings as `rspamadm configdump --json dkim_signing` printed them. Without it the command is run here.
    """
    settings = settings_of.parse_rspamd(parse_dump(dump))
    if settings is None:
        raise Fault(Kind.CONFIG_INVALID, f"{dump or 'The answer of rspamadm'} holds no settings of dkim_signing.", FIX)
    keys = read_redis(settings.redis_keys, redis_keys, "--redis-keys")
    selectors = read_redis(settings.redis_selectors, redis_selectors, "--redis-selectors")
    return run_import(find_rspamd_domains(settings, keys, selectors), domain, mail_from, plan=plan, as_json=as_json)


def parse_dump(path: Path | None) -> object:
    """Return the dump of a file, or of Rspamd on this machine; Fault `config-invalid`."""
    if path is not None:
        text = read_table(path, "The dump")
    else:
        try:
            text = subprocess.run(DUMP, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603
        except FileNotFoundError as missing:
            raise Fault(Kind.CONFIG_INVALID, "There is no rspamadm on this machine to ask.", FIX) from missing
        except (OSError, subprocess.SubprocessError) as error:
            detail = f"rspamadm could not tell its settings: {type(error).__name__}."
            raise Fault(Kind.CONFIG_INVALID, detail, FIX) from error
    try:
        return json.loads(text)
    except ValueError:
        raise Fault(Kind.CONFIG_INVALID, f"{path or 'The answer of rspamadm'} is no JSON.", FIX) from None


def read_redis(name: str | None, path: Path | None, option: str) -> Mapping[str, str]:
    """Return a hash of Redis that the settings name; Fault `config-invalid` where its dump is needed and not given."""
    if name is not None and path is None:
        fix = f"Run `redis-cli --json HGETALL {name} > hash.json`, and add {option} hash.json."
        raise Fault(Kind.CONFIG_INVALID, f"Rspamd keeps {name} in Redis, and {option} was not given.", fix)
    return {} if path is None else read_hash(path)


def find_rspamd_domains(
    settings: RspamdSettings, keys: Mapping[str, str], selectors: Mapping[str, str]
) -> FoundDomains:
    """Return the domains of the settings, of their maps and tables, and of the files or entries with keys."""
    if settings.signing_table and settings.key_table:
        return read_tables(settings)
    unread = [UnreadEntry(place="use_vault", why=VAULT)] if settings.uses_vault else []
    selector_map, not_read = read_map(settings.selector_map)
    path_map, not_read_either = read_map(settings.path_map)
    unread += not_read + not_read_either
    selector_map = {**selector_map, **selectors}
    names = dict.fromkeys((*settings.domains, *selector_map, *path_map))
    found = [find_keys(name, settings, (selector_map, path_map), keys) for name in names]
    if settings.has_fallback and settings.redis_keys is None:
        files = find_files(settings.path.replace("$selector", settings.selector), settings_of.DOMAIN)
        found += [
            FoundDomain(sender=name, keys=(read_key(settings.selector, path),)) for name, path in files
            if name not in names
        ]  # fmt: skip
    elif settings.has_fallback and settings.redis_selectors is None:
        entries = settings_of.redis_entries(keys, None, settings.selector)
        found += [find_keys(name, settings, (selector_map, path_map), keys) for name, _ in entries if name not in names]
    return FoundDomains(domains=merge_domains(found), unread=tuple(unread))


def find_keys(
    domain: str, settings: RspamdSettings, maps: tuple[Mapping[str, str], Mapping[str, str]], keys: Mapping[str, str]
) -> FoundDomain:
    """Return a domain with each key that signs it; `maps` are the selectors and the paths."""
    found = list[FoundKey]()
    for selector, path in settings_of.keys_for(domain, settings, *maps):
        if path is not None:
            found.append(read_key(selector, Path(path)))
        elif pem := keys.get(f"{selector}.{domain}"):
            place = str(settings.redis_keys)
            found.append(FoundKey(selector=selector, place=place, private_key=pem_of(Secret(pem.encode()))))
    return FoundDomain(sender=domain, keys=tuple(found))


def read_map(value: object) -> tuple[dict[str, str], list[UnreadEntry]]:
    """Return a map of names and values, and the places of it that are no files here."""
    files, lines, others = settings_of.map_files(value)
    texts = [lines, *(read_table(Path(each), "The map") for each in files)]
    unread = [UnreadEntry(place=each, why="is no file, and was not fetched") for each in others]
    return settings_of.parse_map("\n".join(texts)), unread


def read_tables(settings: RspamdSettings) -> FoundDomains:
    """Return what tables in the form of OpenDKIM name."""
    read = list[list[tables.TableEntry]]()
    for value in (settings.key_table, settings.signing_table):
        files, lines, _ = settings_of.map_files(value)
        texts = [lines, *(read_table(Path(each), "The table") for each in files)]
        read.append(tables.parse_table("\n".join(texts), tables.DatasetForm.FILE))
    keys = [with_selector(each, settings.selector) for each in read[0]]
    return opendkim.match_tables(keys, read[1], "signing_table", Path("/"))


def with_selector(entry: tables.TableEntry, selector: str) -> tables.TableEntry:
    """Return an entry of the key table with a selector, where it has only the domain and the key."""
    parts = entry.value.split(":")
    value = f"{parts[0]}:{selector}:{parts[1]}" if len(parts) == 2 else entry.value
    return tables.TableEntry(key=entry.key, value=value, line=entry.line)
