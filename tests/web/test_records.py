"""Exports of records by the API: each format, one domain or all, by zone; and nothing of another account."""

from pathlib import Path

import httpx2

from letterhead.core.plan.record_formats import FORMATS
from tests.rigs.record_readers import READERS, ReadRecord
from tests.web.conftest import Installation, running

ZONE = """
$ORIGIN acme.dev.
@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600
@ 3600 NS ns1
@ 3600 NS ns2
ns1 3600 A 192.0.2.1
ns2 3600 A 192.0.2.2

$ORIGIN dev.
@ 3600 SOA ns1.acme.dev. hostmaster.acme.dev. 1 7200 3600 1209600 600
@ 3600 NS ns1.acme.dev.
"""  # DMARC's tree walk ends at dev


def planned(domain: dict[str, object], *without: str) -> set[ReadRecord]:
    """Return the records that a domain's JSON says are to be published."""
    records = domain["verificationRecords"]
    assert isinstance(records, dict)
    return {
        ReadRecord(
            each["host"],
            each["recordType"],
            f"{each['priority']} {each['recordValue']}" if "priority" in each else each["recordValue"],
        )
        for key, each in records.items()
        if key not in without
    }


async def test_one_domain_in_each_format(tmp_path: Path) -> None:
    """What is exported is what the domain's JSON says; DMARC is left out until a check has seen that there is none."""
    async with running(tmp_path, ZONE) as house, house.client(house.keys["acme"]) as acme:
        (domain,) = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
        for name, read in READERS.items():
            answer = await acme.get("/domains/acme.dev/records", params={"format": name})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(FORMATS[name].media_type)
            assert read(answer.text) == planned(domain, "dmarc")
            assert "domains check acme.dev" in answer.text.replace("\n# ", " ").replace("\n; ", " ").replace(
                "\n// ", " "
            )
        await acme.post("/domains/acme.dev/check")
        for name, read in READERS.items():
            text = (await acme.get("/domains/acme.dev/records", params={"format": name})).text
            assert read(text) == planned(domain), name


async def test_all_domains_by_zone(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Domains of one zone stand together, over the pieces in which they are read; another account's are not there."""
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        await zeta.post("/domains", json={"sender": "zeta.dev"})
    names = [*(f"s{number:03}.acme.dev" for number in range(70)), "other.dev"]
    assert (await acme.post("/domains/bulk", json={"domains": [{"sender": each} for each in names]})).status_code == 200
    listed = (await acme.get("/domains")).json()
    answer = (await acme.get("/domains/records")).json()
    assert [each["zone"] for each in answer["zones"]] == ["acme.dev", "other.dev"]
    read = READERS["bind"]((await acme.get("/domains/records", params={"format": "bind"})).text)
    assert read == set().union(*(planned(each, "dmarc") for each in listed))
    (one,) = (await acme.get("/domains/records", params={"zone": "OTHER.dev."})).json()["zones"]
    assert one["zone"] == "other.dev"
    await acme.post("/domains", json={"sender": "bücher.dev"})
    (typed,) = (await acme.get("/domains/records", params={"zone": "Bücher.dev"})).json()["zones"]
    assert typed["zone"] == "xn--bcher-kva.dev"
    missing = await acme.get("/domains/records", params={"zone": "zeta.dev"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not-found")


async def test_what_is_refused(acme: httpx2.AsyncClient) -> None:
    """A format that there is not is named with those that there are; a domain of nobody is not found."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    answer = await acme.get("/domains/acme.dev/records", params={"format": "<script>"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter-invalid")
    assert all(name in answer.json()["error"]["fix"] for name in FORMATS)
    assert (await acme.get("/domains/other.dev/records")).status_code == 404
    # No sender can have the name of a path of ours: a name of one label is none.
    for word in ("records", "bulk", "check"):
        added = await acme.post("/domains", json={"sender": word})
        assert (added.status_code, added.json()["error"]["code"]) == (400, "domain-not-public"), word
