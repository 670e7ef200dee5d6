"""Knows what people get wrong in DMARC records (RFC 9989). All that it finds is advice: DMARC blocks no status."""

import re
from collections.abc import Callable, Iterable, Sequence

from letterhead.core import placement
from letterhead.core.answers import Found, Question, Unanswered, View
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting, Topic
from letterhead.core.dmarc_faults import (
    AT_PARENT,
    AT_WRONG_NAME,
    BAD_VERSION,
    DUPLICATE_TAG,
    INHERITED,
    MISSING,
    NO_REPORTS,
    POLICY_INVALID,
    POLICY_MISSING,
    POLICY_NONE,
    REJECT_BEFORE_DKIM,
    REMOVED_TAG,
    REPORT_ADDRESS_BAD,
    REPORT_UNAUTHORISED,
    SEVERAL_RECORDS,
    STRICT_DKIM,
    STRICT_SPF,
    SUBDOMAIN_POLICY_NONE,
    SYNTAX,
    TAG_ORDER,
    UNKNOWN_TAG,
)
from letterhead.core.dmarc_record import KNOWN, REMOVED, DmarcRecord, Tag, Trouble, parse, reports, troubles
from letterhead.core.dmarc_walk import Policy, organisational_domain, policy_in_force, question, walk
from letterhead.core.plan import PlannedRecord, RecordId, Standing, Verdict, follow
from letterhead.core.records import Rdata, Txt

MOST_DESTINATIONS = 4  # hosts for reports that we ask about; each costs a question or a walk
NAME_LIMIT = 253

# What was meant as a DMARC record, though receivers don't take it for one.
_MEANT = re.compile(r"dmarc|(?:\A|;)\s*(?:p\s*=\s*(?:none|quarantine|reject)|rua\s*=)", re.IGNORECASE)


def planned(sender: str) -> PlannedRecord:
    """Says the DMARC record that we advise where there is none."""
    return PlannedRecord(
        id=RecordId.DMARC, host=f"_dmarc.{sender}", rdtype="TXT", value="v=DMARC1; p=none;", required=False
    )


def accepts(_: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether one record is there that receivers use as its owner wrote it: the policy is the owner's business."""
    records = [record for record in map(parse, _texts(rdatas)) if record.current]
    return len(records) == 1 and records[0].enforceable and not records[0].bad_policies


def _texts(rdatas: Sequence[Rdata]) -> list[str]:
    return [rdata.text for rdata in rdatas if isinstance(rdata, Txt)]


# --- what is there ---------------------------------------------------------------------------------------------


def _read(standing: Standing) -> list[DmarcRecord]:
    """Reads the DMARC records at the planned name."""
    return [record for record in map(parse, standing.observed) if record.current]


def _meant(standing: Standing) -> list[DmarcRecord]:
    """Reads what was meant as one and is none."""
    texts = [text for text in standing.observed if _MEANT.search(text) and not text.lower().startswith("v=spf1")]
    return [record for record in map(parse, texts) if not record.current]


def _one(standing: Standing) -> DmarcRecord | None:
    records = _read(standing)
    return records[0] if len(records) == 1 else None


def _version_last(record: DmarcRecord) -> bool:
    return any(tag.name == "v" and tag.value == "DMARC1" for tag in record.tags[1:])


def _marked(record: DmarcRecord, spot: Trouble | Tag, **places: str) -> Sighting:
    part = record.text[spot.start : spot.end]
    span = (spot.start, spot.end)
    return Sighting(places={"part": part, "at": str(spot.start + 1), **places}, observed=(record.text,), span=span)


# --- why a record is not one that receivers use ----------------------------------------------------------------


def _several(_: Scene, standing: Standing) -> Sighting | None:
    records = _read(standing)
    return Sighting(observed=tuple(each.text for each in records)) if len(records) > 1 else None


def _elsewhere(names: Callable[[Scene], Iterable[str]]) -> Callable[[Scene, Standing], Sighting | None]:
    def holds(scene: Scene, standing: Standing) -> Sighting | None:
        if standing.verdict is Verdict.ABSENT:
            for name in names(scene):
                texts = [text for text in _texts_at(scene, name) if parse(text).current]
                if texts:
                    return Sighting(places={"found": name}, observed=tuple(texts), evidence=(f"found at {name}",))
        return None

    return holds


def _texts_at(scene: Scene, name: str) -> list[str]:
    replies = follow(scene.seen, Question(name=name, rdtype="TXT", view=View.ONE_SERVER))
    return [text for each in replies if isinstance(each.answer, Found) for text in _texts(each.answer.rrset.rdatas)]


def _wrong_names(scene: Scene) -> list[str]:
    """Names the domain itself, and what a MAIL FROM domain's own DMARC record would be called."""
    bounces = [each.host for each in scene.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    return [scene.plan.sender, *(f"_dmarc.{host}" for host in bounces)]


def _parent(scene: Scene) -> list[str]:
    return [scene.plan.zone] if scene.plan.zone != scene.plan.sender else []


def _inherits(scene: Scene, standing: Standing) -> Sighting | None:
    policy = policy_in_force(scene.plan.sender, scene.seen)
    if policy is None or not policy.inherited or _meant(standing) or _read(standing):
        return None
    places = {"found": policy.name, "policy": policy.applied}
    return Sighting(places=places, observed=(policy.text,), evidence=(f"found at {policy.name}",))


def _missing(_: Scene, standing: Standing) -> Sighting | None:
    """Holds where there is nothing, and where whatever is there has nothing to do with DMARC."""
    return None if _meant(standing) or _read(standing) else Sighting()


def _misordered(_: Scene, standing: Standing) -> Sighting | None:
    for record in _meant(standing):
        if _version_last(record):
            return _marked(record, record.tags[0], trouble="the first tag must be v=DMARC1")
    return None


def _bad_version(_: Scene, standing: Standing) -> Sighting | None:
    for record in _meant(standing):
        version = record.tags[0] if record.tags and record.tags[0].name == "v" else None
        if version is None and record.tags and not _begins_broken(record):
            return _marked(record, record.tags[0])
        if version is not None and not version.value.startswith("DMARC1") and "=" not in version.value:
            return _marked(record, version)
        if version is not None and re.match(r"DMARC1[\w.]", version.value):
            return _marked(record, version)
    return None


def _begins_broken(record: DmarcRecord) -> bool:
    return bool(record.broken) and record.broken[0].start < record.tags[0].start


def _unreadable(_: Scene, standing: Standing) -> Sighting | None:
    """Holds for what was meant as a record and is none, and for one whose other tags can't be read."""
    for record in _meant(standing):
        first = record.broken[:1] or record.tags[:1]
        if first:
            return _marked(record, first[0], trouble="it must begin with v=DMARC1 and a semicolon")
    return _ignored(_, standing)


def _ignored(_: Scene, standing: Standing) -> Sighting | None:
    record = _one(standing)
    found = troubles(record)[:1] if record else ()
    return _marked(record, found[0], trouble=found[0].why) if record and found else None


def _duplicated(_: Scene, standing: Standing) -> Sighting | None:
    record = _one(standing)
    if record is None or not record.duplicates:
        return None
    name = record.duplicates[0]
    second = [tag for tag in record.tags if tag.name == name][1]
    return _marked(record, second, tag=name)


def _no_policy(_: Scene, standing: Standing) -> Sighting | None:
    record = _one(standing)
    if record is None or record.tag("p") is not None or record.broken:
        return None  # what can't be read was the policy, most likely, and is told by itself
    effect = "act as if it were p=none" if record.enforceable else "ignore the record"
    return Sighting(places={"effect": effect}, observed=(record.text,))


def _bad_policy(_: Scene, standing: Standing) -> Sighting | None:
    record = _one(standing)
    bad = record.bad_policies[:1] if record else ()
    return _marked(record, bad[0]) if record and bad else None


# --- advice about a record that receivers use ------------------------------------------------------------------


def _advice(holds: Callable[[DmarcRecord], Sighting | None]) -> Callable[[Scene, Standing], Sighting | None]:
    """Looks at the domain's own record, unless it is word for word what we asked for."""

    def advise(_: Scene, standing: Standing) -> Sighting | None:
        record = _one(standing) if standing.verdict is Verdict.PRESENT else None
        return holds(record) if record and not _ours(record, standing.record) else None

    return advise


def _ours(record: DmarcRecord, asked: PlannedRecord) -> bool:
    ours = parse(asked.value)
    return [(tag.name, tag.value) for tag in record.tags] == [(tag.name, tag.value) for tag in ours.tags]


def _policy_late(record: DmarcRecord) -> Sighting | None:
    policy = record.tag("p")
    if policy is None or record.tags[1] is policy:
        return None
    return _marked(
        record, policy, trouble="p should follow v at once: RFC 9989 lets it stand anywhere, RFC 7489 did not"
    )


def _policy_none(record: DmarcRecord) -> Sighting | None:
    policy = record.tag("p")
    return _marked(record, policy) if policy and record.word("p") == "none" else None


def _subdomains_open(record: DmarcRecord) -> Sighting | None:
    enforced = record.word("p") in ("quarantine", "reject")
    named = (record.tag(name) for name in ("sp", "np"))
    lax = next((tag for tag in named if tag and tag.value.lower() == "none"), None)
    return _marked(record, lax) if enforced and lax else None


def _removed(record: DmarcRecord) -> Sighting | None:
    tag = next((tag for tag in record.tags if tag.name in REMOVED), None)
    return _marked(record, tag, tag=tag.name) if tag else None


def _unknown(record: DmarcRecord) -> Sighting | None:
    tag = next((tag for tag in record.tags if tag.name not in (*KNOWN, *REMOVED)), None)
    return _marked(record, tag, tag=tag.name) if tag else None


def _no_reports(record: DmarcRecord) -> Sighting | None:
    return Sighting(observed=(record.text,)) if record.tag("rua") is None else None


def _bad_address(record: DmarcRecord) -> Sighting | None:
    for name in ("rua", "ruf"):
        tag = record.tag(name)
        for uri in reports(record, name):
            if uri.host is None and tag and not _troubled(record, tag):
                span = (tag.start, tag.end) if uri.start == uri.end else (uri.start, uri.end)
                return Sighting(places={"part": uri.text or "empty", "tag": name}, observed=(record.text,), span=span)
    return None


def _troubled(record: DmarcRecord, tag: Tag) -> bool:
    """Says whether the tag can't be read for another reason already told."""
    return any(tag.start <= trouble.start < tag.end for trouble in troubles(record))


# --- advice about the policy in force, whosoever record it is --------------------------------------------------


def _in_force(holds: Callable[[Scene, Policy], Sighting | None]) -> Callable[[Scene, Standing], Sighting | None]:
    def advise(scene: Scene, _: Standing) -> Sighting | None:
        policy = policy_in_force(scene.plan.sender, scene.seen)
        return holds(scene, policy) if policy else None

    return advise


def _seen_in(policy: Policy, **places: str) -> Sighting:
    return Sighting(places={"found": policy.name, **places}, observed=(policy.text,))


def _strict_spf(scene: Scene, policy: Policy) -> Sighting | None:
    hosts = [each.host for each in scene.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    apart = policy.strict_spf and hosts and hosts[0] != scene.plan.sender
    return _seen_in(policy, mail_from=hosts[0]) if apart else None


def _strict_dkim(scene: Scene, policy: Policy) -> Sighting | None:
    signers = [each.host.partition("._domainkey.")[2] for each in scene.plan.records if each.id is RecordId.DKIM]
    apart = policy.strict_dkim and signers and signers[0] not in ("", scene.plan.sender)
    return _seen_in(policy, signer=signers[0]) if apart else None


def _rejects_early(scene: Scene, policy: Policy) -> Sighting | None:
    dkim = scene.standing(RecordId.DKIM)
    unsigned = dkim is not None and dkim.verdict in (Verdict.ABSENT, Verdict.WRONG)
    return _seen_in(policy) if unsigned and policy.asked == "reject" else None


def _unauthorised(scene: Scene, policy: Policy) -> Sighting | None:
    for host in _destinations(scene, policy):
        asked = _leave(policy, host)
        replies = scene.seen.get(asked, ())
        if not replies or isinstance(replies[0].answer, Unanswered):
            continue
        answer = replies[0].answer
        texts = _texts(answer.rrset.rdatas) if isinstance(answer, Found) else []
        if not any(parse(text).current for text in texts):
            return _seen_in(policy, target=host, leave=asked.name)
    return None


def _leave(policy: Policy, host: str) -> Question:
    """Asks whether a host takes reports about the policy's domain (RFC 9990 4)."""
    return Question(name=f"{policy.domain}._report._dmarc.{host}", rdtype="TXT", view=View.ONE_RESOLVER)


def _destinations(scene: Scene, policy: Policy) -> list[str]:
    """Lists the hosts that get reports and belong to somebody else: another organisational domain."""
    own = organisational_domain(policy.domain, scene.seen)
    return [
        host
        for host in _hosts(policy)
        if not _near(host, policy.domain) or organisational_domain(host, scene.seen) != own
    ]


def _hosts(policy: Policy) -> list[str]:
    record = parse(policy.text)
    found = [uri.host for name in ("rua", "ruf") for uri in reports(record, name)]
    others = [host for host in dict.fromkeys(found) if host and host != policy.domain]
    fitting = [host for host in others if len(_leave(policy, host).name) <= NAME_LIMIT]
    return fitting[:MOST_DESTINATIONS]


def _near(one: str, other: str) -> bool:
    """Says whether two names share more than a top-level domain, so that they may be one organisation's."""
    return one.split(".")[-2:] == other.split(".")[-2:]


# --- what to ask -----------------------------------------------------------------------------------------------


def probes(scene: Scene, standing: Standing) -> Iterable[Question]:
    """Asks where a DMARC record may have ended up instead."""
    yield from placement.probes(scene, standing)
    if standing.verdict is Verdict.ABSENT:
        for name in (*_wrong_names(scene), *_parent(scene)):
            yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def asks(scene: Scene) -> Iterable[Question]:
    """Walks up the tree where the domain has no record of its own, and asks whether others take its reports."""
    standing = scene.standing(RecordId.DMARC)
    if standing is None or standing.verdict is Verdict.UNANSWERED:
        return
    if standing.verdict is not Verdict.PRESENT:
        yield from map(question, walk(scene.plan.sender)[1:])
    policy = policy_in_force(scene.plan.sender, scene.seen)
    for host in _hosts(policy) if policy else ():
        near = policy is not None and _near(host, policy.domain)
        names = dict.fromkeys((*walk(host), *walk(scene.plan.sender)[1:])) if near else ()
        walked = [question(name) for name in names if name != scene.plan.sender]
        yield from walked
        if policy is not None and all(each in scene.seen for each in walked) and host in _destinations(scene, policy):
            yield _leave(policy, host)


def _explains() -> Iterable[Rule]:
    """Lists why a record is not one that receivers use, the deepest cause first."""
    yield Rule(diagnosis=SEVERAL_RECORDS, holds=_several)
    yield Rule(diagnosis=TAG_ORDER, holds=_misordered)
    yield from (
        rule
        for rule in placement.rules("dmarc", accepts, Severity.WARNING)
        if rule.diagnosis.code != AT_PARENT.code  # a parent's record is inherited, at its rightful place
    )
    yield Rule(diagnosis=AT_WRONG_NAME, holds=_elsewhere(_wrong_names))
    yield Rule(diagnosis=AT_PARENT, holds=_elsewhere(_parent))
    yield Rule(diagnosis=INHERITED, holds=_inherits)
    yield Rule(diagnosis=MISSING, holds=_missing)
    yield Rule(diagnosis=BAD_VERSION, holds=_bad_version)
    yield Rule(diagnosis=SYNTAX, holds=_unreadable)
    yield Rule(diagnosis=DUPLICATE_TAG, holds=_duplicated)
    yield Rule(diagnosis=POLICY_MISSING, holds=_no_policy)
    yield Rule(diagnosis=POLICY_INVALID, holds=_bad_policy)


def _about(diagnosis: Diagnosis, holds: Callable[[DmarcRecord], Sighting | None]) -> Rule:
    return Rule(diagnosis=diagnosis, holds=_advice(holds))


TOPIC = Topic(
    name="dmarc",
    records=(RecordId.DMARC,),
    accepts=accepts,
    explains=tuple(_explains()),
    advises=(
        Rule(diagnosis=REJECT_BEFORE_DKIM, holds=_in_force(_rejects_early)),
        Rule(diagnosis=STRICT_SPF, holds=_in_force(_strict_spf)),
        Rule(diagnosis=STRICT_DKIM, holds=_in_force(_strict_dkim)),
        Rule(diagnosis=REPORT_UNAUTHORISED, holds=_in_force(_unauthorised)),
        _about(REPORT_ADDRESS_BAD, _bad_address),
        _about(TAG_ORDER, _policy_late),
        Rule(
            diagnosis=SYNTAX,
            holds=lambda scene, standing: _ignored(scene, standing) if standing.verdict is Verdict.PRESENT else None,
        ),
        Rule(
            diagnosis=POLICY_MISSING,
            holds=lambda scene, standing: _no_policy(scene, standing) if standing.verdict is Verdict.PRESENT else None,
        ),
        _about(POLICY_NONE, _policy_none),
        _about(SUBDOMAIN_POLICY_NONE, _subdomains_open),
        _about(REMOVED_TAG, _removed),
        _about(UNKNOWN_TAG, _unknown),
        _about(NO_REPORTS, _no_reports),
    ),
    probes=probes,
    asks=asks,
)
