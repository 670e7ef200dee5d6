"""Settings of Rspamd, rows of MariaDB and hashes of Redis are read as these programs print them."""

import pytest

from letterhead.core.imports.dumps import parse_hash, parse_rows, unescape
from letterhead.core.imports.mailcow import find_mailcow_domains
from letterhead.core.imports.postal import find_postal_domains
from letterhead.core.imports.rspamd import (
    RspamdKey,
    keys_for,
    map_files,
    parse_map,
    parse_rspamd,
    redis_entries,
)

ROW = {"verified_at": "2026-01-01", "outgoing": "1", "dkim_identifier_string": "ABCDEF", "dkim_private_key": "k"}


def test_rspamd_takes_keys_in_its_own_order() -> None:
    """A domain's own selector and path come first, then those of its list; what they lack comes from maps."""
    dump = {"domain": [
        {"Acme.dev": {"selector": "a", "path": "/a", "selectors": [{"selector": "b"}, {"path": "/$domain/$selector"}]}},
        {"b.test": {}},
    ], "path": "/k/$domain.$selector.key", "selector": "dflt"}  # fmt: skip
    settings = parse_rspamd(dump)
    assert settings is not None
    assert settings.domains == {
        "acme.dev": (RspamdKey(selector="a", path="/a"), RspamdKey(selector="b"), RspamdKey(path="/$domain/$selector")),
        "b.test": (),
    }
    assert keys_for("acme.dev", settings, {"acme.dev": "m"}, {"acme.dev": "/p"}) == [
        ("a", "/a"), ("b", "/p"), ("m", "/acme.dev/m")
    ]  # fmt: skip
    assert keys_for("b.test", settings, {}, {}) == [("dflt", "/k/b.test.dflt.key")]
    assert keys_for("c.test", settings, {"c.test": "s"}, {}) == [("s", "/k/c.test.s.key")]


def test_rspamd_defaults_and_what_is_no_dump() -> None:
    """What is not set is as Rspamd has it; with Redis no path counts."""
    settings = parse_rspamd({"dkim_signing": {"use_redis": True, "selector_prefix": "S"}})
    assert settings is not None
    assert (settings.redis_keys, settings.redis_selectors, settings.selector) == ("dkim_keys", "S", "dkim")
    assert keys_for("a.test", settings, {"a.test": "x"}, {}) == [("x", None)]
    wrong: tuple[object, ...] = ([], "x", None, {"dkim_signing": 3})
    assert [parse_rspamd(each) for each in wrong] == [None] * 4


def test_maps_as_files_lines_and_urls() -> None:
    """A map is files, its own lines, or somewhere else; comments and quotes are no part of a value."""
    files, lines, others = map_files(["/a.map", "file:///b.map", "glob;/c.map", "https://x/d", "a.test s"])
    assert (files, lines, others) == (["/a.map", "/b.map", "/c.map"], "a.test s", ["https://x/d"])
    assert map_files(None) == ([], "", [])
    assert parse_map('# x\nA.test  one # y\n"b.test" "two"\nlone\n') == {"a.test": "one", "b.test": "two"}


def test_entries_of_redis_with_selectors_that_have_dots() -> None:
    """The known part tells where the other begins."""
    keys = ["2024.a.mail.acme.dev", "dkim.acme.dev", "dkim.b.test"]
    assert redis_entries(keys, None, "dkim") == [("acme.dev", "dkim"), ("b.test", "dkim")]
    assert redis_entries(keys, "acme.dev", "") == [("acme.dev", "2024.a.mail"), ("acme.dev", "dkim")]


@pytest.mark.parametrize(
    ("cell", "value"),
    [("NULL", None), ("a\\nb", "a\nb"), ("a\\\\nb", "a\\nb"), ("a\\tb\\0", "a\tb\0"), ("", ""), ("null", "null")],
)
def test_a_cell_is_what_is_stored(cell: str, value: str | None) -> None:
    """The escapes of `mariadb --batch` are taken back, each once."""
    assert unescape(cell) == value


def test_rows_need_all_columns() -> None:
    """A row that is cut short makes the whole no rows; nothing at all is one empty column."""
    assert parse_rows("a\tb\n1\tNULL\n") == [{"a": "1", "b": None}]
    assert parse_rows("a\tb\n1\n") is None
    assert parse_rows("") == []


def test_a_hash_in_both_forms_of_the_client() -> None:
    """An object, or a list of names and values in turn; nothing is empty; all else is none."""
    assert parse_hash('{"a":"b"}') == parse_hash('["a","b"]') == {"a": "b"}
    assert parse_hash("") == parse_hash("[]") == {}
    assert [parse_hash(each) for each in ("x", '["a"]', "3", '{"a":3}')] == [None] * 4


def test_postal_domains_with_their_selectors() -> None:
    """The selector has the installation's part; a name of two servers comes once, with both keys."""
    rows: list[dict[str, str | None]] = [
        {"name": "a.test", **ROW},
        {"name": "A.test", **ROW, "dkim_identifier_string": "GHIJKL", "verified_at": None},
        {"name": "in.test", **ROW, "outgoing": "0"},
        {"name": "bare.test", **ROW, "dkim_private_key": None},
    ]
    found = find_postal_domains(rows, "mta", "bounce")
    assert [(each.sender, [key.selector for key in each.keys], each.mail_from) for each in found.domains] == [
        ("a.test", ["mta-ABCDEF", "mta-GHIJKL"], "bounce.a.test"),
        ("bare.test", [], "bounce.bare.test"),
    ]
    assert [each.place for each in found.unread] == ["in.test"]


def test_mailcow_domains_with_and_without_keys() -> None:
    """A key belongs to the selector that mailcow names; what is not active is not read."""
    rows: list[dict[str, str | None]] = [
        {"domain": name, "active": active} for name, active in (("A.test", "1"), ("b.test", "2"), ("c.test", "0"))
    ]
    found = find_mailcow_domains(rows, {"dkim.a.test": "k", "old.a.test": "l"}, {"a.test": "dkim"})
    assert [(each.sender, [key.selector for key in each.keys]) for each in found.domains] == [
        ("a.test", ["dkim"]), ("b.test", [])
    ]  # fmt: skip
    assert [each.place for each in found.unread] == ["c.test"]
