"""The topic "dkim": the planned DKIM key records, and the rules that recognise each way of publishing something else.

Keys are compared decoded: split strings, spaces, a lost final `;`, the order and the default tags don't matter.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from letterhead.core.dkim import diagnoses
from letterhead.core.dkim.advice import (
    ADVISES,
    find_no_usable_key,
    find_old_keys,
    match_tag,
    missing,
    old_key_questions,
    texts_of,
)
from letterhead.core.dkim.damaged_keys import (
    arrangements,
    case_changed,
    chunks_misordered,
    is_planned_key,
    planned_base64,
    prefix_repeated,
    truncated,
)
from letterhead.core.dkim.key_record import (
    ALGORITHMS,
    ED25519_OCTETS,
    FOLDING,
    LEAST_BITS,
    MAX_TEXT,
    KeyRecord,
    bare_rsa_bits,
    is_usable_by_any,
    key_octets,
    parse_key_record,
    rsa_bits,
    without_whitespace,
)
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.records import Rdata, Txt
from letterhead.core.findings import misplaced
from letterhead.core.findings.candidate_names import answers_at, is_synthesised
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Finding, Match, RuleInput, Topic, finding
from letterhead.core.plan.plan import (
    ANY_KEYS,
    ED25519_KEYS,
    PlannedRecord,
    RecordId,
    RecordResult,
    Verdict,
    end_of_aliases,
)

TARGET = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")  # of a CNAME
_FOREIGN = ("v=spf", "spf2", "v=dmarc", "v=bimi", "v=sts", "v=tlsrpt")


def planned_record(sender: str, selector: str, public_key: str, *, ahead: bool = False) -> PlannedRecord:
    """Return the key record to publish; `public_key` is base64 of a SubjectPublicKeyInfo.

    Where `ahead` of a rotation, no mail depends on the record yet.
    """
    return PlannedRecord(
        id=RecordId.DKIM_NEXT if ahead else RecordId.DKIM,
        host=f"{selector}._domainkey.{sender}",
        rdtype="TXT",
        value=f"v=DKIM1; k=rsa; p={public_key}",
        required=not ahead,
    )


def planned_ed25519_record(sender: str, selector: str, public_key: str, *, ahead: bool = False) -> PlannedRecord:
    """Return the record of a second key (RFC 8463 4), of base64 of 32 octets; no mail depends on it."""
    return PlannedRecord(
        id=RecordId.DKIM_ED25519_NEXT if ahead else RecordId.DKIM_ED25519,
        host=f"{selector}._domainkey.{sender}",
        rdtype="TXT",
        value=f"v=DKIM1; k=ed25519; p={public_key}",
        required=False,
    )


def unplanned_record(sender: str, selector: str) -> PlannedRecord:
    """Return the key record to look for where the key is not known: any that receivers accept will do."""
    return replace(planned_record(sender, selector, ""), exact=False)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Return whether the planned key is the only record: of several, a verifier may take any (RFC 6376 3.6.2.2)."""
    if record.rdtype == "CNAME":
        return misplaced.alias_rule(record, rdatas)
    return len(rdatas) == 1 and isinstance(rdatas[0], Txt) and is_planned_key(rdatas[0].text, record)


# --- all records at the name ----------------------------------------------------------------------------------------


def several_records(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match several TXT records of which one is a key record, or which are one that was split into records."""
    texts = texts_of(rule_input, result)
    if result.verdict is not Verdict.WRONG or len(texts) < 2 or not any(map(_looks_like_key_record, texts)):
        return None
    record, how = result.record, "a receiver may take any of them"
    whole = any(is_planned_key(text, record) for text in texts)
    if not whole and any(is_planned_key(text, record) for text in arrangements(texts, record)):
        how = "together they are one value that was cut into records"
    owner = next((other for text in texts if (other := _other_name_of(rule_input, record, text))), None)
    if owner is not None:
        how = f"one of them is the key that belongs at {owner}"
    # external-dns (Kubernetes) marks the records that it keeps by a text at the same name, and writes it again.
    marked = any(text.strip('"').startswith("heritage=external-dns") for text in texts)
    again = (
        ". external-dns writes its text heritage=external-dns again, until it runs with --txt-prefix" if marked else ""
    )
    return Match(places={"count": str(len(texts)), "how": how, "again": again})


def not_dkim(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match texts that are no key record and have no part of the planned key in them."""
    texts = texts_of(rule_input, result)
    if result.verdict is not Verdict.WRONG or any(map(_looks_like_key_record, texts)):
        return None
    middle = planned_base64(result.record)[50:90]
    return None if middle and any(middle in without_whitespace(text) for text in texts) else Match()


def _looks_like_key_record(text: str) -> bool:
    bare = without_whitespace(text).lower()
    return "dkim1" in bare or (not bare.startswith(_FOREIGN) and bool(re.search(r"(?:^|[;\"'])(?:p=|k=rsa)", bare)))


# --- one text, not quite ours ---------------------------------------------------------------------------------------


def _text_rule(diagnosis: Diagnosis, match_text: Callable[[str, PlannedRecord], Match | None]) -> DiagnosisRule:
    """Return a rule about the one wrong text at the name."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        texts = texts_of(rule_input, result)
        if result.verdict is not Verdict.WRONG or result.record.rdtype != "TXT" or len(texts) != 1:
            return None
        return match_text(texts[0], result.record)

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _tag_rule(diagnosis: Diagnosis, match_tags: Callable[[KeyRecord, PlannedRecord], Match | None]) -> DiagnosisRule:
    """Return a rule about the tags of the one wrong key record at the name."""

    def rule(text: str, record: PlannedRecord) -> Match | None:
        theirs = parse_key_record(text)
        return match_tags(theirs, record) if theirs else None

    return _text_rule(diagnosis, rule)


def no_tag_list(text: str, _: PlannedRecord) -> Match | None:
    """Match a text that is no list of tags; mark the first part that is no tag."""
    if parse_key_record(text) is not None:
        return None
    at, parts = 0, text.split(";")
    for part in parts[:-1] if not parts[-1].strip(FOLDING) else parts:
        if not part.strip(FOLDING):  # RFC 6376 3.2: between two semicolons there must be a tag
            trouble, span = (
                f"the ; at character {at + len(part) + 1} is one too many",
                (at + len(part), at + len(part) + 1),
            )
            return Match(places={"trouble": trouble}, observed=(text,), span=span)
        if parse_key_record(part) is None:
            trouble = f"“{part.strip()[:80]}” is not of the form name=value"
            return Match(places={"trouble": trouble}, observed=(text,), span=(at, at + len(part)))
        at += len(part) + 1
    return None


def no_key(text: str, _: PlannedRecord) -> Match | None:
    """Match a text without a tag `p`, whether or not the rest can be parsed."""
    record = parse_key_record(text)
    if record is None:
        return None if re.search(r"(?:^|;)\s*p\s*=", text) else Match()
    return Match() if record.tag("p") is None else None


def duplicate_tag(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    """Match a tag that is there twice."""
    again = theirs.first_duplicate
    return Match(places={"tag": again.name}, span=again.span) if again else None


def bad_base64(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    """Match a key that can't be decoded."""
    if key_octets(theirs) is not None:
        return None
    key = without_whitespace(theirs.get("p"))
    stray = re.search(r"[^A-Za-z0-9+/=]|=(?=[^=])", key)
    reason = f"it holds “{stray[0]}”" if stray else f"its {len(key)} characters can't be decoded: some are missing"
    return match_tag(theirs, "p", reason="it holds the BEGIN and END lines of a file" if "-----" in key else reason)


def algorithm_mismatch(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    """Match a key of another algorithm than `k=` names."""
    octets, said = key_octets(theirs) or b"", theirs.get("k", "rsa")
    held = "rsa" if rsa_bits(octets) else "ed25519" if len(octets) == ED25519_OCTETS else said
    return Match(places={"said": said, "held": held}) if held != said else None


def bad_key(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    """Match base64 that is no public key in the form that DKIM wants."""
    octets = key_octets(theirs) or b""
    if rsa_bits(octets) or (theirs.get("k") == "ed25519" and len(octets) == ED25519_OCTETS):
        return None
    return match_tag(theirs, "p", reason="it is cut, or something else")


def bare_rsa_key(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    """Match an RSA key without the SubjectPublicKeyInfo around it."""
    bits = bare_rsa_bits(key_octets(theirs) or b"") if theirs.get("k", "rsa") == "rsa" else None
    return match_tag(theirs, "p", bits=str(bits)) if bits else None


def far_too_weak_key(theirs: KeyRecord, record: PlannedRecord) -> Match | None:
    """Match the planned RSA key where it has fewer bits than verifiers accept (RFC 8301 3.2)."""
    bits = rsa_bits(key_octets(theirs) or b"")
    ours = not record.exact or without_whitespace(theirs.get("p")) == planned_base64(record)
    return match_tag(theirs, "p", bits=str(bits)) if ours and bits is not None and bits < LEAST_BITS else None


# --- another record, or none ----------------------------------------------------------------------------------------


def wrong_key(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match any wrong TXT, with the size of the RSA key in it."""
    if result.verdict is not Verdict.WRONG or result.record.rdtype != "TXT":
        return None
    keys = [parse_key_record(text) for text in texts_of(rule_input, result)]
    bits = rsa_bits(key_octets(keys[0]) or b"") if keys and keys[0] else None
    return Match(places={"held": f"a key of {bits} bits" if bits else "another key"})


def key_of_another_name(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a key of the domain's own at the name of another of its keys."""
    texts = texts_of(rule_input, result) if result.verdict is Verdict.WRONG else []
    other = _other_name_of(rule_input, result.record, texts[0]) if len(texts) == 1 else None
    if other is None:
        return None
    lacking = [each for each in rule_input.results if each.record.host == other and each.verdict is not Verdict.PRESENT]
    then = f", and add a TXT record {other} with the value that stands there now" if lacking else ""
    return Match(places={"other": other, "then": then})


def _other_name_of(rule_input: RuleInput, record: PlannedRecord, text: str) -> str | None:
    """Return the other name at which a key belongs: one that is planned, or one that was and is still published."""
    theirs = parse_key_record(text) if record.exact else None
    key = key_octets(theirs) if theirs else None
    if not key:
        return None
    known = [(each.host, each.value) for each in (*rule_input.plan.records, *rule_input.plan.served)]
    for question in old_key_questions(rule_input):
        old = answers_at(rule_input, question.name, "TXT")
        known += [(question.name, rdata.text) for rdata in old if isinstance(rdata, Txt)]
    for host, value in known:
        ours = parse_key_record(value) if host != record.host else None
        if ours and key_octets(ours) == key:
            return host
    return None


def too_long(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a text that is longer than any key record; it is not parsed."""
    texts = texts_of(rule_input, result) if result.verdict is Verdict.WRONG else []
    long = next((text for text in texts if len(text) > MAX_TEXT), None)
    return Match(places={"size": str(len(long))}, observed=(f"{long[:80]}…",)) if long else None


def selector_in_use(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a CNAME that leads to another service's key where a record of our own is planned."""
    record = result.record
    if not record.exact or result.verdict is not Verdict.WRONG or is_synthesised(rule_input, record):
        return None
    end = end_of_aliases(rule_input.seen, record)
    keys = [key for text in texts_of(rule_input, result) if (key := parse_key_record(text))]
    if end is None or is_in_zone(end, rule_input.plan.zone) or not any(map(is_usable_by_any, keys)):
        return None
    return Match(places={"found": end}, observed=(f"CNAME {end}", *result.observed), at_alias=True)


def typed_target(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a text that is the name of a CNAME's target, where nobody has planned a key."""
    texts = texts_of(rule_input, result) if result.verdict is Verdict.WRONG and not result.record.exact else []
    name = texts[0].strip(' "').removesuffix(".").lower() if len(texts) == 1 else ""
    if name.count(".") < 2 or not TARGET.fullmatch(name):
        return None
    target = f"{name}." if rule_input.dns_host and rule_input.dns_host.final_dot else name
    places = {"found": "TXT", "held": name, "rdtype": "CNAME", "expected": f"the target {target}"}
    return Match(places=places)


def wrong_target(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a CNAME that leads elsewhere than planned."""
    return Match() if result.verdict is Verdict.WRONG and result.record.rdtype == "CNAME" else None


def removed(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match an absent key record that was present in an earlier check."""
    last = rule_input.history.present_until if result.record.id is RecordId.DKIM else None
    if last is None or misplaced.absent(rule_input, result) is None:
        return None
    return Match(places={"last": f"{last:%Y-%m-%d %H:%M} UTC"})


def ed25519_missing(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match an absent Ed25519 key."""
    return misplaced.absent(rule_input, result) if result.record.id in ED25519_KEYS else None


def not_alias(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a key record in the place of the planned CNAME."""
    record = result.record
    if record.rdtype != "CNAME" or result.verdict is not Verdict.ABSENT:
        return None
    texts = (rdata.text for rdata in answers_at(rule_input, record.host, "TXT") if isinstance(rdata, Txt))
    keys = tuple(text for text in texts if _looks_like_key_record(text))
    return Match(observed=keys) if keys else None


def survey(rule_input: RuleInput) -> Iterator[Finding]:
    """Find old keys to delete, and keys that our own zone does not serve where the customer's CNAME leads to it."""
    yield from find_no_usable_key(rule_input)
    if not rule_input.plan.served:  # where we publish the keys ourselves, no old one is the customer's to delete
        yield from find_old_keys(rule_input)
    for served in rule_input.served:
        record = served.record
        alias = rule_input.result_of(record.id)
        leads_here = alias is not None and alias.agreed and alias.verdict is Verdict.PRESENT
        if record.required and leads_here and served.verdict in (Verdict.ABSENT, Verdict.WRONG):
            places = {"target": record.host, "held": " | ".join(served.observed) or "nothing"}
            match = Match(host=record.host, observed=served.observed, perspectives=served.dissenting, places=places)
            yield finding(diagnoses.NOT_SERVED, rule_input, None, match)


_MISPLACED = {rule.diagnosis.code: rule for rule in misplaced.rules("dkim", accepts)}
_CNAME_CONFLICT = _MISPLACED.pop("dkim.cname-conflict")

TOPIC = Topic(
    name="dkim",
    records=ANY_KEYS,
    accepts=accepts,
    # The deepest cause first: a key that is ours but damaged, then a record that can't be parsed, then another key.
    explains=(
        DiagnosisRule(diagnosis=diagnoses.TOO_LONG, holds=too_long),
        DiagnosisRule(diagnosis=diagnoses.SELECTOR_IN_USE, holds=selector_in_use),
        DiagnosisRule(diagnosis=_MISPLACED["dkim.wrong-type"].diagnosis, holds=typed_target),
        *_MISPLACED.values(),
        DiagnosisRule(diagnosis=diagnoses.NOT_ALIAS, holds=not_alias),
        DiagnosisRule(diagnosis=diagnoses.REMOVED, holds=removed),
        DiagnosisRule(diagnosis=diagnoses.ED25519_MISSING, holds=ed25519_missing),
        DiagnosisRule(diagnosis=diagnoses.MISSING, holds=missing),
        DiagnosisRule(diagnosis=diagnoses.SEVERAL_RECORDS, holds=several_records),
        _text_rule(diagnoses.PREFIX_REPEATED, prefix_repeated),
        DiagnosisRule(diagnosis=diagnoses.CHUNKS_MISORDERED, holds=chunks_misordered),
        _text_rule(diagnoses.TRUNCATED, truncated),
        _text_rule(diagnoses.CASE_CHANGED, case_changed),
        _CNAME_CONFLICT,
        DiagnosisRule(diagnosis=diagnoses.WRONG_TARGET, holds=wrong_target),
        DiagnosisRule(diagnosis=diagnoses.NOT_DKIM, holds=not_dkim),
        _text_rule(diagnoses.NO_KEY, no_key),
        _text_rule(diagnoses.SYNTAX, no_tag_list),
        _tag_rule(diagnoses.DUPLICATE_TAG, duplicate_tag),
        _tag_rule(diagnoses.VERSION_NOT_FIRST, lambda key, _: match_tag(key, "v") if key.has_late_version else None),
        _tag_rule(diagnoses.BAD_VERSION, lambda key, _: match_tag(key, "v") if key.has_other_version else None),
        _tag_rule(diagnoses.REVOKED, lambda key, _: match_tag(key, "p") if key.tag("p") and not key.get("p") else None),
        _tag_rule(
            diagnoses.UNKNOWN_ALGORITHM,
            lambda key, _: match_tag(key, "k") if key.get("k", "rsa") not in ALGORITHMS else None,
        ),
        _tag_rule(diagnoses.BAD_BASE64, bad_base64),
        _tag_rule(diagnoses.ALGORITHM_MISMATCH, algorithm_mismatch),
        _tag_rule(diagnoses.BARE_RSA_KEY, bare_rsa_key),
        _tag_rule(diagnoses.BAD_KEY, bad_key),
        _tag_rule(diagnoses.HASH_EXCLUDED, lambda key, _: None if key.allows_sha256 else match_tag(key, "h")),
        _tag_rule(diagnoses.SERVICE_EXCLUDED, lambda key, _: None if key.is_for_mail else match_tag(key, "s")),
        _tag_rule(diagnoses.FAR_TOO_WEAK_KEY, far_too_weak_key),
        DiagnosisRule(diagnosis=diagnoses.KEY_OF_ANOTHER_NAME, holds=key_of_another_name),
        DiagnosisRule(diagnosis=diagnoses.WRONG_KEY, holds=wrong_key),
    ),
    advises=ADVISES,
    probes=misplaced.probes,
    survey=survey,
    asks=old_key_questions,
    diagnoses=(diagnoses.OLD_SELECTOR_LIVE, diagnoses.NOT_SERVED, diagnoses.NO_USABLE_KEY),
)
