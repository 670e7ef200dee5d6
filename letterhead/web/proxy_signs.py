"""Signs of a reverse proxy that the settings do not know: told to the operator, since nothing else shows them."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog

from letterhead.operations.health import PartHealth

log = structlog.get_logger("letterhead.web")

FORWARDED = {b"x-forwarded-for", b"forwarded"}


class ProxySigns:
    """What requests showed so far: that a proxy forwards them, and that they are for another host than our links name.

    Anybody can send such fields, so this is a hint, and no text of a request is in it.
    """

    def __init__(self, public_url: str, *, trusts_proxies: bool) -> None:
        self._host = urlsplit(public_url).hostname or ""
        self._is_forwarded, self._is_other_host = False, False
        self._usual_host = b""  # the last one that is no sign of a proxy: nearly every request has the same
        self._trusts_proxies = trusts_proxies

    def note(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Note what the head of one request shows."""
        for name, value in headers:
            if name in FORWARDED and not self._trusts_proxies and not self._is_forwarded:
                self._is_forwarded = True
                log.warning("proxy.not_trusted", field=name.decode("ascii"))
            elif name == b"host" and value != self._usual_host and not self._is_other_host:
                if not self._is_other(value):
                    self._usual_host = value
                    continue
                self._is_other_host = True
                log.warning("proxy.other_host", host=value.decode("latin-1")[:253], public_url_host=self._host)

    def _is_other(self, value: bytes) -> bool:
        """Whether a Host is a public name and not that of the public URL; probes use addresses and local names."""
        host = (urlsplit(f"//{value.decode('latin-1')}").hostname or "") if value.isascii() else ""
        if host == self._host or "." not in host:
            return False
        try:
            ip_address(host)
        except ValueError:
            return True
        return False

    def health(self) -> PartHealth | None:
        """Return what should be set; None where nothing was seen."""
        said = []
        if self._is_forwarded:
            said.append(
                "requests have X-Forwarded-For, and LETTERHEAD_TRUSTED_PROXIES is not set: audit and limits see the "
                "proxy's address for everybody"
            )
        if self._is_other_host:
            said.append(
                "requests are for another host than that of LETTERHEAD_PUBLIC_URL, which links to customers lead to"
            )
        return PartHealth(is_ok=False, detail="; ".join(said)) if said else None
