"""The topic "mail-from": the MX of the MAIL FROM domain (RFC 5321 5.1), which brings bounces back to the provider.

No provider is known by name: how a wrong MX differs from the planned one shows the mistake, such as another region,
another suffix, or the customer's zone appended.
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
from letterhead.core.mail_from import diagnoses
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


def planned_record(mail_from: str, mx_host: str, mx_priority: int) -> PlannedRecord:
    """Return the MX that the customer must publish at the MAIL FROM domain."""
    return PlannedRecord(id=RecordId.MAIL_FROM_MX, host=mail_from, rdtype="MX", value=mx_host, priority=mx_priority)


def unplanned_record(mail_from: str) -> PlannedRecord:
    """Return the MX record to look for where its host is not known: any hosts that can take bounces will do."""
    return PlannedRecord(id=RecordId.MAIL_FROM_MX, host=mail_from, rdtype="MX", value="", exact=False)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Return whether the planned host is the only MX; its priority does not matter then."""
    if record.exact:
        once = list(dict.fromkeys(rdatas))  # RFC 2181 5: an RRset is a set
        return len(once) == 1 and isinstance(once[0], Mx) and once[0].exchange == _planned_host(record)
    hosts = [rdata.exchange for rdata in rdatas if isinstance(rdata, Mx)]
    return bool(hosts) and all(
        _HOST.fullmatch(host) and not is_address(host, record) and not has_zone_appended(host, record) for host in hosts
    )


def _planned_host(record: PlannedRecord) -> str:
    return record.value.rstrip(".").lower()


def _wrong_hosts(rule_input: RuleInput, result: RecordResult) -> list[str]:
    """Return the MX hosts that are there instead of the planned one alone."""
    if result.verdict is not Verdict.WRONG:
        return []
    return [rdata.exchange for rdata in rdatas_of(rule_input, result.record) if isinstance(rdata, Mx)]


# --- several, or none -----------------------------------------------------------------------------------------------


def extra_mx(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where the planned MX is there among others, or a second time with another priority."""
    if result.verdict is not Verdict.WRONG:
        return None
    record = result.record
    there = dict.fromkeys(rdata for rdata in rdatas_of(rule_input, record) if isinstance(rdata, Mx))
    planned = [mx for mx in there if mx.exchange == _planned_host(record)]
    if len(there) < 2 or not planned:
        return None
    kept = min(planned, key=lambda mx: (mx.preference != record.priority, mx.preference))
    again = [mx for mx in planned if mx is not kept]
    say = rule_input.language.text
    others = [mx.exchange or say("a dot (no mail)") for mx in there if mx not in planned]
    twice = [{"host": mx.exchange, "priority": mx.preference} for mx in again]
    told = (*others, *(say("{host} a second time, with the priority {priority}", **each) for each in twice))
    gone = (*others, *(say("{host} with the priority {priority}", **each) for each in twice))
    return Match(places={"others": ", ".join(told), "gone": ", ".join(gone), "kept": str(kept.preference)})


def used_by_other_service(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where another mail service has the name: several hosts, or one of a mailbox service, none of them meant."""
    if not result.record.exact:
        return None
    hosts = _wrong_hosts(rule_input, result)
    if any(is_slip(host, result.record) for host in hosts for is_slip in SLIPS):
        return None
    return Match() if len(hosts) > 1 or any(_is_below(host, MAILBOX_HOSTS) for host in hosts) else None


def _is_below(host: str, ends: Iterable[str]) -> bool:
    return any(host == end or host.endswith(f".{end}") for end in ends)


# --- one, but not the planned one -----------------------------------------------------------------------------------


def is_address(host: str, record: PlannedRecord) -> bool:
    """Return whether a host is an IP address, also with a part of the record's own name appended."""
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


def has_zone_appended(host: str, record: PlannedRecord) -> bool:
    """Return whether a host is the planned one, or nearly, with the record's name or a name above it appended."""
    above = record.host
    while above and not host.endswith(f".{above}"):
        above = above.partition(".")[2]
    bare = host.removesuffix(f".{above}")
    ours = _planned_host(record)
    if not above or bare == host or _is_below(ours, [above]):
        return False
    if not record.exact:
        return "." in above and "." in bare and bare.rpartition(".")[2] in _ENDINGS
    if bare == ours or ours.startswith(f"{bare}."):
        return True
    return has_wrong_region(bare, record) or has_wrong_suffix(bare, record)


def has_wrong_region(host: str, record: PlannedRecord) -> bool:
    """Return whether exactly one label in the middle of the planned host is replaced, left out or added."""
    theirs, ours = host.split("."), _planned_host(record).split(".")
    if len(ours) < 3 or theirs[0] != ours[0] or theirs[-2:] != ours[-2:] or theirs == ours:
        return False
    inside = theirs[1:-2], ours[1:-2]
    if len(theirs) == len(ours):
        return sum(here != there for here, there in zip(*inside, strict=True)) == 1
    shorter, longer = sorted(inside, key=len)
    gaps = (longer[:at] + longer[at + 1 :] for at in range(len(longer)))
    return len(longer) - len(shorter) == 1 and shorter in gaps


def has_wrong_suffix(host: str, record: PlannedRecord) -> bool:
    """Return whether only the last two labels of the planned host differ; of a short host one of them must agree."""
    theirs, ours = host.split("."), _planned_host(record).split(".")
    begin = len(ours) - 2
    if begin < 1 or theirs == ours or theirs[:begin] != ours[:begin] or len(theirs) <= 1:
        return False
    return begin > 1 or bool(set(theirs[begin:]) & set(ours[begin:]))


SLIPS = (has_zone_appended, has_wrong_region, has_wrong_suffix)


def _host_rule(diagnosis: Diagnosis, predicate: Callable[[str, PlannedRecord], bool]) -> DiagnosisRule:
    """Return the rule that matches the first wrong MX host for which the predicate is true."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        for host in _wrong_hosts(rule_input, result):
            if predicate(host, result.record):
                return Match(places={"found": host})
        return None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


# --- advice on the right one ----------------------------------------------------------------------------------------


def other_priority(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where the planned MX is there with another priority."""
    record = result.record
    if result.verdict is not Verdict.PRESENT or record.priority is None:
        return None
    found = [rdata.preference for rdata in rdatas_of(rule_input, record) if isinstance(rdata, Mx)]
    return Match(places={"found": str(found[0])}) if found and found[0] != record.priority else None


def questions(rule_input: RuleInput) -> Iterator[Question]:
    """Ask for the addresses of the MX host, once the MX is present."""
    result = rule_input.result_of(RecordId.MAIL_FROM_MX)
    if result is not None and result.verdict is Verdict.PRESENT:
        ipv4, ipv6 = _address_questions(rule_input, result)
        yield ipv4
        if any(isinstance(reply.answer, NoData) for reply in rule_input.seen.get(ipv4, ())):
            yield ipv6


def _address_questions(rule_input: RuleInput, result: RecordResult) -> tuple[Question, Question]:
    host = _mx_host(rule_input, result)
    return (
        Question(name=host, rdtype="A", view=View.ONE_RESOLVER),
        Question(name=host, rdtype="AAAA", view=View.ONE_RESOLVER),
    )


def _mx_host(rule_input: RuleInput, result: RecordResult) -> str:
    """Return the planned host; where none is planned, the preferred one of those that are there."""
    found = [rdata for rdata in rdatas_of(rule_input, result.record) if isinstance(rdata, Mx)]
    if result.record.exact or not found:
        return _planned_host(result.record)
    return min(found, key=lambda rdata: rdata.preference).exchange


def _address_replies(rule_input: RuleInput, result: RecordResult) -> list[Reply]:
    if result.verdict is not Verdict.PRESENT:
        return []
    questions = _address_questions(rule_input, result)
    return [reply for question in questions for reply in rule_input.seen.get(question, ())]


def host_is_cname(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where the MX host is an alias (RFC 2181 10.3)."""
    for reply in _address_replies(rule_input, result):
        aliases = getattr(reply.answer, "aliases", ())
        if aliases:
            places = {"found": aliases[-1], "value": _mx_host(rule_input, result)}
            return Match(places=places, observed=(f"CNAME {aliases[0]}",))
    return None


def host_without_address(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where the MX host does not exist, or has neither an IPv4 nor an IPv6 address."""
    replies = _address_replies(rule_input, result)
    missing = any(isinstance(reply.answer, NxDomain) for reply in replies)
    empty = len(replies) > 1 and all(isinstance(reply.answer, NoData) for reply in replies)
    return Match(places={"value": _mx_host(rule_input, result)}) if missing or empty else None


TOPIC = Topic(
    name="mail-from",
    records=(RecordId.MAIL_FROM_MX,),
    accepts=accepts,
    explains=(
        *misplaced.rules("mail-from", accepts),
        DiagnosisRule(diagnosis=diagnoses.MX_MISSING, holds=misplaced.absent),
        DiagnosisRule(
            diagnosis=diagnoses.MX_NULL,
            holds=lambda rule_input, result: Match() if "" in _wrong_hosts(rule_input, result) else None,
        ),
        DiagnosisRule(diagnosis=diagnoses.MX_EXTRA, holds=extra_mx),
        _host_rule(diagnoses.MX_IS_ADDRESS, is_address),
        DiagnosisRule(diagnosis=diagnoses.IN_USE, holds=used_by_other_service),
        _host_rule(diagnoses.MX_ZONE_APPENDED, has_zone_appended),
        _host_rule(diagnoses.MX_WRONG_REGION, has_wrong_region),
        _host_rule(diagnoses.MX_WRONG_SUFFIX, has_wrong_suffix),
        DiagnosisRule(
            diagnosis=diagnoses.MX_WRONG_HOST,
            holds=lambda _, result: Match() if result.verdict is Verdict.WRONG else None,
        ),
    ),
    advises=(
        DiagnosisRule(diagnosis=diagnoses.MX_PRIORITY, holds=other_priority),
        DiagnosisRule(diagnosis=diagnoses.MX_IS_CNAME, holds=host_is_cname),
        DiagnosisRule(diagnosis=diagnoses.MX_NO_ADDRESS, holds=host_without_address),
    ),
    probes=misplaced.probes,
    asks=questions,
)
