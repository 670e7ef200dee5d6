"""Knows the MAIL FROM domain's MX (RFC 5321 5.1): bounces must come back to the provider. Knows no provider by name.

How a wrong MX differs from the planned one tells what happened: another region, another ending, our zone behind it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from letterhead.core.dns.answers import NoData, NxDomain, Question, Reply, View
from letterhead.core.dns.records import Mx, Rdata
from letterhead.core.findings import misplaced
from letterhead.core.findings.candidate_names import rdatas_of
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Match, RuleInput, Topic
from letterhead.core.findings.repairs import remove_name_escapes
from letterhead.core.mail_from import diagnoses as faults
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict

# The ends of the hosts to which large mailbox services have their customers' MX point.
MAILBOX_HOSTS = (
    *("google.com", "googlemail.com", "psmtp.com", "outlook.com", "office365.us", "mx.microsoft", "icloud.com"),
    *("zoho.com", "zoho.eu", "zoho.in", "zohomail.com", "protonmail.ch", "messagingengine.com", "yahoodns.net"),
    *("secureserver.net", "emailsrvr.com", "mimecast.com", "pphosted.com", "ppe-hosted.com", "iphmx.com"),
    *("ionos.com", "ionos.de", "kundenserver.de", "1and1.com", "ovh.net", "gandi.net", "registrar-servers.com"),
    *("privateemail.com", "migadu.com", "mailbox.org", "yandex.net", "mail.ru", "qq.com", "titan.email"),
    *("mailgun.org", "sendgrid.net", "mx.cloudflare.net", "forwardemail.net", "improvmx.com", "hostinger.com"),
)


_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*")  # RFC 1123 2.1
# Where a host ends like this before the zone begins, somebody typed the whole host without its final dot.
_ENDINGS = frozenset({"com", "net", "org", "io", "eu", "de", "email", "cloud"})


def planned(mail_from: str, mx_host: str, mx_priority: int) -> PlannedRecord:
    """Says the MX to publish at the MAIL FROM domain."""
    return PlannedRecord(id=RecordId.MAIL_FROM_MX, host=mail_from, rdtype="MX", value=mx_host, priority=mx_priority)


def unknown(mail_from: str) -> PlannedRecord:
    """Says where the MX stands of which we don't know the host: any hosts that can take bounces will do."""
    return PlannedRecord(id=RecordId.MAIL_FROM_MX, host=mail_from, rdtype="MX", value="", exact=False)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether the planned host is the one MX there; its priority does not matter when it is alone."""
    if not record.exact:
        hosts = [rdata.exchange for rdata in rdatas if isinstance(rdata, Mx)]
        return bool(hosts) and all(_can_receive(host, record) for host in hosts)
    return len(rdatas) == 1 and isinstance(rdatas[0], Mx) and rdatas[0].exchange == _wanted(record)


def _can_receive(host: str, record: PlannedRecord) -> bool:
    return bool(_HOST.fullmatch(host)) and not _address(host, record) and not _zone_appended(host, record)


def _wanted(record: PlannedRecord) -> str:
    return record.value.rstrip(".").lower()


def _hosts(rule_input: RuleInput, result: RecordResult) -> list[str]:
    """Lists the MX hosts that are there instead of the planned one alone."""
    if result.verdict is not Verdict.WRONG:
        return []
    return [rdata.exchange for rdata in rdatas_of(rule_input, result.record) if isinstance(rdata, Mx)]


# --- several, or none -----------------------------------------------------------------------------------------------


def _null(rule_input: RuleInput, result: RecordResult) -> Match | None:
    return Match() if "" in _hosts(rule_input, result) else None


def _extra(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Holds where the planned MX, or what it was meant to be, is there among others."""
    hosts = _hosts(rule_input, result)
    others = [host for host in hosts if host != _wanted(result.record)]
    if len(hosts) < 2 or len(others) == len(hosts):
        return None
    return Match(places={"others": ", ".join(others)})


def _in_use(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Holds where somebody else's mail service has the label: several hosts, or one of a mailbox service."""
    hosts = _hosts(rule_input, result)
    ours = [host for host in hosts if any(_meant(host, result.record) for _meant in _MEANT)]
    known = [host for host in hosts if _belongs(host, MAILBOX_HOSTS)]
    return Match() if result.record.exact and not ours and (len(hosts) > 1 or known) else None


def _belongs(host: str, ends: Iterable[str]) -> bool:
    return any(host == end or host.endswith(f".{end}") for end in ends)


# --- one, but not the planned one -----------------------------------------------------------------------------------


def _address(host: str, record: PlannedRecord) -> bool:
    """Says whether a host is an IP address, also with our zone behind it."""
    text = remove_name_escapes(host)
    above = record.host
    while above:
        text = text.removesuffix(f".{above}")
        above = above.partition(".")[2]
    try:
        ipaddress.ip_address(text.strip("[] ").removeprefix("ipv6:"))
    except ValueError:
        return False
    return True


def _zone_appended(host: str, record: PlannedRecord) -> bool:
    """Says whether a host is the planned one, or nearly, with one of the names above the record behind it."""
    above = record.host
    while above and not host.endswith(f".{above}"):
        above = above.partition(".")[2]
    bare = host.removesuffix(f".{above}")
    wanted = _wanted(record)
    if not above or bare == host or _belongs(wanted, [above]):
        return False
    if not record.exact:
        return "." in above and "." in bare and bare.rpartition(".")[2] in _ENDINGS
    return bare == wanted or wanted.startswith(f"{bare}.") or _wrong_region(bare, record) or _wrong_suffix(bare, record)


def _wrong_region(host: str, record: PlannedRecord) -> bool:
    """Says whether exactly one label in the middle is another one, left out or too many."""
    theirs, ours = host.split("."), _wanted(record).split(".")
    if len(ours) < 3 or theirs[0] != ours[0] or theirs[-2:] != ours[-2:] or theirs == ours:
        return False
    inside = theirs[1:-2], ours[1:-2]
    if len(theirs) == len(ours):
        return sum(here != there for here, there in zip(*inside, strict=True)) == 1
    shorter, longer = sorted(inside, key=len)
    gaps = (longer[:at] + longer[at + 1 :] for at in range(len(longer)))
    return len(longer) - len(shorter) == 1 and shorter in gaps


def _wrong_suffix(host: str, record: PlannedRecord) -> bool:
    """Says whether a host begins as the planned one does and ends otherwise; short names need a half of the end."""
    theirs, ours = host.split("."), _wanted(record).split(".")
    begin = len(ours) - 2
    if begin < 1 or theirs == ours or theirs[:begin] != ours[:begin] or len(theirs) <= 1:
        return False
    return begin > 1 or bool(set(theirs[begin:]) & set(ours[begin:]))


_MEANT = (_zone_appended, _wrong_region, _wrong_suffix)


def _one(diagnosis: Diagnosis, holds: Callable[[str, PlannedRecord], bool]) -> DiagnosisRule:
    """Makes a rule of what the MX hosts that stand there tell, each for itself."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        hit = next((host for host in _hosts(rule_input, result) if holds(host, result.record)), None)
        return Match(places={"found": hit}) if hit is not None else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _otherwise(_: RuleInput, result: RecordResult) -> Match | None:
    return Match() if result.verdict is Verdict.WRONG else None


# --- advice on the right one ----------------------------------------------------------------------------------------


def _priority(rule_input: RuleInput, result: RecordResult) -> Match | None:
    record = result.record
    if result.verdict is not Verdict.PRESENT or record.priority is None:
        return None
    found = [rdata.preference for rdata in rdatas_of(rule_input, record) if isinstance(rdata, Mx)]
    return Match(places={"found": str(found[0])}) if found and found[0] != record.priority else None


def _asks(rule_input: RuleInput) -> Iterator[Question]:
    """Asks for the addresses of the planned host, once it is published."""
    result = rule_input.result_of(RecordId.MAIL_FROM_MX)
    if result is not None and result.verdict is Verdict.PRESENT:
        first, second = (_of_target(rule_input, result, rdtype) for rdtype in ("A", "AAAA"))
        yield first
        if any(isinstance(reply.answer, NoData) for reply in rule_input.seen.get(first, ())):
            yield second


def _of_target(rule_input: RuleInput, result: RecordResult, rdtype: str) -> Question:
    return Question(name=_target(rule_input, result), rdtype=rdtype, view=View.ONE_RESOLVER)


def _target(rule_input: RuleInput, result: RecordResult) -> str:
    """Names the planned host; where none is planned, the one that is there and preferred."""
    found = [rdata for rdata in rdatas_of(rule_input, result.record) if isinstance(rdata, Mx)]
    if result.record.exact or not found:
        return _wanted(result.record)
    return min(found, key=lambda rdata: rdata.preference).exchange


def _addresses(rule_input: RuleInput, result: RecordResult) -> list[Reply]:
    if result.verdict is not Verdict.PRESENT:
        return []
    return [
        reply for rdtype in ("A", "AAAA") for reply in rule_input.seen.get(_of_target(rule_input, result, rdtype), ())
    ]


def _cname(rule_input: RuleInput, result: RecordResult) -> Match | None:
    for reply in _addresses(rule_input, result):
        aliases = getattr(reply.answer, "aliases", ())
        if aliases:
            places = {"found": aliases[-1], "value": _target(rule_input, result)}
            return Match(places=places, observed=(f"CNAME {aliases[0]}",))
    return None


def _no_address(rule_input: RuleInput, result: RecordResult) -> Match | None:
    replies = _addresses(rule_input, result)
    gone = any(isinstance(reply.answer, NxDomain) for reply in replies)
    empty = len(replies) > 1 and all(isinstance(reply.answer, NoData) for reply in replies)
    return Match(places={"value": _target(rule_input, result)}) if gone or empty else None


TOPIC = Topic(
    name="mail-from",
    records=(RecordId.MAIL_FROM_MX,),
    accepts=accepts,
    explains=(
        *misplaced.rules("mail-from", accepts),
        DiagnosisRule(diagnosis=faults.MX_MISSING, holds=misplaced.absent),
        DiagnosisRule(diagnosis=faults.MX_NULL, holds=_null),
        DiagnosisRule(diagnosis=faults.MX_EXTRA, holds=_extra),
        _one(faults.MX_IS_ADDRESS, _address),
        DiagnosisRule(diagnosis=faults.IN_USE, holds=_in_use),
        _one(faults.MX_ZONE_APPENDED, _zone_appended),
        _one(faults.MX_WRONG_REGION, _wrong_region),
        _one(faults.MX_WRONG_SUFFIX, _wrong_suffix),
        DiagnosisRule(diagnosis=faults.MX_WRONG_HOST, holds=_otherwise),
    ),
    advises=(
        DiagnosisRule(diagnosis=faults.MX_PRIORITY, holds=_priority),
        DiagnosisRule(diagnosis=faults.MX_IS_CNAME, holds=_cname),
        DiagnosisRule(diagnosis=faults.MX_NO_ADDRESS, holds=_no_address),
    ),
    probes=misplaced.probes,
    asks=_asks,
)
