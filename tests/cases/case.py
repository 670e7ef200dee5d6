"""Reads a zone case: zone text with a plan and the findings that it must give, and no others.

The head of a case is comments: `; sender: acme.dev`, `; mail-from: lh` (or `none`), `; finds: code code`. In the text
`{dkim}`, `{mx}`, `{spf}` and `{dmarc}` stand for the right records' lines, `{ns}` for the zone's SOA and NS,
`{dkim.data}` and so on for type and value alone (`lh1._domainkey.acme.dev {dkim.data}`), `{p}` for the key in base64.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core import checkup
from letterhead.core.answers import Question, Reply
from letterhead.core.checkup import Examination
from letterhead.core.plan import Plan
from letterhead.core.records import zone_line
from letterhead.ports import Allowance
from tests.core import scenes

FOLDER = Path(__file__).parent
ROUNDS = 16


@dataclass(frozen=True, slots=True)
class Case:
    """Holds one case as it was read."""

    name: str
    plan: Plan
    text: str
    finds: frozenset[str]


def cases() -> list[Case]:
    """Reads all cases of the folder."""
    return [read(path) for path in sorted(FOLDER.rglob("*.zone"))]


def read(path: Path) -> Case:
    """Reads one case."""
    text = path.read_text("utf-8")
    head = dict(re.findall(r"^; ([a-z-]+): *(.*)$", text, re.MULTILINE))
    sender = head.get("sender", "acme.dev")
    label = head.get("mail-from", "lh")
    plan = scenes.plan(sender, zone=head.get("zone", sender), mail_from=label != "none", label=label)
    return Case(path.stem, plan, _filled(text, plan), frozenset(head["finds"].split()))


def _filled(text: str, plan: Plan) -> str:
    origin = plan.zone
    names = {"dkim": "dkim", "mail_from_mx": "mx", "mail_from_spf": "spf", "dmarc": "dmarc"}
    lines = {names[each.id]: zone_line(each.host, each.rdtype, each.value, each.priority) for each in plan.records}
    data = {f"{name}.data": line.split(" ", 1)[1] for name, line in lines.items()}
    soa = f"{origin}. 3600 IN SOA ns1.{origin}. hostmaster.{origin}. 1 7200 3600 1209600 600"
    servers = [f"{origin}. 3600 IN NS ns{number}.{origin}." for number in (1, 2)]
    addresses = [f"ns{number}.{origin}. 3600 IN A 192.0.2.{number}" for number in (1, 2)]
    places = {"ns": "\n".join([soa, *servers, *addresses]), "p": scenes.KEY, **lines, **data}
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def examine(case: Case) -> tuple[Examination, int]:
    """Runs a whole check on a case; gives what was found and how many questions it took."""
    return asyncio.run(_examine(case))


async def _examine(case: Case) -> tuple[Examination, int]:
    resolver = ZoneFileResolver(case.text)
    seen: dict[Question, tuple[Reply, ...]] = {}
    for _ in range(ROUNDS):
        wanted = checkup.next_questions(case.plan, seen, thorough=True)
        if not wanted:
            break
        seen |= await resolver.ask(wanted, Allowance(packets=64, until=1e9))
    return checkup.examine(case.plan, seen), len(seen)
