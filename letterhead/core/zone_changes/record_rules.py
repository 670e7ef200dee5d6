"""The rule for each planned record: what may be written at its name and type, and what belongs to somebody else."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.check.check import DIAGNOSES
from letterhead.core.dkim.key_record import without_whitespace
from letterhead.core.dmarc.tree_walk import policy_in_force, texts_at, walk
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.records import Mx, Rdata, RRset, Target, Txt, split_text
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.plan.plan import ANY_KEYS, PlannedRecord, RecordId, Verdict
from letterhead.core.spf import topic as spf_topic
from letterhead.core.spf.record import is_spf, parse_spf_record, texts
from letterhead.core.spf.spf_text import SpfText
from letterhead.core.zone_changes.changes import Action, PlannedChange
from letterhead.core.zone_changes.zone_answers import MOST_VALUES, target_of
from letterhead.core.zone_changes.zone_state import ZoneState

TTL: Final = 3600  # seconds, of a new record: no DNS host has a larger minimum
LONGEST_SPF: Final = 511  # octets: RFC 7208 3.4 wants less than 512
NEW_PLAN: Final = "then make a new plan"
LOOP: Final = "zone.cname-loop"
_TOPICS: Final = {RecordId.MAIL_FROM_MX: "mail-from", RecordId.MAIL_FROM_SPF: "mail-from", RecordId.DMARC: "dmarc"}
_BESIDE_ALIAS: Final = frozenset({"CNAME", "RRSIG", "NSEC", "KEY"})  # RFC 4035 2.5


class RecordRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one planned record meets in the zone; `own_keys` are keys of ours in base64, besides those of the plan."""

    state: ZoneState
    record: PlannedRecord
    own_keys: tuple[str, ...] = ()

    @property
    def there(self) -> RRset | None:
        """The RRset that stands at the record's name and type itself."""
        return self.state.answers.rrset(self.record.host, self.record.rdtype)

    @property
    def rdatas(self) -> tuple[Rdata, ...]:
        """The records of that RRset."""
        return self.there.rdatas if self.there else ()

    def keep(self, reason: str, code: str | None = None) -> PlannedChange:
        """Leave what stands there as it is."""
        return self._change(Action.KEEP, self.there, reason, code)

    def write(self, rdatas: Sequence[Rdata], reason: str) -> PlannedChange:
        """Let these records stand there; the TTL is kept."""
        there, answers = self.there, self.state.answers
        for name in answers.new_names(self.record.host):
            if (wildcard := answers.wildcard(name)) is not None and not name.startswith("_"):
                reason = (
                    f"{name} has no record of its own: {wildcard} answers for it, and would no longer (RFC 4592 2.2.2)."
                )
                fix = f"Add to {name} what {wildcard} answers for it, such as the addresses of a web site there"
                return self.refuse("zone.wildcard-answers", reason, fix)
        ttl = there.ttl if there else TTL
        after = RRset(owner=self.record.host, rdtype=self.record.rdtype, ttl=ttl, rdatas=tuple(rdatas))
        wildcard = self.state.answers.wildcard(self.record.host)
        more = f" The wildcard {wildcard} answers there no longer." if wildcard and not there else ""
        return self._change(Action.CHANGE if there else Action.CREATE, after, f"{reason}{more}")

    def refuse(self, code: str, reason: str, fix: str) -> PlannedChange:
        """Leave it as it is, since writing breaks something; what our own check finds about the record says it best."""
        found, alias = self.state.finding(self.record), self.state.answers.alias(self.record.host)
        if alias is not None and alias.rdtype == "DNAME":  # the check speaks of a CNAME, which is how it shows
            code = found.code if found is not None and not found.code.startswith("zone.") else code
        elif found is not None and not {code[:5], found.code[:5]} & {"zone."} and found.severity is not Severity.TIP:
            code, reason, fix = found.code, found.detail, found.fix
        return replace(self._change(Action.REFUSE, self.there, reason, code), fix=f"{fix.rstrip('.')}; {NEW_PLAN}.")

    def _change(self, action: Action, after: RRset | None, reason: str, code: str | None = None) -> PlannedChange:
        return PlannedChange(
            id=self.record.id,
            owner=self.record.host,
            rdtype=self.record.rdtype,
            action=action,
            before=self.there,
            after=after,
            reason=reason,
            code=code,
        )


def change_record(rule: RecordRule) -> PlannedChange:
    """Return what to do about one planned record."""
    record, answers = rule.record, rule.state.answers
    topic = _TOPICS.get(record.id, "dkim")
    cut = answers.cut(record.host) if is_in_zone(record.host, answers.zone) else record.host
    if cut is not None:
        reason = f"{record.host} lies in the zone {cut}, which other nameservers serve: nobody sees it in this one."
        fix = f"Publish it in the zone {cut}, or remove the NS records at {cut} from this zone"
        return rule.refuse("zone.subzone-delegated", reason, fix)
    alias, present = answers.alias(record.host), rule.state.is_present(record)
    if alias is not None and (record.rdtype != "CNAME" or alias.rdtype == "DNAME"):
        lead = f"{alias.owner} is a {alias.rdtype} to {target_of(alias.rdatas[0])}"
        if present:
            return rule.keep(f"{lead}, and the record is there.")
        loops = any((each.code, each.host) == (LOOP, record.host) for each in rule.state.judgement.findings)
        code = LOOP if loops else f"{topic}.cname-conflict"
        fix = f"Remove the {alias.rdtype} {alias.owner}, if no service that you use asked for it"
        return rule.refuse(code, f"{lead}, so nothing else at {record.host} counts.", fix)
    # What only a wildcard answers is written: with another record at the name, or below it, that answer ends.
    if present and (rule.there is not None or record.id is RecordId.DMARC):
        return rule.keep("It is there as it should be.")
    if len(rule.rdatas) >= MOST_VALUES:
        reason = f"{record.host} has {len(rule.rdatas)} {record.rdtype} records; {MOST_VALUES} or more are not judged."
        return rule.refuse("zone.answer-too-large", reason, "Remove those that nothing needs")
    if record.rdtype == "CNAME":
        return change_alias(rule)
    if record.id in ANY_KEYS:
        return change_key(rule)
    return {RecordId.MAIL_FROM_MX: change_mx, RecordId.MAIL_FROM_SPF: change_spf}.get(record.id, change_dmarc)(rule)


# --- keys -----------------------------------------------------------------------------------------------------------

# The selectors that we make: with random characters, or the two of delegated keys. Nobody else publishes there.
OUR_SELECTOR: Final = re.compile(r"lh(?:[12]|[a-z2-7]{8})\._domainkey\.")
_HEADER: Final = 44  # characters of base64 that all RSA keys of one size share (RFC 5280 4.1.2.7)
_SHARED: Final = 24  # characters that two keys never share
_LONG: Final = 100  # characters of base64: an RSA key, and no Ed25519 one


def change_key(rule: RecordRule) -> PlannedChange:
    """Publish a key, in the place of an older or a spoilt one of ours; a text of anybody else's is never replaced."""
    record = rule.record
    planned = Txt(strings=split_text(record.value))
    if not rule.rdatas:
        return rule.write((planned,), f"There is no key at {record.host} yet.")
    if all(isinstance(rdata, Txt) and is_own_key(rule, rdata.text) for rdata in rule.rdatas):
        return rule.write((planned,), "The key there is an older or a spoilt copy of ours.")
    code = "dkim.several-records" if len(rule.rdatas) > 1 else "dkim.wrong-key"
    reason = f"Somebody else's text stands at {record.host}, and a key must be alone there."
    return rule.refuse(code, reason, f"Remove it from {record.host} if nothing needs it")


def is_own_key(rule: RecordRule, text: str) -> bool:
    """Tell whether a text was published for us: it has a part of a key of ours, or a key at a selector that we made."""
    plan = rule.state.plan
    bare = without_whitespace(text).replace('"', "").replace("\\", "").casefold()
    values = [each.value.partition("p=")[2] for each in (*plan.records, *plan.served) if each.id in ANY_KEYS]
    for key in (*values, *rule.own_keys):
        start = _HEADER if len(key) > _LONG else 0
        own = key[start:].casefold()
        if any(own[at : at + _SHARED] in bare for at in range(0, len(own) - _SHARED + 1, _SHARED // 2)):
            return True
    if rule.record.value.casefold().startswith(text.strip(' "').casefold()) and len(bare) >= len("v=dkim1"):
        return True  # cut before the key begins
    return OUR_SELECTOR.match(rule.record.host) is not None and "p=" in bare and ("dkim1" in bare or "k=" in bare)


def change_alias(rule: RecordRule) -> PlannedChange:
    """Publish the CNAME to a delegated key, in the place of one to an older place of ours."""
    record = rule.record
    planned = Target(name=record.value.rstrip(".").lower())
    others = set(rule.state.answers.types(record.host)) - _BESIDE_ALIAS
    if others:
        reason = f"{record.host} has records of type {', '.join(sorted(others))}, and a CNAME must stand alone."
        return rule.refuse("dkim.not-alias", reason, f"Remove these from {record.host} if nothing needs them")
    if not rule.rdatas:
        return rule.write((planned,), f"There is no CNAME at {record.host} yet.")
    ours = planned.name.split(".", 2)[2]  # the operator's zone, above the selector and the token
    target = target_of(rule.rdatas[0])
    if is_in_zone(target, ours):
        return rule.write((planned,), f"The CNAME leads to {target}, an older place of ours.")
    fix = f"Remove the CNAME {record.host} if no service that you use asked for it"
    return rule.refuse("dkim.wrong-target", f"The CNAME {record.host} leads to {target}, which is not ours.", fix)


# --- MAIL FROM ------------------------------------------------------------------------------------------------------


def change_mx(rule: RecordRule) -> PlannedChange:
    """Publish the MX at the MAIL FROM name, where nobody else's stands."""
    record = rule.record
    ours = record.value.rstrip(".").lower()
    planned = Mx(preference=record.priority or 10, exchange=ours)
    if not rule.rdatas:
        return rule.write((planned,), f"There is no MX at {record.host} yet.")
    labels = record.host.split(".")
    spoilt = {ours, *(f"{ours}.{'.'.join(labels[at:])}" for at in range(len(labels)))}
    hosts = [rdata.exchange.lower().rstrip(".") for rdata in rule.rdatas if isinstance(rdata, Mx)]
    if spoilt.issuperset(hosts):
        return rule.write((planned,), "Our own MX is there, a second time or with the zone's name appended.")
    others = ", ".join(host or "a dot (no mail)" for host in hosts if host not in spoilt)
    code = "mail-from.mx-extra" if ours in hosts else "mail-from.mx-wrong-host"
    reason = f"{record.host} takes mail at {others}, which is not ours."
    return rule.refuse(code, reason, "Choose another MAIL FROM domain, or remove that MX if nothing needs it")


def change_spf(rule: RecordRule) -> PlannedChange:
    """Publish the terms of the provider in the one SPF record of the MAIL FROM name (RFC 7208 3.2)."""
    record, found = rule.record, texts(rule.rdatas)
    planned = Txt(strings=split_text(record.value))
    there = [text for text in found if is_spf(text)]
    if len(there) > 1:
        reason = f"{record.host} has {len(there)} SPF records, of which receivers take none."
        return rule.refuse("spf.several-records", reason, "Merge them into one")
    if not there:
        others = [rdata for rdata in rule.rdatas if not _is_spoilt_spf(rdata, record)]
        beside = " Other texts there stay." if others else ""
        return rule.write((*others, planned), f"There is no SPF record at {record.host} yet.{beside}")
    if (mark := parse_spf_record(there[0]).permanent_error) is not None:
        reason = (
            f"Receivers can't read the SPF record at {record.host}: “{there[0][slice(*mark.span)][:80]}” {mark.why}."
        )
        return rule.refuse("spf.syntax", reason, "Correct it")
    terms = spf_topic.planned_terms(record)
    merged = SpfText(host=record.host, texts=tuple(found), seen=rule.state.seen, planned=terms).complete(there[0])
    if merged is None or merged == there[0]:
        return rule.refuse("mail-from.spf-include-missing", "Nothing can be merged into it.", "Correct it")
    if len(merged) > LONGEST_SPF:
        reason = f"The SPF record at {record.host} would have {len(merged)} characters, and must have less than 512."
        return replace(rule.keep(reason, "spf.too-long"), action=Action.REFUSE, fix=f"Shorten it; {NEW_PLAN}.")
    text = Txt(strings=split_text(merged))
    changed = (text if isinstance(rdata, Txt) and rdata.text == there[0] else rdata for rdata in rule.rdatas)
    added, words = " ".join(term.text for term in terms), merged.split()
    replaced = " ".join(term.text for term in parse_spf_record(there[0]).terms if term.text not in words)
    stays = f", in the place of {replaced}; all else that it had stays" if replaced else "; all that it had stays"
    return rule.write(tuple(changed), f"{added} is added to the SPF record there{stays}.")


def _is_spoilt_spf(rdata: Rdata, record: PlannedRecord) -> bool:
    """Tell whether a text is our SPF record and nothing else, with quotes or spaces around it."""
    text = rdata.text.replace("\\", "").strip(" \t\"'") if isinstance(rdata, Txt) else ""
    if not is_spf(text) or not spf_topic.accepts(record, (Txt(strings=split_text(text)),)):
        return False
    ours = {term.canonical for term in spf_topic.planned_terms(record)}
    return {term.canonical for term in parse_spf_record(text).evaluated_terms if term.name != "all"} == ours


# --- DMARC ----------------------------------------------------------------------------------------------------------


def change_dmarc(rule: RecordRule) -> PlannedChange:
    """Publish a DMARC record where no policy applies: one that is there, or above, is never weakened."""
    state, record = rule.state, rule.record
    sender, found = state.plan.sender, state.finding(record)
    policy = policy_in_force(sender, state.seen)
    if policy is not None:
        code = "dmarc.inherited" if policy.is_inherited else None
        return rule.keep(f"The policy “{policy.asked}” of {policy.name} applies already.", code)
    if state.result(record).verdict is Verdict.UNANSWERED or (found is not None and found.code != "dmarc.missing"):
        wildcard = state.answers.wildcard(record.host)
        code = "dmarc.cname-conflict" if wildcard and not rule.rdatas else "dmarc.not-read"
        reason = f"What is seen at {record.host} is no DMARC record that receivers are known to use."
        return rule.refuse(code, reason, f"Look at what {wildcard or record.host} leads to, and correct it")
    above = [name for name in walk(sender)[1:] if is_in_zone(name, state.registrable)]
    if unknown := [name for name in above if texts_at(name, state.seen) is None]:
        return rule.keep(f"Whether a policy of {unknown[0]} applies could not be asked, so none is written.")
    planned = Txt(strings=split_text(record.value))
    return rule.write((*rule.rdatas, planned), f"No DMARC policy applies to {sender} yet.")


# --- after the change -----------------------------------------------------------------------------------------------


def check_written(change: PlannedChange, rule: RecordRule) -> PlannedChange:
    """Refuse a change after which our own check would not take the record for present, or would find it broken.

    The rule is given the zone as it is after the change.
    """
    found = rule.state.finding(rule.record)
    broken = found is not None and found.severity is Severity.BLOCKING and found.code not in HARMLESS
    if rule.state.is_present(rule.record) and not (broken and change.action is Action.CHANGE):
        return change
    code = found.code if found else DIAGNOSES["zone.not-asked"].code
    reason = found.detail if found else "Our own check would not find it."
    fix = found.fix if found else "Look at the findings of the last check"
    refused = replace(change, action=Action.REFUSE, after=change.before, reason=reason, code=code)
    return replace(refused, fix=f"{fix.rstrip('.')}; {NEW_PLAN}.")


HARMLESS: Final = ("spf.provider-broken",)  # the provider's own fault, whatever the customer writes
