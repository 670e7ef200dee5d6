"""Read a zone case: zone text with a plan and the findings that it must give, and no others.

The head of a case is comments: `; sender: acme.dev`, `; mail-from: lh` (or `none`), `; finds: code code`, and where
the plan is not the usual one `; zone: name`, `; signer: name` (whose DKIM key it is), `; mx: host`, `; key: base64`,
`; ed25519: base64`, `; dkim-cname: target`, `; slots: token.zone` (delegated keys), `; old-selectors: a b`,
`; present-until: time`, `; special-use: yes`, `; public-suffix: yes`. `; selectors: a b` is a check without a
plan, of these selectors and of the MAIL FROM domain where the head names one; `; verdict: pass` is what the command
`letterhead check` then concludes.
`; says: words | others` are parts of the details and fixes, `; never: words | others` stand in none of them.

In the text `{dkim}`, `{mx}`, `{spf}`, `{dmarc}` and `{ed25519}` stand for the right records' lines, `{ns}` for the
zone's SOA and NS, `{dkim.data}` and so on for type and value alone (`lh1._domainkey.acme.dev {dkim.data}`),
`{dkim.text}` for the value as it is typed, `{p}` for the key in base64, `{p[0:99]}` and `{p.lower}` for parts of it.
`{txt:…}` is a TXT record of a text of any length, in UTF-8. With delegated keys `{dkim}` and `{next}` are the two
CNAMEs, and `{served}` is the key in our own zone.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from letterhead.adapters.dns.hosts import load_hosts
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.check import check
from letterhead.core.check.check import NO_HISTORY, CheckJudgement
from letterhead.core.dkim import topic
from letterhead.core.dns.records import quote, split_text, zone_line
from letterhead.core.domain.domain import KeyDelegation
from letterhead.core.findings.diagnosis import History
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.plan.plan import Plan, PlannedRecord, RecordId
from letterhead.operations.dns_questions import DnsRequest, ask_until_answered
from tests.core import samples

HOSTS = load_hosts()
FOLDER = Path(__file__).parent
RESOLVER = "192.0.2.53"  # the address by which findings name the resolver (RFC 5737)


@dataclass(frozen=True, slots=True)
class Case:
    """One case as it was read."""

    name: str
    plan: Plan
    text: str
    finds: frozenset[str]
    history: History = NO_HISTORY
    verdict: str | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def cases() -> list[Case]:
    """Read all cases of the folder."""
    return [read(path) for path in sorted(FOLDER.rglob("*.zone"))]


def read(path: Path) -> Case:
    """Read one case."""
    text = path.read_text("utf-8")
    head = dict(re.findall(r"^; ([a-z0-9-]+): *(.*)$", text, re.MULTILINE))
    sender = head.get("sender", "acme.dev")
    label = head.get("mail-from", "lh")
    token, _, home = head.get("slots", "").partition(".")
    slots = KeyDelegation(zone=home, token=token) if home else None
    plan = samples.plan(sender, zone=head.get("zone", sender), mail_from=label != "none", label=label, slots=slots)
    plan = samples.signed_by(plan, head.get("signer") or sender)
    if "ed25519" in head:
        second = topic.planned_ed25519_record(sender, "ed1", head["ed25519"])
        plan = replace(plan, records=(*plan.records, second))
    plan = replace(plan, records=tuple(_planned(each, head) for each in plan.records))
    filled = _filled(text, plan)
    if "selectors" in head:
        mail_from = f"{label}.{sender}" if "mail-from" in head else None
        plan = check.plan_unknown(sender, plan.zone, head["selectors"].split(), mail_from)
    says, never = (tuple(filter(None, head.get(key, "").split(" | "))) for key in ("says", "never"))
    finds = frozenset(head["finds"].split())
    return Case(path.stem, plan, filled, finds, _history(head), head.get("verdict"), says, never)


def _planned(record: PlannedRecord, head: dict[str, str]) -> PlannedRecord:
    """Change a usual record as the head of the case wants it."""
    match record.id:
        case RecordId.DKIM if "dkim-cname" in head:
            return replace(record, rdtype="CNAME", value=head["dkim-cname"])
        case RecordId.DKIM if "key" in head:
            return replace(record, value=record.value.replace(samples.KEY, head["key"]))
        case RecordId.MAIL_FROM_MX if "mx" in head:
            return replace(record, value=head["mx"])
        case _:
            return record


def _history(head: dict[str, str]) -> History:
    until = head.get("present-until")
    return History(
        old_selectors=tuple(head.get("old-selectors", "").split()),
        present_until=datetime.fromisoformat(until) if until else None,
        special_use="special-use" in head,
        public_suffix="public-suffix" in head,
    )


def _filled(text: str, plan: Plan) -> str:
    origin = plan.zone
    names = {
        "dkim": "dkim", "dkim_next": "next", "dkim_ed25519": "ed25519", "mail_from_mx": "mx", "mail_from_spf": "spf",
        "dmarc": "dmarc",
    }  # fmt: skip
    lines = {names[each.id]: zone_line(each.host, each.rdtype, each.value, each.priority) for each in plan.records}
    data = {f"{name}.data": line.split(" ", 1)[1] for name, line in lines.items()}
    soa = f"{origin}. 3600 IN SOA ns1.{origin}. hostmaster.{origin}. 1 7200 3600 1209600 600"
    servers = [f"{origin}. 3600 IN NS ns{number}.{origin}." for number in (1, 2)]
    addresses = [f"ns{number}.{origin}. 3600 IN A 192.0.2.{number}" for number in (1, 2)]
    texts = {f"{names[each.id]}.text": each.value for each in plan.records}
    served = {"served": "\n".join(zone_line(each.host, each.rdtype, each.value) for each in plan.served)}
    places = {"ns": "\n".join([soa, *servers, *addresses]), **lines, **data, **texts, **served}
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    text = re.sub(r"\{p(?:\[(\d*):(\d*)\]|\.(lower|upper))?\}", lambda hit: _key(plan, *hit.groups()), text)
    return re.sub(r"\{txt:(.*)\}$", lambda hit: txt(hit[1]), text, flags=re.MULTILINE)


def _key(plan: Plan, start: str | None, end: str | None, case: str | None) -> str:
    key = (plan.served or plan.records)[0].value.partition("p=")[2]
    cased = key.lower() if case == "lower" else key.upper() if case == "upper" else key
    return cased[int(start or 0) : int(end or len(key))]


def txt(text: str) -> str:
    """Write a TXT record's type and strings."""
    octets = text.encode().decode("latin-1")
    return "TXT " + " ".join(quote(piece) for piece in split_text(octets))


def examine(case: Case, language: Language = ENGLISH) -> tuple[CheckJudgement, int]:
    """Run a whole check on a case; return what was found and how many questions it took."""
    return asyncio.run(_examine(case, language))


async def _examine(case: Case, language: Language) -> tuple[CheckJudgement, int]:
    resolver = ZoneFileResolver(case.text, resolver=RESOLVER, asked=case.plan.zone)
    history = replace(case.history, zone_text=resolver.notes)
    seen = await ask_until_answered(resolver, DnsRequest(plan=case.plan, history=history))
    return check.examine(case.plan, seen, HOSTS, history, language), len(seen)
