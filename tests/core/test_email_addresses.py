"""The one address of a From field is read strictly: what two programs could read in two ways is refused."""

import string
from email import policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from letterhead.core.names.email_addresses import Mailbox, parse_mailbox, parse_path, safe_local


@pytest.mark.parametrize(
    "text",
    [
        "hello@acme.dev",
        " hello@acme.dev ",
        "<hello@acme.dev>",
        "Acme <hello@acme.dev>",
        '"Acme, Inc." <hello@acme.dev>',
        '"a@evil.dev" <hello@acme.dev>',
        "John Q. Public <hello@acme.dev>",
        "Acme (Berlin) <hello@acme.dev>",
        "hello@acme.dev (Acme, the one)",
        "(a@evil.dev) hello@acme.dev",
        "(not <closed) <hello@acme.dev>",
        "=?utf-8?q?a=40evil=2Edev?= <hello@acme.dev>",
        "Jürgen <hello@acme.dev>",
        '"\\"" <hello@acme.dev>',
        "Acme\t<hello@acme.dev>",
        "Acme <hello@ACME.dev>",
        "Acme <hello@Acme.DEV>",
    ],
)
def test_one_mailbox(text: str) -> None:
    """Names, quotes and comments change nothing of whose address it is; case neither."""
    assert parse_mailbox(text) == Mailbox(local="hello", domain="acme.dev")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no address"),
        ("Acme", "no address"),
        ("Acme <>", "no address"),
        ("<hello>", "no address"),
        ("a@acme.dev, b@evil.dev", "several addresses"),
        ("Acme, Inc. <hello@acme.dev>", "several addresses"),
        ("a@evil.dev <hello@acme.dev>", "more than one @"),
        ("<a@evil.dev> <hello@acme.dev>", "more than one @"),
        ("hello@evil.dev@acme.dev", "more than one @"),
        ("<hello@acme.dev>a@evil.dev", "more than one @"),
        ("Friends: hello@acme.dev;", "group"),
        ("Undisclosed:;", "group"),
        ("<@evil.dev:hello@acme.dev>", "group"),
        ("hello@[192.0.2.1]", "IP address"),
        ("hello@192.0.2.1", "readable domain"),
        ("hello @acme.dev", "of the form"),
        ("hello@ acme.dev", "of the form"),
        ("hello@(evil.dev)acme.dev", "of the form"),
        ("hello@acme.dev.", "final dot"),
        ("hello@acme..dev", "readable domain"),
        ("hello@.acme.dev", "readable domain"),
        ("hello.@acme.dev", "only in quotes"),
        (".hello@acme.dev", "only in quotes"),
        ("=?utf-8?q?x=40evil=2Edev?=@acme.dev", "encoded word"),
        ("hello@=?utf-8?q?acme?=.dev", "encoded word"),
        ("hello@acme.dev (open", "without an end"),
        ("hello@acme.dev (Acme (the one))", "within a comment"),
        ('(not "closed) <hello@acme.dev>', "within a comment"),
        ("(a\\) hello@acme.dev", "within a comment"),
        ("(a)(b) hello@acme.dev", "several comments"),
        ('"a@evil.dev"@acme.dev', "quoted part before the @"),
        ('"hello"@acme.dev', "quoted part before the @"),
        ('<"<a@evil.dev>"@acme.dev>', "quoted part before the @"),
        ("a\uff20evil.dev@acme.dev", "only in quotes"),
        ('"open <hello@acme.dev>', "without an end"),
        ("hello@acme.dev\x00", "control"),
        ("hello@acme.dev\r\nBcc: x", "control"),
        ("hello\x7f@acme.dev", "control"),
        (f"{'x' * 65}@acme.dev", "64 octets"),
        (f"{'x' * 2001} <hello@acme.dev>", "2000 characters"),
        ("hello@acme_corp.dev", "readable domain"),
        ("Acme [1] <hello@acme.dev>", "IP address"),
        ("hello@acme.dev\\", "of the form"),
        ("hello@acme.dev>", "of the form"),
    ],
)
def test_anything_else_is_refused(text: str, problem: str) -> None:
    """Each with what is wrong about it."""
    with pytest.raises(ValueError, match=problem):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("hello@bücher.example", "xn--bcher-kva.example"),
        ("hello@BÜCHER.example", "xn--bcher-kva.example"),
        ("hello@xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("hello@аcme.dev", "xn--cme-5cd.dev"),
        ("hello@faß.example", "xn--fa-hia.example"),
    ],
)
def test_domains_in_other_scripts(text: str, domain: str) -> None:
    """A U-label is its A-label, and a lookalike is another domain."""
    assert parse_mailbox(text).domain == domain


# Pieces that addresses are made of, so that what hypothesis puts together is often nearly one.
PIECES = st.lists(
    st.sampled_from(
        [
            "hello",
            "@",
            "acme.dev",
            "evil.dev",
            "<",
            ">",
            '"',
            "(",
            ")",
            ",",
            ":",
            ";",
            " ",
            "\\",
            "=?utf-8?q?a=40b?=",
            ".",
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=2000, deadline=None)
@given(st.one_of(PIECES, st.text(string.printable, max_size=40)))
def test_the_standard_library_reads_the_same(text: str) -> None:
    """Whatever is taken, another parser finds that one address in it, and no other."""
    try:
        ours = parse_mailbox(text)
    except ValueError:
        return
    header = policy.default.header_factory("From", text)
    (theirs,) = header.addresses
    assert theirs.domain.lower() == ours.domain


@pytest.mark.parametrize("text", ["app@acme.dev", "bounce+1=you=x.dev@acme.dev", '"a b"@acme.dev', "jürgen@acme.dev"])
def test_paths_of_the_envelope(text: str) -> None:
    """Local parts stay as they are."""
    assert parse_path(text).address == text


@pytest.mark.parametrize(
    "text", ["", "app", "app@", "@acme.dev", "a b@acme.dev", "a\n@acme.dev", "app@[192.0.2.1]", "a@b@c.dev"]
)
def test_bad_paths(text: str) -> None:
    """What is no address is refused, and what could break a command."""
    with pytest.raises(ValueError, match=r"."):
        parse_path(text)


@pytest.mark.parametrize(
    ("local", "safe"),
    [
        ("app", "app"),
        ("bounce+1=you=x.dev", "bounce+1=you=x.dev"),
        ('"a b"', "a_b"),
        ("jürgen", "j_rgen"),
        ("..a..b..", "a.b"),
        ("\r\nRCPT TO:<x>", "_RCPT_TO_x_"),
        ("", "bounces"),
        ("ü", "bounces"),
        ("x" * 80, "x" * 64),
    ],
)
def test_local_parts_made_safe(local: str, safe: str) -> None:
    """Any server takes them: ASCII, a dot-atom, not too long."""
    assert safe_local(local, "bounces") == safe
