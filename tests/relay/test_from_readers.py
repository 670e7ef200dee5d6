"""What the relay takes for the author of a message, other programs take for the same: rspamd, mailparser, Python."""

import random
from pathlib import Path

import pytest

from letterhead.core.names.email_addresses import parse_mailbox
from tests.rigs import mail_readers
from tests.rigs.mail_readers import Reader

AT_ACME = (
    "hello@acme.dev",
    "Acme <hello@acme.dev>",
    '"Acme, Inc." <hello@acme.dev>',
    '"<chief@bank.test>" <hello@acme.dev>',
    '"chief@bank.test" <hello@acme.dev>',
    "hello@acme.dev (Acme)",
    "(Acme) hello@acme.dev",
    "=?utf-8?q?chief=40bank=2Etest?= <hello@acme.dev>",
    "=?utf-8?q?=3Cchief=40bank=2Etest=3E?= <hello@acme.dev>",
    "=?utf-8?b?PGNoaWVmQGJhbmsudGVzdD4s?= <hello@acme.dev>",
    "Jörg <jörg@acme.dev>",
    "'chief bank' via Acme <hello@acme.dev>",
    ".NET friends <hello@acme.dev>",
    "Acme Inc. <hello@acme.dev>",
    "bounce+1=chief=bank.test@acme.dev",
)
# Each is read as another address, or as none, by one of the programs at least.
AMBIGUOUS = (
    '"chief@bank.test"@acme.dev',
    '<"<chief@bank.test>"@acme.dev>',
    'The chief <"chief@bank.test "@acme.dev>',
    '"chief\\@bank.test"@acme.dev',
    '(") hello@acme.dev (<chief@bank.test>)',
    '"x" ("<chief@bank.test>) <hello@acme.dev>',
    "((chief) ) <hello@acme.dev>",
    "(x)(y:) hello@acme.dev",
    "chief@bank.test <hello@acme.dev>",
    "chief@bank.test, hello@acme.dev",
    "<chief@bank.test> <hello@acme.dev>",
    "hello@acme.dev <chief@bank.test>",
    "friends: chief@bank.test;, hello@acme.dev",
    "chief\uff20bank.test\uff20@acme.dev",
)
PIECES = (
    "hello", "@", "acme.dev", "bank.test", "<", ">", '"', "(", ")", ",", ":", ";", " ", "\\", ".", "'", "\t", "[", "]",
    "chief@bank.test", "<chief@bank.test>", "=?utf-8?q?chief=40bank.test?=", "=?utf-8?q?=3Cchief=40bank.test=3E?=",
    "=?utf-8?b?PGNoaWVmQGJhbmsudGVzdD4s?=", "\uff20", "\ufe64", "é", "mailto:",
)  # fmt: skip
FRAMES = (
    "{0}<hello@acme.dev>{1}", '"{0}" <hello@acme.dev>{1}', "{0}hello@acme.dev{1}", "({0}) hello@acme.dev ({1})",
    "{0} <{1}hello@acme.dev>", "({0})<hello@acme.dev>{1}", '"{0}" ({1}) <hello@acme.dev>',
    '{0} "{1}" <hello@acme.dev>', '{0}"{1}"@acme.dev',
)  # fmt: skip


def taken(number: int) -> list[str]:
    """Put fields together, and return those that the relay takes for one of acme.dev; always the same."""
    chosen, found = random.Random(20261128), dict[str, None]()
    while len(found) < number:
        parts = ("".join(chosen.choices(PIECES, k=chosen.randrange(5))) for _ in range(2))
        field = chosen.choice(FRAMES).format(*parts)
        try:
            if parse_mailbox(field).domain == "acme.dev":
                found[field] = None
        except ValueError:
            continue
    return list(found)


@pytest.fixture(params=["rspamd", "mailparser", "python", "old_python"])
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    """Return each program in turn."""
    match request.param:
        case "rspamd":
            return mail_readers.rspamd(tmp_path)
        case "mailparser":
            return mail_readers.mailparser
        case "python":
            return mail_readers.python
        case _:
            return mail_readers.old_python


def domains(addresses: list[str]) -> list[str]:
    """Return the domains of what a program read."""
    return [each.rpartition("@")[2].strip() for each in addresses]


def test_every_program_reads_the_author_that_we_read(reader: Reader) -> None:
    """Written by hand, and 3000 put together of what confuses parsers: one address, of the same domain."""
    fields = [*AT_ACME, *taken(3000)]
    assert [parse_mailbox(each).domain for each in AT_ACME] == ["acme.dev"] * len(AT_ACME)
    read = reader(fields)
    assert len(read) == len(fields)
    others = {field: each for field, each in zip(fields, read, strict=True) if domains(each) != ["acme.dev"]}
    assert others == {}


@pytest.mark.parametrize("field", AMBIGUOUS)
def test_what_programs_read_in_two_ways_is_refused(field: str) -> None:
    """Quotes before the @, quotes and brackets within comments, several addresses."""
    with pytest.raises(ValueError, match=r"."):
        parse_mailbox(field)


def test_the_programs_do_read_some_of_these_otherwise(tmp_path: Path) -> None:
    """The corpus can fail: of what is refused, each program reads something as another domain, or as two."""
    for reader in (mail_readers.rspamd(tmp_path), mail_readers.mailparser, mail_readers.python):
        assert any(domains(each) != ["acme.dev"] for each in reader(AMBIGUOUS))
