"""The topic "dkim": the planned DKIM key records, and the rules that recognise each way of publishing something else.

Keys are compared decoded: split strings, spaces, a lost final `;`, the order and the default tags don't matter.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from letterhead.core.dkim import diagnoses
from letterhead.core.dkim.advice import ADVISES, find_old_keys, match_tag, old_key_questions, texts_of
from letterhead.core.dkim.key_record import (
    ALGORITHMS,
    ED25519_OCTETS,
    LEAST_BITS,
    KeyRecord,
    bare_rsa_bits,
    is_cut,
    is_usable,
    key_octets,
    parse_key_record,
    rsa_bits,
    without_whitespace,
)
from letterhead.core.dns.records import STRING_LIMIT, Rdata, Txt, quote, split_text
from letterhead.core.findings import misplaced
from letterhead.core.findings.candidate_names import answers_at, rdatas_of
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Finding, Match, RuleInput, Topic, finding
from letterhead.core.plan.plan import ANY_KEYS, ED25519_KEYS, PlannedRecord, RecordId, RecordResult, Verdict

MAX_PIECES = 4  # strings of one record that are tried in every order
LEAST_GAP = 8  # characters of a key that are no slip of the finger
MAX_STARTS = 8  # beginnings of a value within a value that are tried
# A tag that begins in the middle of another one.
_BEGINS_AGAIN = re.compile(r"(?<=[^;])(?:v=DKIM1|k=rsa|p=)")
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
    return len(rdatas) == 1 and isinstance(rdatas[0], Txt) and _is_planned_key(rdatas[0].text, record)


def _is_planned_key(text: str, record: PlannedRecord) -> bool:
    theirs, ours = parse_key_record(text), parse_key_record(record.value)
    if theirs is None or ours is None or not is_usable(theirs, ours.get("k", "rsa")):
        return False
    if not record.exact:
        return True
    octets = key_octets(theirs)
    return octets is not None and octets == key_octets(ours)


def _planned_base64(record: PlannedRecord) -> str:
    ours = parse_key_record(record.value)
    return without_whitespace(ours.get("p")) if ours else ""


def _compact(text: str) -> str:
    """Remove what does not count: white space, quotes, a final `;`."""
    return without_whitespace(text).replace('"', "").rstrip(";")


# --- all records at the name ----------------------------------------------------------------------------------------


def several_records(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match several TXT records of which one is a key record, or which are one that was split into records."""
    texts = texts_of(rule_input, result)
    if result.verdict is not Verdict.WRONG or len(texts) < 2 or not any(map(_looks_like_key_record, texts)):
        return None
    split = any(_is_planned_key(text, result.record) for text in _arrangements(texts, result.record))
    how = "together they are one value that was cut into records" if split else "a receiver may take any of them"
    return Match(places={"count": str(len(texts)), "how": how})


def not_dkim(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match texts that are no key record and have no part of the planned key in them."""
    texts = texts_of(rule_input, result)
    if result.verdict is not Verdict.WRONG or any(map(_looks_like_key_record, texts)):
        return None
    middle = _planned_base64(result.record)[50:90]
    return None if middle and any(middle in without_whitespace(text) for text in texts) else Match()


def _looks_like_key_record(text: str) -> bool:
    bare = without_whitespace(text).lower()
    return "dkim1" in bare or (not bare.startswith(_FOREIGN) and bool(re.search(r"(?:^|[;\"'])(?:p=|k=rsa)", bare)))


def chunks_misordered(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match one record whose strings make the planned value in another order, or each once."""
    rdatas, record = rdatas_of(rule_input, result.record), result.record
    if result.verdict is not Verdict.WRONG or len(rdatas) != 1 or not isinstance(rdatas[0], Txt):
        return None
    strings = rdatas[0].strings
    reordered = any(_is_planned_key(text, record) for text in _arrangements(list(dict.fromkeys(strings)), record))
    # Also the end first, wherever the form has split the text since.
    bare, whole = _compact(rdatas[0].text), _compact(record.value)
    rotated = len(bare) == len(whole) and bare != whole and bare in whole + whole
    return Match(observed=tuple(quote(string) for string in strings)) if reordered or rotated else None


def _arrangements(pieces: list[str], record: PlannedRecord) -> Iterator[str]:
    """Join pieces in every order, many of them in reverse alone; yield nothing for far more text than planned."""
    if sum(map(len, pieces)) <= 2 * len(record.value) + STRING_LIMIT:
        orders = itertools.permutations(pieces) if len(pieces) <= MAX_PIECES else iter([tuple(reversed(pieces))])
        yield from ("".join(order) for order in orders)


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


def prefix_repeated(text: str, record: PlannedRecord) -> Match | None:
    """Match a value that begins twice: `p=p=…`, or all of it after the `p=` that the form has put there."""
    bare = _compact(text)
    hits = itertools.islice(_BEGINS_AGAIN.finditer(bare), MAX_STARTS)
    again = [hit.start() for hit in hits if bare[hit.start() - 1] == "=" or bare.count(hit[0]) > 1]
    tries = [re.sub(r"([a-z])=(?:\1=)+", r"\1=", bare), *(bare[at:] for at in again)]
    return Match() if any(each != bare and _is_planned_key(each, record) for each in tries) else None


def truncated(text: str, record: PlannedRecord) -> Match | None:
    """Match a part of the planned key: its beginning, its end, or both without the middle."""
    theirs, ours = parse_key_record(text.rstrip('"')), _planned_base64(record)
    key = without_whitespace(theirs.get("p")) if theirs else ""
    size, whole = len(text), len(record.value)
    pieces = " ".join(quote(piece) for piece in split_text(record.value))
    if 4 <= len(key) < len(ours.rstrip("=")) and ours.startswith(key):
        return Match(places={"cut": _cut_text(size, whole), "pieces": pieces})
    end = _compact(text)
    if len(end) >= 16 and ours.endswith(end) and end != ours:
        first = f"its first {whole - len(end)} of {whole} characters are missing"
        return Match(places={"cut": first, "pieces": pieces})
    if not record.exact and is_cut(key):
        return Match(places={"cut": _cut_text(size, 0), "pieces": "of at most 255 characters each"})
    missing = len(ours) - len(key)
    before, after = _shared_length(key, ours), _shared_length(key[::-1], ours[::-1])
    if missing < LEAST_GAP or before < LEAST_GAP or before + after < len(key):
        return None
    gap = f"{missing} characters are missing after the first {before} of the key"
    return Match(places={"cut": gap, "pieces": pieces})


def _shared_length(one: str, other: str) -> int:
    """Return the length of the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (here, there) in pairs if here != there), min(len(one), len(other)))


def _cut_text(size: int, whole: int) -> str:
    text = f"it ends after {size} {f'of about {whole} ' if whole else ''}characters"
    if STRING_LIMIT - 5 <= size <= STRING_LIMIT + 1:
        return f"{text}: the panel cuts at {STRING_LIMIT}, the most that one string of a TXT record holds"
    return text


def case_changed(text: str, record: PlannedRecord) -> Match | None:
    """Match the planned key in other capitals, or under a tag name in capitals."""
    bare, ours = _compact(text), _planned_base64(record)
    lower = parse_key_record(bare.lower())
    if not ours or lower is None or without_whitespace(lower.get("p")) != ours.lower():
        return None
    theirs = parse_key_record(bare)
    capital_names = theirs is not None and any(name != name.lower() for name in theirs.names)
    return Match() if ours not in bare or capital_names else None


def no_tag_list(text: str, _: PlannedRecord) -> Match | None:
    """Match a text that is no list of tags; mark the first part that is no tag."""
    if parse_key_record(text) is not None:
        return None
    bad = next((part for part in text.split(";") if part.strip() and parse_key_record(part) is None), text)
    at = text.find(bad)
    return Match(places={"part": bad.strip()[:80]}, observed=(text,), span=(at, at + len(bad)))


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
    reason = "it is the bare PKCS #1 form" if bare_rsa_bits(octets) else "it is cut, or something else"
    return match_tag(theirs, "p", reason=reason)


def far_too_weak_key(theirs: KeyRecord, record: PlannedRecord) -> Match | None:
    """Match the planned RSA key where it has fewer bits than verifiers accept (RFC 8301 3.2)."""
    bits = rsa_bits(key_octets(theirs) or b"")
    ours = not record.exact or without_whitespace(theirs.get("p")) == _planned_base64(record)
    return match_tag(theirs, "p", bits=str(bits)) if ours and bits is not None and bits < LEAST_BITS else None


# --- another record, or none ----------------------------------------------------------------------------------------


def wrong_key(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match any wrong TXT, with the size of the RSA key in it."""
    if result.verdict is not Verdict.WRONG or result.record.rdtype != "TXT":
        return None
    keys = [parse_key_record(text) for text in texts_of(rule_input, result)]
    bits = rsa_bits(key_octets(keys[0]) or b"") if keys and keys[0] else None
    return Match(places={"held": f"a key of {bits} bits" if bits else "another key"})


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
        *_MISPLACED.values(),
        DiagnosisRule(diagnosis=diagnoses.NOT_ALIAS, holds=not_alias),
        DiagnosisRule(diagnosis=diagnoses.REMOVED, holds=removed),
        DiagnosisRule(diagnosis=diagnoses.ED25519_MISSING, holds=ed25519_missing),
        DiagnosisRule(diagnosis=diagnoses.MISSING, holds=misplaced.absent),
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
        _tag_rule(diagnoses.BAD_KEY, bad_key),
        _tag_rule(diagnoses.HASH_EXCLUDED, lambda key, _: None if key.allows_sha256 else match_tag(key, "h")),
        _tag_rule(diagnoses.SERVICE_EXCLUDED, lambda key, _: None if key.is_for_mail else match_tag(key, "s")),
        _tag_rule(diagnoses.FAR_TOO_WEAK_KEY, far_too_weak_key),
        DiagnosisRule(diagnosis=diagnoses.WRONG_KEY, holds=wrong_key),
    ),
    advises=ADVISES,
    probes=misplaced.probes,
    survey=survey,
    asks=old_key_questions,
    diagnoses=(diagnoses.OLD_SELECTOR_LIVE, diagnoses.NOT_SERVED),
)
