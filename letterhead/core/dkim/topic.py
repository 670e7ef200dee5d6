"""Knows which DKIM key record to publish, whether it is there, and in which ways people publish another one.

Keys are compared decoded: split strings, spaces, a lost final `;`, the order and the default tags don't matter.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from letterhead.core.dkim import diagnoses as faults
from letterhead.core.dkim.advice import ADVISES, at_tag, old, old_live
from letterhead.core.dkim.advice import texts as texts_of
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

MAX_PIECES = 4  # strings of one record that we try in every order
LEAST_GAP = 8  # characters of a key that are no slip of the finger
MAX_STARTS = 8  # beginnings of a value within a value that we try
# What a tag that begins in the middle of another one looks like.
_BEGINS_AGAIN = re.compile(r"(?<=[^;])(?:v=DKIM1|k=rsa|p=)")
_FOREIGN = ("v=spf", "spf2", "v=dmarc", "v=bimi", "v=sts", "v=tlsrpt")


def planned(sender: str, selector: str, public_key: str, *, ahead: bool = False) -> PlannedRecord:
    """Says the key record to publish; `public_key` is base64 of the SPKI, `ahead` says that nothing needs it yet."""
    return PlannedRecord(
        id=RecordId.DKIM_NEXT if ahead else RecordId.DKIM,
        host=f"{selector}._domainkey.{sender}",
        rdtype="TXT",
        value=f"v=DKIM1; k=rsa; p={public_key}",
        required=not ahead,
    )


def planned_ed25519(sender: str, selector: str, public_key: str, *, ahead: bool = False) -> PlannedRecord:
    """Says the record of a second key (RFC 8463 4), base64 of 32 octets; no mail depends on it."""
    return PlannedRecord(
        id=RecordId.DKIM_ED25519_NEXT if ahead else RecordId.DKIM_ED25519,
        host=f"{selector}._domainkey.{sender}",
        rdtype="TXT",
        value=f"v=DKIM1; k=ed25519; p={public_key}",
        required=False,
    )


def unknown(sender: str, selector: str) -> PlannedRecord:
    """Says where a key record stands of which we don't know the key: any that receivers take will do."""
    return replace(planned(sender, selector, ""), exact=False)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether this is the planned key and nothing else: with two records a verifier may take either."""
    if record.rdtype == "CNAME":
        return misplaced.alias_rule(record, rdatas)
    # RFC 6376 3.6.2.2: several TXT at one selector give undefined results
    return len(rdatas) == 1 and isinstance(rdatas[0], Txt) and _is_ours(rdatas[0].text, record)


def _is_ours(text: str, record: PlannedRecord) -> bool:
    theirs, ours = parse_key_record(text), parse_key_record(record.value)
    if theirs is None or ours is None or not is_usable(theirs, ours.get("k", "rsa")):
        return False
    if not record.exact:
        return True
    octets = key_octets(theirs)
    return octets is not None and octets == key_octets(ours)


# --- the whole set at the name --------------------------------------------------------------------------------------


def _several(scene: RuleInput, standing: RecordResult) -> Match | None:
    texts = texts_of(scene, standing)
    if standing.verdict is not Verdict.WRONG or len(texts) < 2 or not any(_like_a_key(text) for text in texts):
        return None
    joined = any(_is_ours(text, standing.record) for text in _orders(texts, standing.record))
    how = "together they are one value that was cut into records" if joined else "a receiver may take any of them"
    return Match(places={"count": str(len(texts)), "how": how})


def _not_dkim(scene: RuleInput, standing: RecordResult) -> Match | None:
    texts = texts_of(scene, standing)
    if standing.verdict is not Verdict.WRONG or any(_like_a_key(text) for text in texts):
        return None
    middle = _key(standing.record)[50:90]
    return None if middle and any(middle in without_whitespace(text) for text in texts) else Match()


def _like_a_key(text: str) -> bool:
    """Says whether somebody meant this text as a key record, however spoilt."""
    bare = without_whitespace(text).lower()
    return "dkim1" in bare or (not bare.startswith(_FOREIGN) and bool(re.search(r"(?:^|[;\"'])(?:p=|k=rsa)", bare)))


def _key(record: PlannedRecord) -> str:
    ours = parse_key_record(record.value)
    return without_whitespace(ours.get("p")) if ours else ""


def _misordered(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where the strings of the record give the right value in another order, or once each."""
    rdatas = rdatas_of(scene, standing.record)
    if standing.verdict is not Verdict.WRONG or len(rdatas) != 1 or not isinstance(rdatas[0], Txt):
        return None
    strings = rdatas[0].strings
    tries = _orders(list(dict.fromkeys(strings)), standing.record)
    if any(_is_ours(text, standing.record) for text in tries) or _rotated(rdatas[0].text, standing.record):
        return Match(observed=tuple(quote(string) for string in strings))
    return None


def _orders(pieces: list[str], record: PlannedRecord) -> Iterator[str]:
    """Joins the pieces in the orders worth trying: all of a few pieces, else the reverse; none of far too much text."""
    if sum(map(len, pieces)) <= 2 * len(record.value) + STRING_LIMIT:
        orders = itertools.permutations(pieces) if len(pieces) <= MAX_PIECES else iter([tuple(reversed(pieces))])
        yield from ("".join(order) for order in orders)


def _rotated(text: str, record: PlannedRecord) -> bool:
    """Says whether the text is the planned one with its end first, wherever a panel has split it since."""
    bare, whole = _bare(text), _bare(record.value)
    return len(bare) == len(whole) and bare != whole and bare in whole + whole


def _bare(text: str) -> str:
    """Takes away what does not count: white space, quotes, a final `;`."""
    return without_whitespace(text).replace('"', "").rstrip(";")


# --- one text, not quite ours ---------------------------------------------------------------------------------------

_Spoilt = Callable[[str, PlannedRecord], Match | None]
_Parsed = Callable[[KeyRecord, PlannedRecord], Match | None]


def _spoilt(diagnosis: Diagnosis, holds: _Spoilt) -> DiagnosisRule:
    """Makes a rule of what one wrong text, alone at its name, tells."""

    def rule(scene: RuleInput, standing: RecordResult) -> Match | None:
        texts = texts_of(scene, standing)
        if standing.verdict is not Verdict.WRONG or standing.record.rdtype != "TXT" or len(texts) != 1:
            return None
        return holds(texts[0], standing.record)

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _parsed(diagnosis: Diagnosis, holds: _Parsed) -> DiagnosisRule:
    """Makes a rule of what the tags of one wrong record tell."""

    def rule(text: str, record: PlannedRecord) -> Match | None:
        theirs = parse_key_record(text)
        return holds(theirs, record) if theirs else None

    return _spoilt(diagnosis, rule)


def _repeated(text: str, record: PlannedRecord) -> Match | None:
    """Holds where the value begins twice: `p=p=…`, or all of it behind the `p=` that the form has put there."""
    bare = _bare(text)
    hits = itertools.islice(_BEGINS_AGAIN.finditer(bare), MAX_STARTS)
    again = [hit.start() for hit in hits if bare[hit.start() - 1] == "=" or bare.count(hit[0]) > 1]
    tries = [re.sub(r"([a-z])=(?:\1=)+", r"\1=", bare), *(bare[at:] for at in again)]
    return Match() if any(each != bare and _is_ours(each, record) for each in tries) else None


def _truncated(text: str, record: PlannedRecord) -> Match | None:
    """Holds where the key is the beginning of ours, or the text the end of ours."""
    theirs, ours = parse_key_record(text.rstrip('"')), _key(record)
    cut = without_whitespace(theirs.get("p")) if theirs else ""
    size, whole = len(text), len(record.value)
    pieces = " ".join(quote(piece) for piece in split_text(record.value))
    if len(cut) >= 4 and len(cut) < len(ours.rstrip("=")) and ours.startswith(cut):
        return Match(places={"cut": _where_cut(size, whole), "pieces": pieces})
    end = _bare(text)
    if len(end) >= 16 and ours.endswith(end) and end != ours:
        first = f"its first {whole - len(end)} of {whole} characters are missing"
        return Match(places={"cut": first, "pieces": pieces})
    if not record.exact and is_cut(cut):
        return Match(places={"cut": _where_cut(size, 0), "pieces": "of at most 255 characters each"})
    gap = _gap(cut, ours)
    return Match(places={"cut": gap, "pieces": pieces}) if gap else None


def _gap(cut: str, ours: str) -> str | None:
    """Says what is missing where only a piece from the middle of the key is."""
    missing = len(ours) - len(cut)
    before, after = _alike(cut, ours), _alike(cut[::-1], ours[::-1])
    if missing < LEAST_GAP or before < LEAST_GAP or before + after < len(cut):
        return None
    return f"{missing} characters are missing after the first {before} of the key"


def _alike(one: str, other: str) -> int:
    """Counts the characters at the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (here, there) in pairs if here != there), min(len(one), len(other)))


def _where_cut(size: int, whole: int) -> str:
    said = f"it ends after {size} {f'of about {whole} ' if whole else ''}characters"
    if STRING_LIMIT - 5 <= size <= STRING_LIMIT + 1:
        return f"{said}: the panel cuts at {STRING_LIMIT}, the most that one string of a TXT record holds"
    return said


def _case(text: str, record: PlannedRecord) -> Match | None:
    theirs, ours = _bare(text), _key(record)
    lower = parse_key_record(theirs.lower())
    same = lower is not None and without_whitespace(lower.get("p")) == ours.lower()
    return Match() if same and bool(ours) and (ours not in theirs or _named_in_capitals(theirs)) else None


def _named_in_capitals(text: str) -> bool:
    record = parse_key_record(text)
    return record is not None and any(name != name.lower() for name in record.names)


def _syntax(text: str, _: PlannedRecord) -> Match | None:
    """Holds where the text is no list of tags; names the first part that is none."""
    if parse_key_record(text) is not None:
        return None
    bad = next((part for part in text.split(";") if part.strip() and parse_key_record(part) is None), text)
    at = text.find(bad)
    return Match(places={"part": bad.strip()[:80]}, observed=(text,), span=(at, at + len(bad)))


def _without_key(text: str, _: PlannedRecord) -> Match | None:
    """Holds where no tag is named `p`, whether or not the rest can be read."""
    record = parse_key_record(text)
    if record is None:
        return None if re.search(r"(?:^|;)\s*p\s*=", text) else Match()
    return Match() if record.tag("p") is None else None


def _duplicate(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    again = theirs.first_duplicate
    return Match(places={"tag": again.name}, span=again.span) if again else None


def _version_later(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "v") if theirs.has_late_version else None


def _bad_version(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "v") if theirs.has_other_version else None


def _revoked(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "p") if theirs.tag("p") and not theirs.get("p") else None


def _unknown_algorithm(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "k") if theirs.get("k", "rsa") not in ALGORITHMS else None


def _hash(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "h") if not theirs.allows_sha256 else None


def _service(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    return at_tag(theirs, "s") if not theirs.is_for_mail else None


def _bad_base64(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    if key_octets(theirs) is not None:
        return None
    key = without_whitespace(theirs.get("p"))
    stray = re.search(r"[^A-Za-z0-9+/=]|=(?=[^=])", key)
    reason = f"it holds “{stray[0]}”" if stray else f"its {len(key)} characters can't be decoded: some are missing"
    return at_tag(theirs, "p", reason="it holds the BEGIN and END lines of a file" if "-----" in key else reason)


def _mismatch(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    octets, said = key_octets(theirs) or b"", theirs.get("k", "rsa")
    held = "rsa" if rsa_bits(octets) else "ed25519" if len(octets) == ED25519_OCTETS else said
    return Match(places={"said": said, "held": held}) if held != said else None


def _bad_key(theirs: KeyRecord, _: PlannedRecord) -> Match | None:
    octets = key_octets(theirs) or b""
    if rsa_bits(octets) or (theirs.get("k") == "ed25519" and len(octets) == ED25519_OCTETS):
        return None
    bare = "it is the bare PKCS #1 form" if bare_rsa_bits(octets) else "it is cut, or something else"
    return at_tag(theirs, "p", reason=bare)


def _far_too_weak(theirs: KeyRecord, record: PlannedRecord) -> Match | None:
    bits = rsa_bits(key_octets(theirs) or b"")
    ours = not record.exact or without_whitespace(theirs.get("p")) == _key(record)
    return at_tag(theirs, "p", bits=str(bits)) if ours and bits is not None and bits < LEAST_BITS else None


def _otherwise(scene: RuleInput, standing: RecordResult) -> Match | None:
    if standing.verdict is not Verdict.WRONG or standing.record.rdtype != "TXT":
        return None
    keys = [parse_key_record(text) for text in texts_of(scene, standing)]
    bits = rsa_bits(key_octets(keys[0]) or b"") if keys and keys[0] else None
    return Match(places={"held": f"a key of {bits} bits" if bits else "another key"})


def _other_target(_: RuleInput, standing: RecordResult) -> Match | None:
    return Match() if standing.verdict is Verdict.WRONG and standing.record.rdtype == "CNAME" else None


def _removed(scene: RuleInput, standing: RecordResult) -> Match | None:
    last = scene.history.present_until if standing.record.id is RecordId.DKIM else None
    if last is None or misplaced.absent(scene, standing) is None:
        return None
    return Match(places={"last": f"{last:%Y-%m-%d %H:%M} UTC"})


def _second_absent(scene: RuleInput, standing: RecordResult) -> Match | None:
    return misplaced.absent(scene, standing) if standing.record.id in ED25519_KEYS else None


def _not_alias(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where a key itself stands in the place of the planned alias."""
    record = standing.record
    if record.rdtype != "CNAME" or standing.verdict is not Verdict.ABSENT:
        return None
    texts = (rdata.text for rdata in answers_at(scene, record.host, "TXT") if isinstance(rdata, Txt))
    keys = tuple(text for text in texts if _like_a_key(text))
    return Match(observed=keys) if keys else None


def _survey(scene: RuleInput) -> Iterator[Finding]:
    """Finds what belongs to no record that the customer publishes."""
    if not scene.plan.served:  # where we publish the keys ourselves, no old one is the customer's to delete
        yield from old_live(scene)
    for theirs in scene.served:
        record = theirs.record
        alias = scene.result_of(record.id)
        leads_here = alias is not None and alias.agreed and alias.verdict is Verdict.PRESENT
        if record.required and leads_here and theirs.verdict in (Verdict.ABSENT, Verdict.WRONG):
            places = {"target": record.host, "held": " | ".join(theirs.observed) or "nothing"}
            seen = Match(host=record.host, observed=theirs.observed, perspectives=theirs.dissenting, places=places)
            yield finding(faults.NOT_SERVED, scene, match=seen)


TOPIC = Topic(
    name="dkim",
    records=ANY_KEYS,
    accepts=accepts,
    # The deepest cause first: a key that is ours but spoilt, then a record that can't be read, then another key.
    explains=(
        *(rule for rule in misplaced.rules("dkim", accepts) if rule.diagnosis.code != "dkim.cname-conflict"),
        DiagnosisRule(diagnosis=faults.NOT_ALIAS, holds=_not_alias),
        DiagnosisRule(diagnosis=faults.REMOVED, holds=_removed),
        DiagnosisRule(diagnosis=faults.ED25519_MISSING, holds=_second_absent),
        DiagnosisRule(diagnosis=faults.MISSING, holds=misplaced.absent),
        DiagnosisRule(diagnosis=faults.SEVERAL_RECORDS, holds=_several),
        _spoilt(faults.PREFIX_REPEATED, _repeated),
        DiagnosisRule(diagnosis=faults.CHUNKS_MISORDERED, holds=_misordered),
        _spoilt(faults.TRUNCATED, _truncated),
        _spoilt(faults.CASE_CHANGED, _case),
        *(rule for rule in misplaced.rules("dkim", accepts) if rule.diagnosis.code == "dkim.cname-conflict"),
        DiagnosisRule(diagnosis=faults.WRONG_TARGET, holds=_other_target),
        DiagnosisRule(diagnosis=faults.NOT_DKIM, holds=_not_dkim),
        _spoilt(faults.NO_KEY, _without_key),
        _spoilt(faults.SYNTAX, _syntax),
        _parsed(faults.DUPLICATE_TAG, _duplicate),
        _parsed(faults.VERSION_NOT_FIRST, _version_later),
        _parsed(faults.BAD_VERSION, _bad_version),
        _parsed(faults.REVOKED, _revoked),
        _parsed(faults.UNKNOWN_ALGORITHM, _unknown_algorithm),
        _parsed(faults.BAD_BASE64, _bad_base64),
        _parsed(faults.ALGORITHM_MISMATCH, _mismatch),
        _parsed(faults.BAD_KEY, _bad_key),
        _parsed(faults.HASH_EXCLUDED, _hash),
        _parsed(faults.SERVICE_EXCLUDED, _service),
        _parsed(faults.FAR_TOO_WEAK_KEY, _far_too_weak),
        DiagnosisRule(diagnosis=faults.WRONG_KEY, holds=_otherwise),
    ),
    advises=ADVISES,
    probes=misplaced.probes,
    survey=_survey,
    asks=old,
    diagnoses=(faults.OLD_SELECTOR_LIVE, faults.NOT_SERVED),
)
