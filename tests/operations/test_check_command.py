"""`letterhead check` against real servers: by its own resolvers and port, without a service."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from letterhead.core.check.check import plan_for
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.plan.plan import PlannedRecord
from tests.core import samples
from tests.operations.test_real_dns import publish
from tests.rigs.command import letterhead
from tests.rigs.dns_lab import BOGUS, DnsLab

pytestmark = pytest.mark.usefixtures("provider")
PATH = ReturnPath(mx_host="bounces.mail.test", mx_priority=10, spf="include:spf.mail.test")


def planned(sender: str) -> tuple[PlannedRecord, ...]:
    """Plan what the lab's mail provider asks for."""
    return plan_for(samples.domain(sender, mail_from=f"lh.{sender}"), PATH).records


async def checked(lab: DnsLab, folder: Path, sender: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Compare a domain with its plan, as the lab's servers tell it."""
    plan = folder / "plan.json"
    records = [
        {"id": one.id, "host": one.host, "recordType": one.rdtype, "recordValue": one.value, "priority": one.priority}
        for one in planned(sender)
    ]
    plan.write_text(json.dumps({"records": records}), "utf-8")
    servers = (
        "--resolver", f"127.0.0.1:{lab.resolver_port}", "--authoritative-port", str(lab.authoritative_port),
    )  # fmt: skip
    done = await asyncio.to_thread(
        letterhead, "check", sender, "--expect", str(plan), *servers, "--json", *more, folder=folder
    )
    assert done.out, done.err
    return done.code, json.loads(done.out)


def codes(told: dict[str, Any]) -> set[str]:
    return {each["code"] for each in told["findings"]}


async def test_what_is_published_passes_and_what_is_not_is_named(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """The same domain before and after its records are there."""
    code, told = await checked(lab, tmp_path, zone)
    assert (code, told["verdict"]) == (1, "fail")
    assert codes(told) == {"dkim.missing", "mail-from.mx-missing", "mail-from.spf-missing", "dmarc.missing"}
    for record in planned(zone):
        publish(lab, record)
    lab.flush()
    _, told = await checked(lab, tmp_path, zone)
    assert [each["verdict"] for each in told["records"]] == ["present"] * 4
    assert codes(told) == set()


async def test_a_doubled_name_is_found_at_real_servers(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """The record stands below a name that exists for its sake alone."""
    dkim, *others = planned(zone)
    for record in others:
        publish(lab, record)
    lab.publish(f"{dkim.host}.{zone}", "TXT", *_txt(dkim.value))
    lab.flush()
    code, told = await checked(lab, tmp_path, zone)
    assert (code, codes(told)) == (1, {"dkim.name-doubled"})


async def test_bad_signatures_fail(lab: DnsLab, tmp_path: Path) -> None:
    """The server has the records, the validating resolver rejects them: blocking, with exit 1."""
    sender = f"checked.{BOGUS}"
    for record in planned(sender):
        publish(lab, record)
    lab.flush()
    code, told = await checked(lab, tmp_path, sender)
    assert (code, codes(told)) == (1, {"zone.dnssec-bogus"})


async def test_a_remembered_absence_is_told_with_its_end(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """Asked too early: the servers have the record by now, the resolver does not, and until when is said."""
    await checked(lab, tmp_path, zone)  # which makes the resolver remember
    for record in planned(zone):
        publish(lab, record)
    code, told = await checked(lab, tmp_path, zone)
    assert (code, told["verdict"]) == (5, "inconclusive")
    assert codes(told) == {"zone.negative-cached"}
    assert " UTC" in told["findings"][0]["fix"]


async def test_selectors_are_guessed(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """Without a plan and a selector the common ones are tried, and what is found is looked at."""
    lab.publish(f"google._domainkey.{zone}", "TXT", *_txt("v=DKIM1; k=rsa; p="))
    lab.flush()
    servers = ("--resolver", f"127.0.0.1:{lab.resolver_port}", "--authoritative-port", str(lab.authoritative_port))
    done = await asyncio.to_thread(letterhead, "check", zone, *servers, folder=tmp_path)
    assert "dkim.retired" in done.out
    assert "a guess" in done.out
    assert done.code == 0  # a retired key is legal, and that no other was guessed says nothing


def _txt(value: str) -> tuple[str, ...]:
    return (" ".join(f'"{value[at : at + 250]}"' for at in range(0, len(value), 250)),)
