"""The main job, the same for every form: a domain is added, its records are published, and it becomes SUCCESS."""

import time
from ssl import SSLContext
from typing import Any

import httpx2

from letterhead.core.dns.records import split_text
from tests.rigs.dns_lab import DnsLab
from tests.rigs.waiting import until

SLOWEST = 120.0  # a container of another architecture, or a machine that is busy with other things


def wait_for_first_answer(url: str, began: float, verify: SSLContext | bool = True) -> float:
    """Wait until a service answers, and return the seconds since `began`, a time of `time.monotonic()`."""

    def answers() -> bool:
        try:
            return httpx2.get(f"{url}/status", trust_env=False, timeout=2, verify=verify).is_success
        except httpx2.HTTPError:
            return False

    until(answers, SLOWEST)
    return time.monotonic() - began


def run_main_job(url: str, key: str, lab: DnsLab, zone: str, verify: SSLContext | bool = True) -> float:
    """Add a zone of the lab as a domain, publish what is asked for, and return the seconds until SUCCESS."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=url, headers=headers, trust_env=False, timeout=30, verify=verify) as client:
        added = client.post("/domains", json={"sender": zone})
        assert added.status_code == 200, added.text
        (domain,) = (each for each in added.json() if each["sender"] == zone)
        for record in domain["verificationRecords"].values():
            publish(lab, record)
        until(lambda: client.get(f"/domains/{zone}").json()["status"] == "SUCCESS", SLOWEST)
    return time.monotonic() - began


def publish(lab: DnsLab, record: dict[str, Any]) -> None:
    """Publish one record as the API returns it."""
    value = str(record["recordValue"])
    match record["recordType"]:
        case "TXT":
            value = " ".join(f'"{piece}"' for piece in split_text(value))
        case "MX":
            value = f"{record['priority']} {value}."
        case _:
            value += "."
    lab.publish(record["host"], record["recordType"], value)
