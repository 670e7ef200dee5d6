"""Delegated keys when processes die and the zone's server is gone: what was acknowledged is in the zone in the end."""

from pathlib import Path

import httpx2
import pytest

from letterhead.cli.exit_codes import Exit
from tests.operations.delegated_story import TSIG, key_zone, settings_for, texts_at
from tests.rigs import command
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.processes import free_port
from tests.rigs.waiting import until

DOMAINS = 9
KILLS = 3


def targets(client: httpx2.Client) -> dict[str, list[str]]:
    """Return the names in our zone of each domain."""
    return {
        each["sender"]: [each["verificationRecords"][slot]["recordValue"] for slot in ("dkim_lh1", "dkim_lh2")]
        for each in client.get("/domains").json()
    }


@pytest.mark.timeout(600)
def test_no_key_is_lost_when_processes_die(lab: DnsLab, tmp_path: Path) -> None:
    """Killed again and again while domains come and go, with a server that is not there at first: all is as told."""
    zone = key_zone(lab)
    here = settings_for(lab, zone)
    nowhere = here | {"DKIM_ZONE_SERVER": f"127.0.0.1:{free_port('127.0.0.1')}"}
    house = Installation(tmp_path, **nowhere)
    house.stock(DOMAINS * KILLS)
    key, gone = "", []
    for number in range(KILLS):
        serving = house.serve()
        key = key or serving.open_account()
        with serving.client(key) as client:
            for each in range(DOMAINS // KILLS):
                wish = {"sender": f"d{number}-{each}.test", "dkimMode": "delegated"}
                assert client.post("/domains", json=wish).status_code == 200
            if number:
                names = targets(client)
                sender = f"d{number - 1}-0.test"
                assert client.delete(f"/domains/{sender}").status_code == 200
                gone += names[sender]
        serving.kill()
        house.settings["LETTERHEAD_DKIM_ZONE_SERVER"] = here["DKIM_ZONE_SERVER"]
    with house.serving() as serving, serving.client(key) as client:
        names = targets(client)
        assert len(names) == DOMAINS - (KILLS - 1)
        wanted = [name for both in names.values() for name in both]
        until(lambda: all(len(texts_at(lab.ns1, name)) == 1 for name in wanted))
        until(lambda: not any(texts_at(lab.ns1, name) for name in gone))
        first = next(iter(names.values()))
        assert texts_at(lab.ns1, first[0])[0].startswith("v=DKIM1; k=rsa; p=MII")
    secret = TSIG.rpartition(":")[2]
    assert secret not in house.logs()


def test_the_command_adds_and_the_doctor_tries(lab: DnsLab, tmp_path: Path) -> None:
    """`--delegated` prints two CNAMEs; the doctor's lines say that zone, server and key are right, or what is not."""
    zone = key_zone(lab)
    with command.running(tmp_path, **settings_for(lab, zone)) as service:
        added = service.call("domains", "add", "acme.test", "--delegated")
        assert added.code == Exit.OK
        assert added.out.count("CNAME") == 2
        lines = service.call("domains", "show", "acme.test", "--zone-file").out.splitlines()
        aliases = [line.split() for line in lines if " CNAME " in line]
        assert [line[0] for line in aliases] == ["lh1._domainkey.acme.test.", "lh2._domainkey.acme.test."]
        assert all(line[-1].endswith(f".{zone}.") for line in aliases)
        right = service.call("doctor", **service.settings)
        assert f"lets us write the zone {zone}" in right.out
        wrong = {"DKIM_ZONE_TSIG": TSIG.replace("lab:", "nobody:"), "DKIM_ZONE": "nowhere.test"}
        told = service.call("doctor", **(dict(service.settings) | wrong))
        assert told.code == Exit.NOT_GOOD
        assert "refuses to write the zone nowhere.test" in told.out
        assert "finds no zone nowhere.test" in told.out
        assert "by NS records in the zone above it" in told.out
