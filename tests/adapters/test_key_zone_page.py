"""The lines that docs/keys.md gives for Knot DNS are enough, and allow no more than they should."""

import base64
import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dns.exception
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from letterhead.adapters.dns.update import ZoneUpdates
from letterhead.core.secret import Secret
from tests.operations.delegated_story import texts_at
from tests.rigs.dns_lab import NS1, ask
from tests.rigs.processes import Server, free_port, program

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"
ZONE = "keys.example.net"
SECRET = b"a secret of thirty-two octets ok"
START = "@ 300 SOA ns1 hostmaster 1 3600 600 86400 300\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n"


class Knot:
    """Runs one server with the page's own lines."""

    def __init__(self, folder: Path) -> None:
        lines = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        (told,) = [each for each in lines if "acl:" in each]
        self.address, self.port = NS1, free_port(NS1)
        (folder / f"{ZONE}.zone").write_text(f"$ORIGIN {ZONE}.\n{START}", "utf-8")
        head = (
            f'server:\n  rundir: "{folder}"\n  listen: {self.address}@{self.port}\ndatabase:\n  storage: "{folder}"\n'
        )
        storage = f'template:\n  - id: default\n    storage: "{folder}"\n'
        whole = head + storage + told.replace("<base64>", base64.b64encode(SECRET).decode())
        (folder / "knot.conf").write_text(whole, "utf-8")
        self.server = Server([program("knotd"), "-c", folder / "knot.conf"], folder / "log")
        self.server.wait_until(self._serves)

    def ask(self, name: str, rdtype: str) -> dns.message.Message:
        """Ask the server itself."""
        return ask(self.address, self.port, name, rdtype, timeout=2)

    def _serves(self) -> bool:
        try:
            return bool(ask(self.address, self.port, ZONE, "SOA", timeout=0.3).answer)
        except (dns.exception.Timeout, OSError):
            return False


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[Knot]:
    """Run the server."""
    server = Knot(tmp_path)
    yield server
    server.server.stop()


async def test_the_lines_for_knot_are_enough_and_no_more(knot: Knot) -> None:
    """The doctor's trial passes, a key is written and taken away; any other type is refused to the same key."""
    writer = ZoneUpdates(ZONE, (knot.address, knot.port), "letterhead", "hmac-sha256", Secret(SECRET))
    (condition,) = await writer.health()
    assert condition.ok, condition.said
    name = f"lh1.k3v9qwx2mz7rtb5d.{ZONE}"
    await writer.publish({name: "v=DKIM1; p="}, timedelta(minutes=5))
    assert texts_at(knot, name) == ["v=DKIM1; p="]
    await writer.publish({name: None}, timedelta(minutes=5))
    assert texts_at(knot, name) == []
    other = dns.update.UpdateMessage(ZONE, keyring=dns.tsig.Key("letterhead", SECRET, "hmac-sha256"))
    other.add("www", 300, "A", "192.0.2.2")
    with contextlib.suppress(dns.tsig.PeerError):  # knot says so by an error of the key
        assert dns.query.tcp(other, knot.address, port=knot.port, timeout=5).rcode() != dns.rcode.NOERROR
    assert not knot.ask(f"www.{ZONE}", "A").answer
