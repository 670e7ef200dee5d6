"""OpenDKIM's configuration and tables are read as OpenDKIM reads them, in every form that its manual has."""

import pytest

from letterhead.core.imports.opendkim import (
    DatasetForm,
    domain_of_pattern,
    key_name,
    parse_dataset,
    parse_key_entry,
    parse_settings,
    parse_table,
)
from letterhead.errors import Fault


def test_settings_have_comments_tabs_and_any_case() -> None:
    """Names are read in any case, what follows a # is a comment, and the last of two counts."""
    text = "# all\nKeyTable\t\tfile:/k  # mine\nselector a\nSELECTOR b\nSyslog\n\n"
    assert parse_settings(text) == {"keytable": "file:/k", "selector": "b"}


@pytest.mark.parametrize(
    ("text", "form", "place"),
    [
        ("/etc/KeyTable", DatasetForm.FILE, "/etc/KeyTable"),
        ("./KeyTable", DatasetForm.FILE, "./KeyTable"),
        ("file:/etc/KeyTable", DatasetForm.FILE, "/etc/KeyTable"),
        ("refile:/etc/SigningTable", DatasetForm.PATTERNS, "/etc/SigningTable"),
        ("csl:a=b:c:/d", DatasetForm.LIST, "a=b:c:/d"),
        ("acme.dev, example.org", DatasetForm.LIST, "acme.dev, example.org"),
        ("a=acme.dev:s:/k", DatasetForm.LIST, "a=acme.dev:s:/k"),
    ],
)
def test_a_data_set_is_found(text: str, form: DatasetForm, place: str) -> None:
    """A path, a file, patterns, or the entries themselves."""
    dataset = parse_dataset(text, "KeyTable")
    assert (dataset.form, dataset.place) == (form, place)


@pytest.mark.parametrize("text", ["db:/x.db", "dsn:mysql://u:secret@h/d", "ldap://h/", "lua:/x.lua"])
def test_a_database_is_refused_without_its_password(text: str) -> None:
    """What can't be read is refused with what to do, and shows nothing of the place."""
    with pytest.raises(Fault, match="can't be read here") as refused:
        parse_dataset(text, "SigningTable")
    assert "secret" not in refused.value.detail


def test_entries_of_a_file_and_of_a_list() -> None:
    """Blank lines and comments are no entries; the value is the rest of the line."""
    read = parse_table("# c\n\n*@acme.dev  one:signer # x\nlone\n", DatasetForm.PATTERNS)
    assert [(each.key, each.value, each.line) for each in read] == [("*@acme.dev", "one:signer", 3), ("lone", "", 4)]
    listed = parse_table("a=acme.dev:s:/k, b = org.test:t:/l,", DatasetForm.LIST)
    assert [(each.key, each.value) for each in listed] == [("a", "acme.dev:s:/k"), ("b", "org.test:t:/l")]


def test_a_key_entry_and_its_place_for_a_sender() -> None:
    """% is the domain of the sender, in the domain and in the path; the key itself may hold colons nowhere."""
    entry = parse_key_entry("%:mail:/keys/%/mail.private")
    assert entry is not None
    here = entry.at("acme.dev")
    assert (here.domain, here.selector, here.key, here.is_path) == (
        "acme.dev",
        "mail",
        "/keys/acme.dev/mail.private",
        True,
    )
    fixed = parse_key_entry("acme.dev:s:MIIC")
    assert fixed is not None
    assert (fixed.at("other.test").domain, fixed.is_path) == ("acme.dev", False)
    assert [parse_key_entry(each) for each in ("", "acme.dev", "acme.dev:s", "acme.dev::/k")] == [None] * 4


@pytest.mark.parametrize(
    ("pattern", "domain"),
    [
        ("*@acme.dev", "acme.dev"), ("user@ACME.dev", "acme.dev"), ("acme.dev.", "acme.dev"), ("*@*", None),
        ("*", None), (".acme.dev", None), ("*@*.acme.dev", None), ("user@.acme.dev", None), ("%", None), ("", None),
        ("*@a_b.acme.dev", "a_b.acme.dev"), ("user@*", None),
    ],
)  # fmt: skip
def test_the_domain_of_a_pattern(pattern: str, domain: str | None) -> None:
    """Only a pattern with a whole name after its @ is a domain."""
    assert domain_of_pattern(pattern) == domain


def test_the_name_of_a_key_ends_before_its_signer() -> None:
    """The second field of a SigningTable's value is the signer, which names no key."""
    assert [key_name(each) for each in ("one", "one:me@acme.dev", " % ")] == ["one", "one", "%"]
