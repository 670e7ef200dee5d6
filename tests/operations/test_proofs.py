"""Proofs against real DNS servers: a message signed with a domain's key, each way to break it, and one that is sent."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import dkim
import pytest

from letterhead.adapters.imap import ImapMailbox
from letterhead.adapters.smtp import MailServer, SmtpMailer
from letterhead.core.dns.records import split_text
from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import RecordId
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations import proofs
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.domains import plan_of
from letterhead.operations.proofs import AuthenticatedMessage, ProofSent, ReceivedMessage
from letterhead.ports.mail import ProofSetup
from tests.operations.world import OPERATOR, Clock, World
from tests.rigs import imap, smtp
from tests.rigs.dns_lab import DnsLab
from tests.rigs.proving import prove
from tests.rigs.signing import message, signed, txt_of, verifies
from tests.rigs.smtp import certificate
from tests.rigs.waiting import CEILING

IP = "203.0.113.25"  # the provider's, by its SPF record


async def key_of(world: World, domain: Domain) -> str:
    """Return a domain's private key as the API shows it."""
    sealed = await world.deps.store.sealed_key(domain.id, domain.selector)
    assert sealed is not None
    return base64.b64encode(reveal(world.deps.keyring.unseal(sealed, key_purpose(domain)))).decode()


def quoted(text: str) -> str:
    """Write a TXT value as a zone file does."""
    return " ".join(f'"{piece}"' for piece in split_text(text))


async def settled(lab: DnsLab, world: World, zone: str, policy: str = "v=DMARC1; p=reject") -> tuple[Domain, bytes]:
    """Add a domain with all of its records, and return it with a message that its key signed."""
    domain = await world.add(zone)
    plan = plan_of(world.deps, domain)
    for each in plan.records:
        if each.rdtype == "TXT" and each.id is not RecordId.DMARC:
            lab.publish(each.host, "TXT", quoted(each.value))
    if policy:
        lab.publish(f"_dmarc.{zone}", "TXT", quoted(policy))
    lab.flush()
    return domain, signed(message(zone), zone, domain.selector, await key_of(world, domain))


async def proven(lab: DnsLab, world: World, zone: str) -> None:
    """Add a domain with all of its records, and have it checked, so that mail may be sent from it."""
    await settled(lab, world, zone)
    await prove(world.deps, world.account.id, zone)


async def judged(world: World, zone: str, octets: bytes, **given: str) -> AuthenticatedMessage:
    """Judge a message that came from the provider's server."""
    envelope = {"client_ip": IP, "mail_from": f"bounce@lh.{zone}"} | given
    return await proofs.judge(world.deps, world.account.id, zone, ReceivedMessage(octets=octets, **envelope), OPERATOR)


def words(found: AuthenticatedMessage) -> tuple[str, str, str, str]:
    """Sum a proof up."""
    proof = found.proof
    dkim_word = proof.dkim[0].verified.judgement.result.value if proof.dkim else "none"
    return dkim_word, proof.spf.judgement.result.value, proof.dmarc.judgement.result.value, proof.dmarc.outcome


async def test_a_message_signed_with_the_domains_key_passes(
    lab: DnsLab, provider: str, zone: str, world: World
) -> None:
    """Everything passes, as dkimpy finds over the same DNS; and one row of the audit says who asked."""
    _, octets = await settled(lab, world, zone)
    found = await judged(world, zone, octets)
    assert words(found) == ("pass", "pass", "pass", "delivered")
    assert (found.proof.dkim[0].aligned, found.proof.spf.aligned) == (True, True)
    assert verifies(lab, octets)
    rows = await world.deps.store.audit_rows(None, None, 1)
    assert [(each.row.action, each.row.subject) for each in rows] == [("proof.judge", zone)]


@pytest.mark.parametrize(
    ("spoil", "result", "code"),
    [
        (lambda octets: octets.replace(b"this is the", b"this was the"), "fail", None),
        (lambda octets: octets.replace(b"Subject: N", b"Subject: [n] N"), "fail", None),
        (lambda octets: octets.replace(b" s=lh", b" s=xx"), "permerror", "dkim.missing"),
        (lambda octets: octets.replace(b"; d=", b"; x="), "neutral", None),
    ],
)
async def test_a_spoilt_message_fails(
    lab: DnsLab, provider: str, zone: str, world: World, spoil: Callable[[bytes], bytes], result: str, code: str | None
) -> None:
    """Body, header, selector, a part that is gone: the signature is no good, for us as for dkimpy; SPF still passes."""
    _, octets = await settled(lab, world, zone)
    spoilt = spoil(octets)
    assert spoilt != octets
    found = await judged(world, zone, spoilt)
    assert words(found) == (result, "pass", "pass", "delivered")
    assert found.proof.dkim[0].verified.judgement.code == code
    assert not verifies(lab, spoilt)
    alone = await judged(world, zone, spoilt, client_ip="198.51.100.1")
    assert words(alone)[1:] == ("softfail", "fail", "rejected")


@pytest.mark.parametrize(
    ("record", "code"),
    [("v=DKIM1; k=rsa; p=", "dkim.revoked"), ("other", "dkim.wrong-key"), (None, "dkim.missing")],
)
async def test_a_key_that_is_not_the_signers(
    lab: DnsLab, provider: str, zone: str, world: World, record: str | None, code: str
) -> None:
    """An older key, a revoked one, none: told by the finding's code, as dkimpy refuses them."""
    domain, octets = await settled(lab, world, zone)
    host = f"{domain.selector}._domainkey.{zone}"
    if record == "other":
        record = f"v=DKIM1; k=rsa; p={(await world.add(f'other.{zone}')).public_key}"
    if record is None:
        lab.withdraw(host, "TXT")
    else:
        lab.publish(host, "TXT", quoted(record))
    lab.flush()
    found = await judged(world, zone, octets)
    assert found.proof.dkim[0].verified.judgement.code == code
    assert words(found)[0] != "pass"
    assert not verifies(lab, octets)


@pytest.mark.parametrize(
    ("policy", "verdict", "outcome"),
    [
        ("v=DMARC1; p=none", "fail", "delivered"),
        ("v=DMARC1; p=quarantine", "fail", "quarantined"),
        ("v=DMARC1; p=reject", "fail", "rejected"),
        ("", "none", "delivered"),
    ],
)
async def test_the_policy_decides(
    lab: DnsLab, provider: str, zone: str, world: World, policy: str, verdict: str, outcome: str
) -> None:
    """An unsigned message from elsewhere is treated as the domain asks; the subdomain's policy is inherited."""
    await settled(lab, world, zone, policy)
    found = await judged(world, zone, message(zone), client_ip="198.51.100.1")
    assert words(found)[2:] == (verdict, outcome)
    below = await judged(world, zone, message(f"news.{zone}"), client_ip="198.51.100.1")
    assert words(below)[2:] == (verdict, outcome)
    assert any(zone in note for note in below.proof.notes)


async def test_another_from_is_not_proven(lab: DnsLab, provider: str, zone: str, world: World) -> None:
    """A good signature of one domain proves nothing about another one's From."""
    domain, _ = await settled(lab, world, zone)
    bank = lab.zone(f"bank-{zone}")
    lab.publish(f"_dmarc.{bank}", "TXT", quoted("v=DMARC1; p=reject"))
    octets = signed(message(bank), zone, domain.selector, await key_of(world, domain))
    found = await judged(world, zone, octets)
    assert words(found) == ("pass", "pass", "fail", "rejected")
    assert (found.proof.dkim[0].aligned, found.proof.spf.aligned) == (False, False)


@pytest.mark.parametrize(
    ("ending", "result"), [("-all", "fail"), ("~all", "softfail"), ("?all", "neutral"), ("", "neutral")]
)
async def test_spf_from_another_address(
    lab: DnsLab, provider: str, zone: str, world: World, ending: str, result: str
) -> None:
    """The end of the record says what becomes of others."""
    await settled(lab, world, zone)
    lab.publish(f"lh.{zone}", "TXT", quoted(f"v=spf1 include:spf.{provider} {ending}".rstrip()))
    lab.flush()
    assert words(await judged(world, zone, message(zone)))[1] == "pass"
    assert words(await judged(world, zone, message(zone), client_ip="198.51.100.1"))[1] == result


async def test_dead_dns_never_fails(lab: DnsLab, provider: str, zone: str, world: World) -> None:
    """With the nameservers frozen all is temperror, and the message deferred; nothing is called a failure."""
    _, octets = await settled(lab, world, zone)
    lab.flush()
    with lab.ns1.server.frozen(), lab.ns2.server.frozen():
        found = await judged(world, zone, octets)
    assert words(found) == ("temperror", "temperror", "temperror", "deferred")
    lab.flush()
    async with asyncio.timeout(CEILING):  # a busy machine lets the servers go on a moment later
        while words(await judged(world, zone, octets)) != ("pass", "pass", "pass", "delivered"):
            pass


async def test_only_the_accounts_own(lab: DnsLab, zone: str, world: World) -> None:
    """A proof is made for domains of the account alone."""
    stranger = await world.other("stranger")
    await world.add(zone)
    with pytest.raises(Fault) as caught:
        await judged(stranger, zone, message(zone))
    assert caught.value.kind is Kind.NOT_FOUND


# --- a message that is sent ------------------------------------------------------------------------------------


class Delivery:
    """The operator's path: a mail server that signs what it takes, and the mailbox that it delivers to."""

    def __init__(self, world: World, server: smtp.Ledger, mail: imap.Mail) -> None:
        self.world, self.server, self.mail = world, server, mail

    async def deliver(self, zone: str) -> None:
        """Sign what was taken, as the operator's server does, and deliver it."""
        domain = await self.world.domain(zone)
        for taken in self.server.taken:
            octets = signed(taken.octets, zone, domain.selector, await key_of(self.world, domain))
            trace = f"Return-Path: <{taken.sender}>\r\nReceived: from out (out [9.9.9.9]) by mx; now\r\n"
            self.mail.held.append(trace.encode() + octets)
        self.server.taken.clear()


@pytest.fixture
async def path(world: World, tmp_path: Path, clock: Clock) -> AsyncIterator[Delivery]:
    """Set an installation up that can send proofs and read them."""
    shown = certificate(tmp_path)

    def trust() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(shown.chain))

    with smtp.running(shown) as server, imap.running(shown) as mail:
        mailer = SmtpMailer(
            MailServer(
                host="localhost", port=server.port, implicit_tls=False, starttls=True, sender="proof@operator.test",
                user=smtp.USER, password=Secret(smtp.PASSWORD.encode()), trust=trust,
            ),
            clock,
        )  # fmt: skip
        mailbox = ImapMailbox("localhost", mail.port, imap.USER, Secret(imap.PASSWORD.encode()), trust=trust)
        proving = ProofSetup(to="proof@operator.test", mailer=mailer, mailbox=mailbox)
        deps = replace(world.deps, proofs=proving)
        yield Delivery(replace(world, deps=deps), server, mail)


async def test_a_proof_is_sent_found_and_judged(lab: DnsLab, zone: str, world: World, path: Delivery) -> None:
    """Sent from the domain to the operator's mailbox; waiting until it is there; then judged as it came."""
    await proven(lab, world, zone)
    lab.publish(f"lh.{zone}", "TXT", quoted("v=spf1 ip4:9.9.9.9 -all"))
    lab.flush()
    world = path.world
    sent = await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    taken = path.server.taken[0]
    assert (taken.to, taken.sender) == ("proof@operator.test", f"letterhead-proof@lh.{zone}")
    assert taken.message["From"] == f"letterhead-proof@{zone}"
    assert taken.message["Message-ID"] == sent.message_id
    assert sent.id in str(taken.message["Subject"])
    waiting = await proofs.find_proof(world.deps, world.account.id, zone, sent.id)
    assert isinstance(waiting, ProofSent)
    await path.deliver(zone)
    found = await proofs.find_proof(world.deps, world.account.id, zone, sent.id)
    assert isinstance(found, AuthenticatedMessage)
    assert words(found) == ("pass", "pass", "pass", "delivered")
    assert dkim.verify(path.mail.held[0], dnsfunc=txt_of(lab))


async def test_ids_are_of_one_claim_alone(lab: DnsLab, zone: str, path: Delivery, clock: Clock) -> None:
    """Another domain's id, or a made-up one, finds nothing; the same Idempotency-Key names the same message."""
    world = path.world
    await proven(lab, world, zone)
    await proven(lab, world, f"other.{zone}")
    first = await proofs.send(world.deps, world.account.id, zone, OPERATOR, "key-1")
    assert path.mail.asked == []
    for wrong in (first.id[:-1] + "x", first.id[::-1], "", "proof", first.id + "0", "é" * 45):
        with pytest.raises(Fault) as caught:
            await proofs.find_proof(world.deps, world.account.id, zone, wrong)
        assert caught.value.kind is Kind.NOT_FOUND
    with pytest.raises(Fault):
        await proofs.find_proof(world.deps, world.account.id, f"other.{zone}", first.id)
    assert path.mail.asked == []
    clock.turn(seconds=21)
    assert (await proofs.send(world.deps, world.account.id, zone, OPERATOR, "key-1")).id == first.id
    clock.turn(seconds=21)
    assert (await proofs.send(world.deps, world.account.id, zone, OPERATOR, "key-2")).id != first.id


async def test_one_is_sent_in_twenty_seconds(lab: DnsLab, zone: str, path: Delivery, clock: Clock) -> None:
    """For each domain, whichever process is asked: 429, with the time to wait."""
    world = path.world
    await proven(lab, world, zone)
    await proven(lab, world, f"other.{zone}")
    await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    with pytest.raises(Fault) as caught:
        await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    assert (caught.value.kind, caught.value.retry_after) == (Kind.TOO_MANY_REQUESTS, 20)
    await proofs.send(world.deps, world.account.id, f"other.{zone}", OPERATOR)
    clock.turn(seconds=20)
    await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    assert len(path.server.taken) == 3


async def test_a_refusal_is_told(lab: DnsLab, zone: str, path: Delivery) -> None:
    """What the operator's server says against it is told, with its code."""
    world = path.world
    await proven(lab, world, zone)
    path.server.mood = smtp.Mood.REFUSES
    with pytest.raises(Fault) as caught:
        await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    fault = caught.value
    assert (fault.kind, fault.provider, fault.provider_code) == (Kind.PROVIDER_FAILED, "smtp", "550")
    assert "no such user" in fault.detail


async def test_without_a_mailbox_nothing_is_sent(zone: str, world: World) -> None:
    """It is said what to do instead."""
    await world.add(zone)
    with pytest.raises(Fault) as caught:
        await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    assert caught.value.kind is Kind.BODY_INVALID
    assert "raw" in (caught.value.fix or "")


async def test_nothing_is_sent_from_a_domain_that_is_not_proven(lab: DnsLab, zone: str, path: Delivery) -> None:
    """Neither before its records are found nor after its claim is only one of several; the fix says what to do."""
    world = path.world
    await world.add(zone)
    with pytest.raises(Fault) as caught:
        await proofs.send(world.deps, world.account.id, zone, OPERATOR)
    assert caught.value.kind is Kind.CONFLICT
    assert "not proven" in caught.value.detail
    assert "wait until its status is SUCCESS" in (caught.value.fix or "")
    assert path.server.taken == []
