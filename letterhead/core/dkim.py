"""Knows DKIM key records (RFC 6376 3.6): what to publish, and whether what is there is the planned key.

Keys are compared decoded: split strings, spaces, a lost final `;`, the order and the default tags don't matter.
"""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from letterhead.core import placement
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting, Topic
from letterhead.core.plan import PlannedRecord, RecordId, Standing, Verdict
from letterhead.core.records import Rdata, Txt

FOLDING = " \t\r\n"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the tags of a key record in their order, names and values stripped of folding white space."""

    tags: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """Gives the first value of a tag."""
        return next((value for tag, value in self.tags if tag == name), default)


def parse_key_record(text: str) -> KeyRecord | None:
    """Parses a tag list (RFC 6376 3.2); nothing where it is not one."""
    tags: list[tuple[str, str]] = []
    for part in text.split(";"):
        if not part.strip(FOLDING):
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip(FOLDING):
            return None
        tags.append((name.strip(FOLDING), value.strip(FOLDING)))
    return KeyRecord(tags=tuple(tags)) if tags else None


def key_octets(record: KeyRecord) -> bytes | None:
    """Decodes `p=`; white space inside base64 is allowed (RFC 6376 3.6.1). Nothing where it is not base64."""
    text = "".join(record.get("p").split())
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def planned(sender: str, selector: str, public_key: str) -> PlannedRecord:
    """Says the key record to publish; `public_key` is base64 of the SPKI."""
    return PlannedRecord(
        id=RecordId.DKIM,
        host=f"{selector}._domainkey.{sender}",
        rdtype="TXT",
        value=f"v=DKIM1; k=rsa; p={public_key}",
    )


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether this is the planned key and nothing else: with two records a verifier may take either."""
    # RFC 6376 3.6.2.2: several TXT at one selector give undefined results
    if len(rdatas) != 1 or not isinstance(rdatas[0], Txt):
        return False
    theirs, ours = parse_key_record(rdatas[0].text), parse_key_record(record.value)
    if theirs is None or ours is None or not _usable(theirs):
        return False
    octets = key_octets(theirs)
    return octets is not None and octets == key_octets(ours)


def _usable(record: KeyRecord) -> bool:
    """Says whether a verifier would use this key for rsa-sha256 mail (RFC 6376 3.6.1)."""
    names = [name for name, _ in record.tags]
    if len(set(names)) != len(names):  # RFC 6376 3.2: a duplicate tag makes the whole list invalid
        return False
    if "v" in names and (names[0] != "v" or record.get("v") != "DKIM1"):  # RFC 6376 3.6.1: v= first, exactly DKIM1
        return False
    hashes, services = _list(record.get("h", "sha256")), _list(record.get("s", "*"))
    return record.get("k", "rsa") == "rsa" and "sha256" in hashes and bool({"*", "email"} & set(services))


def _list(value: str) -> list[str]:
    return [item.strip(FOLDING) for item in value.split(":")]


MISSING = Diagnosis(
    code="dkim.missing",
    severity=Severity.BLOCKING,
    title="The DKIM record is not in DNS",
    meaning="Receivers look up this TXT record to check the signature on each message. Your DNS servers say that it "
    "does not exist, so nothing that you send can be verified.",
    detail="There is no TXT record at {host}.",
    fix="Add a TXT record with the name {name} and the value {expected} {where}",
    reference="RFC 6376 3.6.2",
)
WRONG_KEY = Diagnosis(
    code="dkim.wrong-key",
    severity=Severity.BLOCKING,
    title="The DKIM record holds another value",
    meaning="A record is there, but it does not hold the key that your mail is signed with, so every signature fails.",
    detail="The TXT record at {host} is not the key for this domain.",
    fix="Replace the value of the TXT record {name} with {expected} {where}",
    reference="RFC 6376 3.6.1",
)


def _absent(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.ABSENT else None


def _wrong(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.WRONG else None


TOPIC = Topic(
    name="dkim",
    records=(RecordId.DKIM,),
    accepts=accepts,
    explains=(
        *placement.rules("dkim", accepts),
        Rule(diagnosis=MISSING, holds=_absent),
        Rule(diagnosis=WRONG_KEY, holds=_wrong),
    ),
    probes=placement.probes,
)
