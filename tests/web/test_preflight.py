"""A preflight tells what is in DNS before anything is added, and chooses a MAIL FROM that collides with nothing."""

from pathlib import Path
from typing import Any

import pytest

from letterhead.core.accounts.accounts import Scope
from tests.web.conftest import running

HEAD = """$ORIGIN acme.dev.
@ 3600 SOA nova.ns.cloudflare.com. dns 1 7200 3600 1209600 7200
@ NS nova.ns.cloudflare.com.
@ NS tim.ns.cloudflare.com.
"""


async def asked(folder: Path, records: str, sender: str = "acme.dev") -> dict[str, Any]:
    """Ask for a preflight of a domain that nobody added, in a zone with these records."""
    async with running(folder, HEAD + records) as house:
        key = await house.make_key("acme", Scope.READ)
        async with house.client(key) as client:
            answer = await client.post(f"/domains/{sender}/preflight")
            assert answer.status_code == 200, answer.text
            assert (await client.get("/domains")).json() == []
    told: dict[str, Any] = answer.json()
    return told


async def test_an_empty_zone(tmp_path: Path) -> None:
    """DNS host, negative TTL and the usual MAIL FROM; nothing else is there, and nothing is added."""
    told = await asked(tmp_path, "")
    assert told["dnsHost"] == "Cloudflare"
    assert told["negativeTtl"] == 3600
    assert told["mailFrom"] == "lh.acme.dev"
    assert (told["mx"], told["spf"], told["cnames"], told["wildcard"]) == ([], {}, [], [])
    assert "dmarc" not in told


async def test_what_is_there_is_told(tmp_path: Path) -> None:
    """SPF with the merged text, MX in their order, the DMARC policy and where it comes from."""
    told = await asked(
        tmp_path,
        """@ MX 20 b.mail.example.
@ MX 10 a.mail.example.
@ TXT "v=spf1 include:a.example ~all"
@ TXT "v=spf1 include:b.example -all"
_dmarc TXT "v=DMARC1; p=reject; sp=quarantine"
""",
    )
    assert told["mx"] == ["10 a.mail.example", "20 b.mail.example"]
    assert len(told["spf"]["records"]) == 2
    assert told["spf"]["merged"] == "v=spf1 include:a.example include:b.example ~all"
    assert (told["dmarc"]["policy"], told["dmarc"]["host"], told["dmarc"]["inherited"]) == (
        "reject",
        "_dmarc.acme.dev",
        False,
    )


async def test_a_policy_is_inherited(tmp_path: Path) -> None:
    """A subdomain without a record of its own has its organisation's policy, and it is said whose."""
    told = await asked(tmp_path, '_dmarc TXT "v=DMARC1; p=reject; sp=quarantine"\nmail A 192.0.2.9\n', "mail.acme.dev")
    assert told["dmarc"]["policy"] == "quarantine"
    assert told["dmarc"]["host"] == "_dmarc.acme.dev"
    assert told["dmarc"]["inherited"] is True
    assert told["zone"] == "acme.dev"


@pytest.mark.parametrize(
    ("records", "chosen"),
    [
        ("lh CNAME shop.example.\n", "lh-mail.acme.dev"),
        ("lh MX 10 mail\n", "lh-mail.acme.dev"),
        ("lh A 192.0.2.1\n", "lh-mail.acme.dev"),
        ("www.lh A 192.0.2.1\n", "lh-mail.acme.dev"),
        ("lh MX 10 mail\nlh-mail TXT x\nlh-bounces A 192.0.2.1\n", "lh2.acme.dev"),
        ("* A 192.0.2.1\n", "lh.acme.dev"),
        ("* CNAME shop.example.\n", "lh.acme.dev"),
        ("* A 192.0.2.1\nlh A 192.0.2.2\n", "lh-mail.acme.dev"),
        ("* A 192.0.2.1\nlh TXT own\n", "lh-mail.acme.dev"),
    ],
)
async def test_the_mail_from_collides_with_nothing(tmp_path: Path, records: str, chosen: str) -> None:
    """A name that holds anything, or has anything below it, is not taken; what only a wildcard says is nobody's."""
    told = await asked(tmp_path, records)
    assert told["mailFrom"] == chosen
    assert all(name not in told["mailFromTaken"] for name in (chosen,))


async def test_aliases_and_wildcards_are_told(tmp_path: Path) -> None:
    """A CNAME at a name that we would use is named with its target; a wildcard's answer is told once."""
    told = await asked(tmp_path, "_dmarc CNAME dmarc.elsewhere.example.\n* TXT any\n")
    assert told["cnames"] == [{"host": "_dmarc.acme.dev", "target": "dmarc.elsewhere.example"}]
    assert told["wildcard"] == ["TXT any"]


async def test_a_name_that_can_not_be_added_is_refused(tmp_path: Path) -> None:
    """The same codes as when it is added; and the last answer stands for 5 s."""
    async with running(tmp_path, HEAD) as house, house.client(house.keys["acme"]) as client:
        refused = await client.post("/domains/co.uk/preflight")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "domain-public-suffix")
        first = await client.post("/domains/acme.dev/preflight")
        again = await client.post("/domains/acme.dev/preflight")
        assert first.json()["checkedAt"] == again.json()["checkedAt"]
        assert "Age" not in first.headers
        assert (0 <= int(again.headers["Age"]) < 5, 1 <= int(again.headers["Retry-After"]) <= 5) == (True, True)
