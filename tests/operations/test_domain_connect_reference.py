"""The operator's template and the links to it, as the reference implementation of a DNS host applies them to a zone."""

import base64
from collections.abc import Iterator
from urllib.parse import quote

import dns.rdatatype
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from letterhead.core.domain_connect.apply_query import ApplyRequest, apply_query, key_texts
from letterhead.core.domain_connect.template import AppliedRecord, apply_record, new_template
from letterhead.core.plan.plan import PlannedRecord, RecordId
from tests.core.test_domain_connect import PROVIDER, every_record
from tests.rigs.dns_lab import DnsLab
from tests.rigs.domain_connect import DnsProvider, Link, providing, records_of


def key_with_n_at_the_cut() -> rsa.RSAPrivateKey:
    """Make a key of which an even cut would leave a piece that ends or begins with "n"."""
    while True:
        made = rsa.generate_private_key(65537, 2048)
        if "n" in public_key(made)[199:201]:
            return made


def public_key(made: rsa.RSAPrivateKey) -> str:
    """Return base64 of its public half."""
    return base64.b64encode(made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


SIGNS = key_with_n_at_the_cut()
DKIM = base64.b64encode(bytes(range(256)) + b"+/" * 19).decode()  # longer than one string of a TXT record
OPERATOR = "connect.test"


@pytest.fixture(scope="module")
def provider(lab: DnsLab) -> Iterator[DnsProvider]:
    """Run a DNS provider with the operator's template on board, and the operator's public key in DNS."""
    lab.zone(OPERATOR)
    texts = key_texts(public_key(SIGNS))
    lab.publish(f"_dcpubkeyv1.{OPERATOR}", "TXT", *(f'"{text}"' for text in texts))
    with providing(lab) as provider:
        made = new_template(msgspec.structs.replace(PROVIDER, key_domain=OPERATOR))
        provider.onboard(msgspec.json.decode(msgspec.json.encode(made)))
        yield provider


def link_for(sender: str, zone: str, *planned: PlannedRecord) -> Link:
    """Return the link that sets these records, signed."""
    applied: list[AppliedRecord] = []
    for record in planned:
        found = apply_record(PROVIDER, sender, record)
        assert found is not None, record.id
        applied.append(found)
    query = apply_query(ApplyRequest(sender=sender, zone=zone, records=tuple(applied), state="s/1 &x"))
    signature = base64.b64encode(SIGNS.sign(query.encode(), padding.PKCS1v15(), SHA256())).decode()
    return Link(PROVIDER.provider_id, PROVIDER.service_id, f"{query}&sig={quote(signature, safe='')}&key=_dcpubkeyv1")


def served(lab: DnsLab, record: PlannedRecord) -> list[str]:
    """Return what the zone's server answers at a planned record's name, as the plan writes it."""
    answer = lab.ns1.ask(record.host, record.rdtype).answer
    rdatas = [rdata for rrset in answer if rrset.rdtype == dns.rdatatype.from_text(record.rdtype) for rdata in rrset]
    if record.rdtype == "TXT":
        return [b"".join(rdata.strings).decode() for rdata in rdatas]
    return [str(rdata).removesuffix(".") for rdata in rdatas]


@pytest.mark.parametrize("label", ["", "mail.", "deep.below."])
@pytest.mark.parametrize("number", range(9))
def test_each_record_is_written_as_planned(
    lab: DnsLab, provider: DnsProvider, zone: str, label: str, number: int
) -> None:
    """For every kind of record, at the top of a zone and below it, the host serves what was planned, and no more."""
    provider.serve(zone)
    before = list(records_of(zone, lab.ns1))
    planned = every_record(f"{label}{zone}", "s1", DKIM)[number]
    provider.apply(link_for(f"{label}{zone}", zone, planned))
    value = planned.value if planned.priority is None else f"{planned.priority} {planned.value}"
    assert served(lab, planned) == [value]
    assert len(list(records_of(zone, lab.ns1))) == len(before) + 1


def test_a_link_again_changes_nothing(lab: DnsLab, provider: DnsProvider, zone: str) -> None:
    """All records of a plan at once, and the same again without the SPF, which is never asked to be merged twice."""
    provider.serve(zone)
    planned = [each for each in every_record(zone, "s1", DKIM) if each.rdtype != "CNAME"]
    provider.apply(link_for(zone, zone, *planned))
    before = sorted(map(str, records_of(zone, lab.ns1)))
    provider.apply(link_for(zone, zone, *(each for each in planned if each.id is not RecordId.MAIL_FROM_SPF)))
    assert sorted(map(str, records_of(zone, lab.ns1))) == before


def test_a_change_of_keys_takes_nothing_away(lab: DnsLab, provider: DnsProvider, zone: str) -> None:
    """The next key comes beside the one in use, with everything that others have in the zone."""
    provider.serve(zone)
    lab.publish(zone, "TXT", '"v=spf1 include:other.test -all"')
    lab.publish(f"www.{zone}", "CNAME", "shop.test.")
    key, coming, *_ = every_record(zone, "s1", DKIM)
    provider.apply(link_for(zone, zone, key))
    before = {str(each) for each in records_of(zone, lab.ns1)}
    provider.apply(link_for(zone, zone, coming))
    after = {str(each) for each in records_of(zone, lab.ns1)}
    assert before < after
    assert len(after - before) == 1


def test_spf_is_merged(lab: DnsLab, provider: DnsProvider, zone: str) -> None:
    """Beside the terms of others there is one SPF record, which has ours too (RFC 7208 3.2)."""
    provider.serve(zone)
    (planned,) = [each for each in every_record(zone, "s1", DKIM) if each.id is RecordId.MAIL_FROM_SPF]
    lab.publish(planned.host, "TXT", '"v=spf1 include:other.test -all"')
    provider.apply(link_for(zone, zone, planned))
    assert served(lab, planned) == ["v=spf1 include:amazonses.com include:other.test -all"]
