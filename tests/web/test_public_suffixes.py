"""A name on the Public Suffix List is taken where mail is sent from the name itself."""

from pathlib import Path

from tests.web.conftest import running

ZONES = """
$ORIGIN rub.de.
@ 600 SOA ns1.dns.example. admin.dns.example. 1 7200 900 1209600 300
@ 600 NS ns1.dns.example.
@ 600 MX 10 mx.rub.de.
$ORIGIN mil.by.
@ 600 SOA ns1.dns.example. admin.dns.example. 1 7200 900 1209600 300
@ 600 NS ns1.dns.example.
@ 600 TXT "v=spf1 ip4:192.0.2.0/24 -all"
$ORIGIN github.io.
@ 600 SOA ns1.dns.example. admin.dns.example. 1 7200 900 1209600 300
@ 600 NS ns1.dns.example.
@ 600 MX 0 .
"""


async def test_who_sends_from_a_suffix_may_add_it(tmp_path: Path) -> None:
    """With an MX or SPF of its own it is looked at, added and found again; without, the refusal says what to do."""
    async with running(tmp_path, ZONES) as house, house.client(house.keys["acme"]) as client:
        for name in ("rub.de", "mil.by"):
            assert (await client.post(f"/domains/{name}/preflight")).status_code == 200
            added = await client.post("/domains", json={"sender": name, "startVerification": False})
            assert added.status_code == 200, added.text
            assert (await client.get(f"/domains/{name.upper()}.")).status_code == 200
        for name, code, why in (
            ("github.io", "domain-shared-suffix", "neither an MX nor an SPF record"),
            ("herokuapp.com", "domain-shared-suffix", "could not be seen"),
            ("co.uk", "domain-public-suffix", "could not be seen"),
        ):
            refused = await client.post("/domains", json={"sender": name})
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
            assert why in refused.json()["error"]["message"]
            assert "publish its MX or its SPF record first" in str(refused.json()["error"])
