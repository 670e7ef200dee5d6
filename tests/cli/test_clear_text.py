"""A private key, a credential or a channel's address goes to another machine over TLS alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running, running
from tests.rigs.signing import OWN


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a service of its own: one that is asked by another name remembers that as the sign of a proxy."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def in_clear(service: Running) -> str:
    """Return an address that is this machine's, by no name of ours."""
    return f"http://127.1:{service.url.rpartition(':')[2]}"


@pytest.mark.parametrize(("command", "there"), [("add", "not-found"), ("rotate", "conflict")], ids=["added", "rotated"])
def test_a_key_of_ones_own_is_not_sent_in_clear(service: Running, tmp_path: Path, command: str, there: str) -> None:
    """Refused before anything is sent; to the server's own machine it goes, and without a key all goes anywhere."""
    key = tmp_path / "own.pem"
    key.write_bytes(OWN.pem)
    sender = f"clear-{command}.test"
    elsewhere = in_clear(service)
    if command == "rotate":
        assert service.call("domains", "add", sender, URL=elsewhere).code == Exit.OK
    words = ("domains", command, sender, "--private-key", str(key))
    refused = service.call(*words, URL=elsewhere)
    assert (refused.code, "in clear, so nothing was sent" in refused.err) == (Exit.USAGE, True), refused.err
    unchanged = service.call("domains", "rotation", sender)
    assert there in unchanged.err or there == "conflict", unchanged.err
    sent = service.call(*words)
    assert (sent.code == Exit.OK or there in sent.err, "in clear" in sent.err) == (True, False), sent.err


@pytest.mark.parametrize(
    "words",
    [
        ("dns", "credentials", "add", "clear.test", "--host", "cloudflare"),
        ("dns", "plan", "clear.test", "--host", "cloudflare"),
        ("alerts", "add", "on call"),
    ],
    ids=" ".join,
)
def test_secrets_of_other_services_are_not_sent_in_clear(service: Running, words: tuple[str, ...]) -> None:
    """Refused before it is asked for; to the server's own machine it goes."""
    refused = service.call(*words, URL=in_clear(service))
    assert (refused.code, "in clear, so nothing was sent" in refused.err) == (Exit.USAGE, True), refused.err
    assert "in clear" not in service.call(*words).err
