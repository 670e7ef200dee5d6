"""The server's own TLS certificate: until when it holds, and for which names."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The times between which a certificate holds, and the DNS names that it is for, in lower case."""

    begins: datetime
    ends: datetime
    names: tuple[str, ...]

    def covers(self, host: str) -> bool:
        """Tell whether a client that asks for `host` accepts it (RFC 9525 6.3): by that name, or by a wildcard."""
        host = host.lower().removesuffix(".")
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def read_certificate(path: Path) -> Certificate:
    """Read the first certificate of a PEM file that has loaded into a TLS context."""
    loaded = x509.load_pem_x509_certificates(path.read_bytes())[0]
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = names.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = []
    return Certificate(
        begins=loaded.not_valid_before_utc,
        ends=loaded.not_valid_after_utc,
        names=tuple(name.lower() for name in found),
    )
