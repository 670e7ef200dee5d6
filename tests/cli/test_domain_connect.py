"""The commands on Domain Connect, and what the doctor says of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.cli.doctor_links import key_conditions
from letterhead.cli.exit_codes import Exit
from letterhead.core.domain_connect.apply_query import published_key
from letterhead.operations.domain_connect_keys import SigningKey
from tests.rigs.command import Running, letterhead, running


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a service whose operator is a service provider."""
    with running(
        tmp_path_factory.mktemp("provider"),
        DOMAIN_CONNECT_PROVIDER="example.net",
        PUBLIC_URL="https://mail.example.net",
    ) as service:
        yield service


def test_the_template_is_printed_and_written(provider: Running, tmp_path: Path) -> None:
    """As JSON that a file can hold, into a file with the repository's name, with its version; no rule is broken."""
    printed = provider.call("domain-connect", "template")
    assert (printed.code, printed.err) == (Exit.OK, ""), printed
    assert json.loads(printed.out)["providerId"] == "example.net"
    written = provider.call("domain-connect", "template", "--write", str(tmp_path), "--template-version", "7")
    assert written.code == Exit.OK, written
    assert json.loads((tmp_path / "example.net.mail.json").read_text())["version"] == 7
    nowhere = provider.call("domain-connect", "template", "--write", str(tmp_path / "no"))
    assert nowhere.code != Exit.OK
    assert "Traceback" not in nowhere.err


def test_a_key_is_made_once_and_printed_as_zone_lines(provider: Running) -> None:
    """The second call prints the same key; a further one is made when it is asked for; the older one can go."""
    first, again = (provider.call("domain-connect", "key") for _ in range(2))
    assert (first.code, first.out) == (Exit.OK, again.out)
    assert first.out.startswith('_dcpubkeyv1.example.net. 3600 IN TXT "p=1,a=RS256,d=')
    texts = [line.split('"')[1] for line in first.out.splitlines()]
    assert (published_key(texts) or "").startswith("MII")
    assert "PRIVATE" not in first.out + first.err
    more = provider.call("domain-connect", "key", "--new")
    assert "_dcpubkeyv2.example.net." in more.out
    newest = provider.call("domain-connect", "delete-key", "_dcpubkeyv2", "--yes")
    assert newest.code == Exit.REFUSED, newest
    assert "newest" in newest.err
    gone = provider.call("domain-connect", "delete-key", "_dcpubkeyv1", "--yes")
    assert gone.code == Exit.OK, gone
    checked = provider.call("domain-connect", "check")
    assert checked.code == Exit.NOT_GOOD, "nobody serves the key"
    assert "_dcpubkeyv2" in checked.out


def test_a_domain_without_a_link_says_why(provider: Running) -> None:
    """The reason, on stderr, with the exit code of what is not good."""
    assert provider.call("domains", "add", "acme.test").code == Exit.OK
    link = provider.call("domains", "apply-link", "acme.test")
    assert (link.code, link.out) == (Exit.NOT_GOOD, "")
    assert link.err.startswith("not-configured: ")


def test_an_operator_without_a_template_is_told_what_to_set(service: Running) -> None:
    """The command names the setting."""
    told = service.call("domain-connect", "key")
    assert told.code == Exit.REFUSED
    assert "LETTERHEAD_DOMAIN_CONNECT_PROVIDER" in told.err


def test_the_doctor_asks_a_running_server(provider: Running) -> None:
    """Beside a server on the embedded database it asks that, with the operator's token, and says what is not served."""
    provider.call("domain-connect", "key")
    told = letterhead("doctor", folder=provider.data, **provider.settings)
    assert "_dcpubkeyv" in told.out, told
    assert "See that the resolvers answer" in told.out, "none is there"


def signing_key(number: int, is_published: bool | None) -> SigningKey:
    """Make a key as DNS has it or not."""
    name = f"_dcpubkeyv{number}"
    problem = None if is_published else f"{name}.example.net has no TXT record."
    return SigningKey(name=name, host=f"{name}.example.net", texts=(), is_published=is_published, problem=problem)


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ((), [(False, "there is no Domain Connect key", "letterhead domain-connect key")]),
        ((signing_key(1, False),), [(False, "_dcpubkeyv1.example.net has no TXT", "Publish at _dcpubkeyv1")]),
        ((signing_key(1, None),), [(False, "_dcpubkeyv1", "See that the resolvers answer")]),
        ((signing_key(1, True),), [(True, "serves the Domain Connect key _dcpubkeyv1", "")]),
        (
            (signing_key(1, True), signing_key(2, False)),
            [(True, "serves the Domain Connect key _dcpubkeyv1", ""), (True, "_dcpubkeyv2", "Publish at _dcpubkeyv2")],
        ),
        (
            (signing_key(1, True), signing_key(2, True)),
            [(True, "_dcpubkeyv2", ""), (True, "_dcpubkeyv1.example.net signs no more", "delete-key _dcpubkeyv1")],
        ),
    ],
)
def test_the_doctor_says_which_key_signs(keys: tuple[SigningKey, ...], lines: list[tuple[bool, str, str]]) -> None:
    """One line for each key with what to do, and only a lack of any key is bad."""
    found = list(key_conditions(keys))
    assert [each.ok for each in found] == [ok for ok, _, _ in lines]
    assert all(said in each.said for each, (_, said, _) in zip(found, lines, strict=True))
    assert all(fix in (each.fix or "") for each, (_, _, fix) in zip(found, lines, strict=True))
    assert [each.fix is None for each in found] == [not fix for _, _, fix in lines]
