"""The zone that checks are measured in: all records of every domain as they should be, on a real knot."""

from collections.abc import Iterator, Sequence

from dns.update import UpdateMessage

from tests.rigs.dns_lab import DnsLab

ZONE, SELECTOR = "bench.test", "sel"
MX_HOST, MX_PRIORITY, SPF_HOST = "mx.lab.test", 10, "spf.lab.test"


def names(count: int) -> Iterator[str]:
    """Name the domains."""
    return (f"d{number:05d}.{ZONE}" for number in range(count))


def bounce(domain: str) -> str:
    """Name a domain's MAIL FROM domain."""
    return f"bounce.{domain}"


def selector_host(domain: str) -> str:
    """Name where a domain's key stands."""
    return f"{SELECTOR}._domainkey.{domain}"


def publish(lab: DnsLab, count: int, public_key: str, *, dkim: bool = True) -> None:
    """Publish what every domain's plan wants, in few updates; without the key where `dkim` is false."""
    lab.zone(ZONE, servers=2)
    lab.ns1.change("lab.test", _own)
    value = f"v=DKIM1; k=rsa; p={public_key}"
    pieces = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
    everybody = list(names(count))
    for start in range(0, count, 40):
        _update(lab, everybody[start : start + 40], pieces if dkim else None)
    lab.flush()


def _own(update: UpdateMessage) -> None:
    update.add(f"{MX_HOST}.", 60, "A", "127.0.0.9")
    update.add(f"{SPF_HOST}.", 60, "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"')


def _update(lab: DnsLab, some: Sequence[str], key: str | None) -> None:
    def edit(update: UpdateMessage) -> None:
        for domain in some:
            if key:
                update.add(f"{selector_host(domain)}.", 60, "TXT", key)
            update.add(f"{bounce(domain)}.", 60, "MX", f"{MX_PRIORITY} {MX_HOST}.")
            update.add(f"{bounce(domain)}.", 60, "TXT", f'"v=spf1 include:{SPF_HOST} ~all"')
            update.add(f"_dmarc.{domain}.", 60, "TXT", f'"v=DMARC1; p=none; rua=mailto:reports@{domain}"')

    for authority in (lab.ns1, lab.ns2):
        authority.change(ZONE, edit)
