"""The settings of Rspamd's module dkim_signing: which selectors and keys it signs a domain with.

They are read as `rspamadm configdump --json dkim_signing` prints them, so that includes, variables and the order of
local.d and override.d are Rspamd's own. Source: lualib/lua_dkim_tools.lua and the module's page, Rspamd 3.4 to 3.14.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

DEFAULT_PATH: Final = "/var/lib/rspamd/dkim/$domain.$selector.key"
DEFAULT_SELECTOR: Final = "dkim"
DEFAULT_HASH: Final = "dkim_keys"
DOMAIN: Final = "$domain"

Map = Mapping[str, str]


class RspamdKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the settings: its selector and its path, None where they come from a map or are the usual ones."""

    selector: str | None = None
    path: str | None = None


class RspamdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What of the settings decides on selectors and keys; the maps are as they stand there, read or not."""

    domains: Mapping[str, tuple[RspamdKey, ...]]
    selector: str = DEFAULT_SELECTOR
    path: str = DEFAULT_PATH
    has_fallback: bool = True
    selector_map: object = None
    path_map: object = None
    signing_table: object = None
    key_table: object = None
    redis_keys: str | None = None  # the hash with the keys, where Redis keeps them
    redis_selectors: str | None = None
    uses_vault: bool = False


def parse_rspamd(dump: object) -> RspamdSettings | None:
    """Parse the dump of the module's settings; None where it is none."""
    if not isinstance(dump, dict):
        return None
    dump = dump.get("dkim_signing", dump)
    if not isinstance(dump, dict):
        return None
    uses_redis = bool(dump.get("use_redis"))
    prefix = dump.get("selector_prefix")
    return RspamdSettings(
        domains={
            str(name).lower(): tuple(keys_of(each))
            for objects in objects_in(dump.get("domain"))
            for name, each in objects.items()
        },
        selector=str(dump.get("selector", DEFAULT_SELECTOR)),
        path=str(dump.get("path", DEFAULT_PATH)),
        has_fallback=bool(dump.get("try_fallback", True)),
        selector_map=dump.get("selector_map"),
        path_map=dump.get("path_map"),
        signing_table=dump.get("signing_table"),
        key_table=dump.get("key_table"),
        redis_keys=str(dump.get("key_prefix", DEFAULT_HASH)) if uses_redis else None,
        redis_selectors=str(prefix) if uses_redis and prefix else None,
        uses_vault=bool(dump.get("use_vault")),
    )


def objects_in(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a value: one, or a list where its name stands several times."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def keys_of(domain: object) -> list[RspamdKey]:
    """Return the keys of a domain's own settings, in the order in which Rspamd takes them."""
    found = list[RspamdKey]()
    for each in objects_in(domain):
        given = [each] if "selector" in each or "path" in each else []
        for key in (*given, *objects_in(each.get("selectors"))):
            selector, path = key.get("selector"), key.get("path")
            found.append(RspamdKey(selector=str(selector) if selector else None, path=str(path) if path else None))
    return found


def parse_map(text: str) -> dict[str, str]:
    """Parse the text of a map: a name and its value on each line, with # before a comment."""
    split = [line.partition("#")[0].split(maxsplit=1) for line in text.splitlines()]
    return {parts[0].strip('"').lower(): parts[1].strip().strip('"') for parts in split if len(parts) > 1}


def map_files(value: object) -> tuple[list[str], str, list[str]]:
    """Return the files that a map's setting names, its own lines, and the places that are no files here (URLs)."""
    places = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
    files, lines, others = list[str](), list[str](), list[str]()
    for each in places:
        place = each.partition(";")[2] if each.partition(";")[0] in ("glob", "regexp", "fallback+file") else each
        place = place.removeprefix("fallback+").removeprefix("file://")
        if place.startswith("/"):
            files.append(place)
        elif "://" in place:
            others.append(each)
        else:
            lines.append(each)
    return files, "\n".join(lines), others


def fill(template: str, domain: str, selector: str) -> str:
    """Return a path with the domain and the selector in their places."""
    return template.replace(DOMAIN, domain).replace("$selector", selector)


def keys_for(domain: str, settings: RspamdSettings, selectors: Map, paths: Map) -> list[tuple[str, str | None]]:
    """Return selector and path of each key that signs a domain; no path where Redis keeps the key."""
    keys = settings.domains.get(domain) or (RspamdKey(),)
    found = []
    for key in keys:
        selector = key.selector or selectors.get(domain) or settings.selector
        path = key.path or paths.get(domain) or settings.path
        found.append((selector, None if settings.redis_keys else fill(path, domain, selector)))
    return found


def redis_entries(keys: Iterable[str], domain: str | None, selector: str) -> list[tuple[str, str]]:
    """Return domain and selector of the entries of a hash of keys, `selector.domain`, of one domain or of one selector.

    A selector may have dots, so that an entry alone does not tell where the domain begins.
    """
    if domain is not None:
        return [(domain, key.removesuffix(f".{domain}")) for key in keys if key.endswith(f".{domain}")]
    return [(key.removeprefix(f"{selector}."), selector) for key in keys if key.startswith(f"{selector}.")]
