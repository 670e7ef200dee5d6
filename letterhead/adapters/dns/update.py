"""The operator's own zone, written with RFC 2136 updates that are signed by TSIG (RFC 8945), over TCP.

Only TXT records are written, and only at the delegated selectors of a claim below the zone.
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

UNSIGNED, UNREADABLE = "unsigned", "unreadable"  # responses that nobody can rely on
HEADER: Final = 12  # octets
SECONDS: Final = 10.0  # for one update, far less than a lease
PROBE: Final = "lh1.letterhead-doctor"  # below the zone, where nothing ever is
_OURS: Final = re.compile(r"lh[12]\.[a-z0-9-]{1,63}")

# What each refusal means and what to do about it (RFC 2136 2.2, RFC 8945 5.3).
_REFUSALS: Final = {
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
        "it takes no update of the zone with the TSIG key from here, at least not now",
        "Allow updates of TXT records of the zone by this key. In BIND: allow-update or update-policy, and rndc thaw "
        "where the zone is frozen. In Knot DNS: an acl with the action update. In PowerDNS, which has no other word "
        "for a wrong name, secret or clock: TSIG-ALLOW-DNSUPDATE for the zone, this machine's address in "
        "allow-dnsupdate-from, the same key as in LETTERHEAD_DKIM_ZONE_TSIG, and a time service on both machines",
    ),
    "SERVFAIL": (
        "it could not carry out the update, most often because it can't write the zone's file, journal or database",
        "Let the server write the zone's file and the folder around it, where BIND keeps the journal (in Debian "
        "/var/lib/bind, which AppArmor allows), then look at its log for the reason",
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
_UNKNOWN_REFUSAL: Final = ("", "Look at the server's log for the reason")
_TSIG_CODES: Final[Sequence[tuple[type[dns.exception.DNSException], str]]] = (
    (dns.tsig.PeerBadKey, "BADKEY"),
    (dns.tsig.PeerBadSignature, "BADSIG"),
    (dns.tsig.PeerBadTime, "BADTIME"),
    (dns.tsig.PeerBadTruncation, "BADTRUNC"),
    (dns.tsig.BadTime, "BADTIME"),
    (dns.tsig.BadSignature, "BADSIG"),
)


class ZoneUpdates:
    """The implementation of `Publisher` at the zone's primary server.

    `algorithm` is a name from TSIG, such as `hmac-sha256`.
    """

    def __init__(self, zone: str, server: tuple[str, int], key_name: str, algorithm: str, secret: Secret) -> None:
        self.zone = zone
        self._server = server
        self._key = dns.tsig.Key(key_name, reveal(secret), algorithm)

    def __repr__(self) -> str:
        return f"ZoneUpdates({self.zone!r}, {self._server!r})"

    async def publish(self, texts: Mapping[str, str | None], ttl: timedelta) -> None:
        """Replace the TXT records at each of these names with one text, or with none: all in one message, or nothing.

        Raise Fault `unreachable`, or `config-invalid` where the server refuses or a name is not ours to write.
        """
        update = self._message()
        for name, text in texts.items():
            relative = name.removesuffix(f".{self.zone}")
            if relative == name or not _OURS.fullmatch(relative):
                raise Fault(
                    Kind.CONFIG_INVALID,
                    f"{name} is no place for a key in the zone {self.zone}.",
                    "Keep LETTERHEAD_DKIM_ZONE as it was while domains have their keys there: their customers' CNAMEs "
                    "lead to it. Delete such a domain and add it again to move it.",
                    provider_code="NOTZONE",
                )
            owner = dns.name.from_text(name)
            if text is None:
                update.delete(owner, "TXT")
            else:  # RFC 2136 3.4.2: the old RRset is replaced in one step, for whoever asks
                strings = [piece.encode("ascii") for piece in split_text(text)]
                update.replace(owner, int(ttl.total_seconds()), TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings))
        await self._send(update)

    async def health(self) -> Sequence[HealthItem]:
        """Test whether the server lets us write, with an update that deletes what does not exist, so nothing changes.

        Never raises.
        """
        update = self._message()
        probe = dns.name.from_text(f"{PROBE}.{self.zone}")
        update.absent(probe)  # RFC 2136 2.4.5: where something is, after all, nothing is done
        update.delete(probe, "TXT")
        try:
            await self._send(update)
        except Fault as fault:
            return (HealthItem(said=fault.detail, ok=False, fix=fault.fix),)
        return (HealthItem(said=f"{_server_text(self._server)} lets us write the zone {self.zone}"),)

    def _message(self) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(self.zone, keyring=self._key)

    async def _send(self, update: dns.update.UpdateMessage) -> None:
        packet = update.to_wire()
        try:
            async with asyncio.timeout(SECONDS):
                response = await _exchange(self._server, packet)
        except (OSError, EOFError) as error:
            raise Fault(
                Kind.UNREACHABLE,
                f"{_server_text(self._server)}, which the zone {self.zone} is written at, can't be reached: "
                f"{str(error) or 'no answer in time'}.",
                "Check LETTERHEAD_DKIM_ZONE_SERVER, and that TCP to that port is allowed. It is tried again by itself.",
            ) from error
        code = self._response_code(update, response)
        if code == dns.rcode.to_text(dns.rcode.NOERROR):
            return
        why, fix = _REFUSALS.get(code, _UNKNOWN_REFUSAL)
        said = f"{code}, which says that {why}" if why else code
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{_server_text(self._server)} refuses to write the zone {self.zone}: {said}.",
            f"{fix}. It is tried again by itself.",
            provider_code=code,
        )

    def _response_code(self, update: dns.update.UpdateMessage, response: bytes) -> str:
        """Return the response's code: a refusal from whoever sent it, success only where the key has signed it."""
        try:
            message = dns.message.from_wire(response, keyring=self._key, request_mac=update.mac)
        except dns.exception.DNSException as error:
            for kind, code in _TSIG_CODES:
                if isinstance(error, kind):
                    return code
            # Not signed: the header is read, since some servers refuse with nothing else.
            if len(response) < HEADER or int.from_bytes(response[:2]) != update.id:
                return UNREADABLE
            rcode = dns.rcode.Rcode(response[3] & 0xF)
            return UNSIGNED if rcode == dns.rcode.NOERROR else dns.rcode.to_text(rcode)
        return dns.rcode.to_text(message.rcode()) if update.is_response(message) else UNREADABLE


async def _exchange(server: tuple[str, int], packet: bytes) -> bytes:
    """Send one message over TCP and return the response (RFC 1035 4.2.2)."""
    host, port = server
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(len(packet).to_bytes(2) + packet)
        await writer.drain()
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()


def _server_text(server: tuple[str, int]) -> str:
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
