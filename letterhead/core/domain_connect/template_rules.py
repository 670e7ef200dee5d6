"""The rules by which templates are checked: those of the published schema, of the public repository and its linter.

Each rule has the linter's code where it has one (https://github.com/Domain-Connect/dc-template-linter), and a name of
our own where it is only in the repository's guidelines or in the draft. What the linter only notes is a warning here:
such a template waits for a person, instead of being merged at once.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from letterhead.core.domain_connect.template import Template, TemplateRecord
from letterhead.core.names.host_names import HOST_NAME, NUMBER
from letterhead.core.names.ip_addresses import read_address

ErrorOrWarning = Literal["error", "warning"]
TYPES: Final = frozenset({"A", "AAAA", "CNAME", "NS", "TXT", "MX", "SPFM", "SRV"})
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST: Final = re.compile(r"@|\*|[A-Za-z0-9_.%-]+")
_VARIABLE: Final = re.compile(r"%([^%]*)%")
_BARE: Final = re.compile(r"(?:%[^%]*%)+")
_SPF_TERM: Final = re.compile(r"[+~?-]?(?:(?:include|a|mx|ptr|ip4|ip6|exists)(?:[:/].*)?|(?:redirect|exp)=.*)")
MAX_TTL: Final = 2**31 - 1
# RFC 8552: the labels with an underscore that a mail template uses, and the types that they are for.
_UNDERSCORED: Final = {"_domainkey": ("TXT", "CNAME", "NS"), "_dmarc": ("TXT", "CNAME", "NS")}


class BrokenRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that a template breaks, with where and what."""

    rule: str
    severity: ErrorOrWarning
    detail: str


def file_name(template: Template) -> str:
    """Return the name that the file has in the public repository."""
    return f"{template.provider_id}.{template.service_id}.json".lower()


def broken_rules(template: Template) -> tuple[BrokenRule, ...]:
    """Return the rules that a template breaks, the errors first."""
    found = [*check_fields(template), *check_groups(template)]
    for number, record in enumerate(template.records, 1):
        where = f"record {number} ({record.type} {record.host})"
        found += check_record(where, template, record)
        found += check_variables(where, record)
    return tuple(sorted(found, key=lambda each: each.severity != "error"))


def _error(rule: str, detail: str) -> BrokenRule:
    return BrokenRule(rule=rule, severity="error", detail=detail)


def _warning(rule: str, detail: str) -> BrokenRule:
    return BrokenRule(rule=rule, severity="warning", detail=detail)


def check_fields(template: Template) -> Iterator[BrokenRule]:
    """Yield what is wrong with the fields of the template itself."""
    for name, value in (("providerId", template.provider_id), ("serviceId", template.service_id)):
        if not _ID.fullmatch(value):
            yield _error("DCTL1002", f"{name} {value!r} is not of letters, digits, dots, hyphens and underscores.")
    for name, value, most in (
        ("providerName", template.provider_name, 64),
        ("serviceName", template.service_name, 255),
    ):
        if not 0 < len(value) <= most:
            yield _error("DCTL1005", f"{name} has {len(value)} characters; 1 to {most} are allowed.")
        if value.count("%") > 1:
            yield _error("DCTL1009", f"{name} {value!r} holds a variable.")
    if template.logo_url is not None and not re.fullmatch(r"https?://[^\s]+", template.logo_url):
        yield _error("DCTL1005", "logoUrl is no web address.")
    if not template.version:
        yield _warning("DCTL1006", "version is missing or 0; count it from 1.")
    if template.sync_pub_key_domain is None:
        yield _error("DCTL1029", "syncPubKeyDomain is missing: requests could not be proven to be yours.")
    elif not _is_domain(template.sync_pub_key_domain):
        yield _error("DCTL1022", f"syncPubKeyDomain {template.sync_pub_key_domain!r} is no domain of two labels.")
    if template.sync_pub_key_domain is not None and template.warn_phishing:
        yield _error("DCTL1028", "warnPhishing and syncPubKeyDomain exclude each other.")
    if template.sync_block:
        yield _error("sync-block", "syncBlock forbids the links that this service makes.")
    if template.sync_redirect_domain is None:
        yield _warning("sync-redirect-domain", "syncRedirectDomain is missing: set LETTERHEAD_PUBLIC_URL to a domain.")
    for each in (template.sync_redirect_domain or "").split(","):
        if each and not _is_domain(each.strip()):
            yield _error("DCTL1022", f"syncRedirectDomain holds {each!r}, which is no domain of two labels.")
        if each != each.strip():
            yield _warning("DCTL1026", "syncRedirectDomain holds spaces.")
    if not template.records:
        yield _error("DCTL1030", "There are no records.")


def check_groups(template: Template) -> Iterator[BrokenRule]:
    """Yield what is wrong with records beside each other: groups, repetitions, a CNAME beside others."""
    groups = [record.group_id for record in template.records]
    if None in groups and len(set(groups)) > 1:
        yield _warning("DCTL1032", "Some records have a groupId and some have none.")
    if len(groups) > 1 and len(set(groups)) == 1 and groups[0] is not None:
        yield _warning("DCTL1031", f"All records have the groupId {groups[0]!r}.")
    if any(count > 1 for count in Counter(map(msgspec.json.encode, template.records)).values()):
        yield _warning("DCTL1023", "A record is there twice.")
    types: dict[tuple[str | None, str], set[str]] = {}
    for record in template.records:
        types.setdefault((record.group_id, record.host), set()).add(record.type)
    for (_, host), there in types.items():
        if "CNAME" in there and len(there) > 1:
            yield _error("DCTL1011", f"{host} has a CNAME and other records.")


def check_record(where: str, template: Template, record: TemplateRecord) -> Iterator[BrokenRule]:
    """Yield what is wrong with the fields of one record."""
    if record.type not in TYPES:
        yield _warning("DCTL1016", f"{where} has a type that few DNS hosts know.")
    if record.essential not in (None, "Always", "OnApply"):
        yield _error("DCTL1005", f"{where} has an unknown value of essential.")
    if not record.host:
        yield _error("DCTL1013", f"{where} has no host.")
    elif not _HOST.fullmatch(record.host):
        yield _error("DCTL1027", f"{where} has a host with other characters than names have.")
    if record.host == "@" and record.type in ("CNAME", "NS") and not template.host_required:
        yield _error("DCTL1012", f"{where} would stand at the domain itself.")
    if record.type in ("CNAME", "NS", "MX") and not record.points_to:
        yield _error("DCTL0008", f"{where} has no pointsTo.")
    if record.type in ("A", "AAAA"):
        address = read_address(record.points_to or "")
        if "%" not in (record.points_to or "") and (
            address is None or (address.version == 6) != (record.type == "AAAA")
        ):
            yield _error("DCTL1034", f"{where} points to no address of its type.")
    if record.type == "MX" and not 0 <= (record.priority if record.priority is not None else -1) <= MAX_TTL:
        yield _error("DCTL1015", f"{where} has no valid priority.")
    if record.ttl is not None and not 0 < record.ttl <= MAX_TTL:
        yield _error("DCTL1015", f"{where} has no valid ttl.")
    yield from check_txt(where, record)
    yield from check_labels(where, record)
    if record.type == "SPFM":
        yield from check_spf(where, record.spf_rules or "")


def check_txt(where: str, record: TemplateRecord) -> Iterator[BrokenRule]:
    """Yield what is wrong with a TXT: no SPF, and a mode where it must be the only one."""
    if record.type != "TXT":
        return
    mode, prefix = record.txt_conflict_matching_mode, record.txt_conflict_matching_prefix
    if not record.data:
        yield _error("DCTL0008", f"{where} has no data.")
    if "v=spf1" in (record.data or ""):
        yield _error("DCTL1014", f"{where} is an SPF record; SPFM merges with the one that is there.")
    if mode not in (None, "None", "All", "Prefix"):
        yield _error("DCTL1005", f"{where} has an unknown txtConflictMatchingMode.")
    if mode == "Prefix" and not prefix:
        yield _error("DCTL1013", f"{where} has no txtConflictMatchingPrefix.")
    if "%" in (prefix or ""):
        yield _error("DCTL1009", f"{where} has a variable in txtConflictMatchingPrefix.")
    if mode in (None, "None") and ("_domainkey" in record.host or "_dmarc" in record.host):
        yield _error("txt-conflict-matching", f"{where} must be the only one: it needs txtConflictMatchingMode.")
    if _BARE.fullmatch(record.data or ""):
        yield _error("bare-variable", f"{where} leaves its whole value to the link.")


def check_labels(where: str, record: TemplateRecord) -> Iterator[BrokenRule]:
    """Yield underscores that are not registered for the type (RFC 8552)."""
    for label in record.host.lower().split("."):
        if "_" in re.sub(_VARIABLE, "", label)[1:]:
            yield _warning("DCTL1025", f"{where} has an underscore within the label {label!r}.")
        elif label.startswith("_") and record.type not in _UNDERSCORED.get(label, ()):
            yield _warning("DCTL1021", f"{where} has the label {label!r}, which is not registered for its type.")


def check_spf(where: str, rules: str) -> Iterator[BrokenRule]:
    """Yield what does not go into spfRules."""
    terms = rules.lower().split()
    if not terms:
        yield _error("DCTL1013", f"{where} has no spfRules.")
    for term in terms:
        if "%" not in term and not _SPF_TERM.fullmatch(term):
            yield _error("DCTL1017", f"{where} has the term {term!r}, which does not go into spfRules.")
    for name in ("redirect=", "exp="):
        if sum(term.startswith(name) for term in terms) > 1:
            yield _error("DCTL1018", f"{where} has {name} twice.")


def check_variables(where: str, record: TemplateRecord) -> Iterator[BrokenRule]:
    """Yield variables that are too wide, badly written, or where none may be."""
    if "%" in record.type or "%" in (record.group_id or ""):
        yield _error("DCTL1009", f"{where} has a variable in its type or groupId.")
    if _BARE.fullmatch(record.host) or _BARE.fullmatch(record.points_to or ""):
        yield _error("DCTL1040", f"{where} leaves its whole host or pointsTo to the link.")
    for text in (record.host, record.points_to, record.data, record.spf_rules, record.txt_conflict_matching_prefix):
        if text is None:
            continue
        if text.count("%") % 2:
            yield _error("DCTL1020", f"{where} has a variable without an end.")
        if "%host%" in text:
            yield _warning("DCTL1024", f"{where} names %host%, which hosts add by themselves.")
        if any(not re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in _VARIABLE.findall(text)):
            yield _warning("DCTL1019", f"{where} has a variable with other characters than letters, digits, _ and -.")


def _is_domain(name: str) -> bool:
    name = name.lower().removesuffix(".")
    return bool(HOST_NAME.fullmatch(name)) and "." in name and not NUMBER.fullmatch(name.rpartition(".")[2])
