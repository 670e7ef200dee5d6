"""Knows how a zone of the operator's own is written: RFC 2136 update, signed by TSIG (RFC 8945), over TCP.

Refuses to write any name but the slots of a claim below the zone, and any type but TXT.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update
from dns.rdtypes.ANY.TXT import TXT

from letterhead.core.dns.records import split_text
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.provider import HealthItem

UNSIGNED, UNREADABLE = "unsigned", "unreadable"  # answers that nobody can rely on
HEADER: Final = 12  # octets
SECONDS: Final = 10.0  # for one update, far less than a lease
PROBE: Final = "lh1.letterhead-doctor"  # below the zone, where nothing ever is
_OURS: Final = re.compile(r"lh[12]\.[a-z0-9-]{1,63}")

# What each refusal means and what mends it (RFC 2136 2.2, RFC 8945 5.3).
_MENDS: Final = {
    "BADKEY": (
        "it knows no TSIG key of this name and algorithm, or does not let it update the zone",
        "Configure the key of LETTERHEAD_DKIM_ZONE_TSIG at the server, by the same name and algorithm, and allow it to "
        "update the zone",
    ),
    "BADSIG": (
        "its TSIG key of this name has another secret",
        "Write the same secret at the server and in LETTERHEAD_DKIM_ZONE_TSIG",
    ),
    "BADTIME": (
        "its clock and ours are more than five minutes apart",
        "Run a time service on both machines: timedatectl set-ntp true",
    ),
    "NOTAUTH": (
        "it has no authority for the zone, or does not take the TSIG key",
        "Name the zone's primary in LETTERHEAD_DKIM_ZONE_SERVER and the zone itself in LETTERHEAD_DKIM_ZONE",
    ),
    "NOTZONE": (
        "a name lies outside the zone that it serves",
        "Write the name of the zone itself in LETTERHEAD_DKIM_ZONE, not of one above or below it",
    ),
    "REFUSED": (
        "the TSIG key may not update the zone there",
        "Allow updates of TXT records of the zone by this key: allow-update or update-policy in BIND, an acl with the "
        "action update in Knot DNS, TSIG-ALLOW-DNSUPDATE in PowerDNS",
    ),
    UNSIGNED: (
        "the answer was not signed with the TSIG key, so that anybody may have sent it",
        "Check that nothing stands between this machine and the server, and that the server signs its answers",
    ),
    "NOTIMP": (
        "it takes no updates",
        "Switch updates on at the server (PowerDNS: dnsupdate=yes), or name one that takes them",
    ),
}
_MENDS_UNKNOWN: Final = ("", "Look at the server's log for the reason")
_TSIG_WORDS: Final[Sequence[tuple[type[dns.exception.DNSException], str]]] = (
    (dns.tsig.PeerBadKey, "BADKEY"),
    (dns.tsig.PeerBadSignature, "BADSIG"),
    (dns.tsig.PeerBadTime, "BADTIME"),
    (dns.tsig.PeerBadTruncation, "BADTRUNC"),
    (dns.tsig.BadTime, "BADTIME"),
    (dns.tsig.BadSignature, "BADSIG"),
)


class ZoneUpdates:
    """Writes one zone at its primary server; `algorithm` is one that TSIG names, such as `hmac-sha256`."""

    def __init__(self, zone: str, server: tuple[str, int], key_name: str, algorithm: str, secret: Secret) -> None:
        self.zone = zone
        self._server = server
        self._key = dns.tsig.Key(key_name, reveal(secret), algorithm)

    def __repr__(self) -> str:
        return f"ZoneUpdates({self.zone!r}, {self._server!r})"

    async def publish(self, texts: Mapping[str, str | None], ttl: timedelta) -> None:
        """Makes each of these names hold this one TXT, or none: all of them in one message, so all or nothing."""
        update = self._message()
        for name, text in texts.items():
            self._refuse_others(name)
            owner = dns.name.from_text(name)
            if text is None:
                update.delete(owner, "TXT")
            else:  # RFC 2136 3.4.2: what is there goes and what comes is there in one step, for whoever asks
                update.replace(owner, int(ttl.total_seconds()), _txt(text))
        await self._send(update)

    async def health(self) -> Sequence[HealthItem]:
        """Sends an update that is allowed to whoever may write, and deletes what is not there: nothing changes."""
        update = self._message()
        probe = dns.name.from_text(f"{PROBE}.{self.zone}")
        update.absent(probe)  # RFC 2136 2.4.5: where something is, after all, nothing is done
        update.delete(probe, "TXT")
        try:
            await self._send(update)
        except Fault as fault:
            return (HealthItem(said=fault.detail, ok=False, fix=fault.fix),)
        return (HealthItem(said=f"{_shown(self._server)} lets us write the zone {self.zone}"),)

    def _message(self) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(self.zone, keyring=self._key)

    def _refuse_others(self, name: str) -> None:
        """Refuses a name that is none of ours to write, whoever asks."""
        relative = name.removesuffix(f".{self.zone}")
        if relative == name or not _OURS.fullmatch(relative):
            raise Fault(
                Kind.CONFIG_INVALID,
                f"{name} is no place for a key in the zone {self.zone}.",
                "Keep LETTERHEAD_DKIM_ZONE as it was while domains have their keys there: their customers' CNAMEs "
                "lead to it. Delete such a domain and add it again to move it.",
                provider_code="NOTZONE",
            )

    async def _send(self, update: dns.update.UpdateMessage) -> None:
        packet = update.to_wire()
        try:
            async with asyncio.timeout(SECONDS):
                reply = await _exchanged(self._server, packet)
        except (OSError, EOFError) as trouble:
            raise self._unreachable(trouble) from trouble
        word = self._said(update, reply)
        if word != dns.rcode.to_text(dns.rcode.NOERROR):
            raise self._refused(word)

    def _said(self, update: dns.update.UpdateMessage, reply: bytes) -> str:
        """Reads the answer's word: a refusal from whoever sent it, success only where the key has signed it."""
        try:
            message = dns.message.from_wire(reply, keyring=self._key, request_mac=update.mac)
        except dns.exception.DNSException as trouble:
            return next((word for kind, word in _TSIG_WORDS if isinstance(trouble, kind)), None) or _bare(update, reply)
        return dns.rcode.to_text(message.rcode()) if update.is_response(message) else UNREADABLE

    def _unreachable(self, trouble: Exception) -> Fault:
        why = str(trouble) or "no answer in time"
        return Fault(
            Kind.UNREACHABLE,
            f"{_shown(self._server)}, which the zone {self.zone} is written at, can't be reached: {why}.",
            "Check LETTERHEAD_DKIM_ZONE_SERVER, and that TCP to that port is allowed. It is tried again by itself.",
        )

    def _refused(self, word: str) -> Fault:
        why, mend = _MENDS.get(word, _MENDS_UNKNOWN)
        said = f"{word}, which says that {why}" if why else word
        return Fault(
            Kind.CONFIG_INVALID,
            f"{_shown(self._server)} refuses to write the zone {self.zone}: {said}.",
            f"{mend}. It is tried again by itself.",
            provider_code=word,
        )


def _bare(update: dns.update.UpdateMessage, reply: bytes) -> str:
    """Reads the header of an answer that is not signed, as of a server that refuses with nothing else."""
    if len(reply) < HEADER or int.from_bytes(reply[:2]) != update.id:
        return UNREADABLE
    code = dns.rcode.Rcode(reply[3] & 0xF)
    return UNSIGNED if code == dns.rcode.NOERROR else dns.rcode.to_text(code)


async def _exchanged(server: tuple[str, int], packet: bytes) -> bytes:
    """Sends one message over TCP and reads the answer (RFC 1035 4.2.2)."""
    host, port = server
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(len(packet).to_bytes(2) + packet)
        await writer.drain()
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()


def _txt(text: str) -> TXT:
    return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [piece.encode("ascii") for piece in split_text(text)])


def _shown(server: tuple[str, int]) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
