"""Sender domains as the APIs of Resend, Mailgun and Postmark list them. Each keeps its private keys to itself.

Source: Resend's OpenAPI description; Mailgun's API reference (GET /v4/domains); Postmark's Domains API; all of 2026.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from letterhead.core.imports.found import FoundDomain, FoundKey

Listed = Mapping[str, Any]


def selector_of(host: object) -> str | None:
    """Return the selector of the name of a DKIM record, absolute or relative; None where it is no such name."""
    selector, found, _ = str(host or "").partition("._domainkey")
    return selector if found and selector else None


def kept_keys(hosts: Iterable[object], service: str) -> tuple[FoundKey, ...]:
    """Return the keys at the names of these DKIM records, each once, as keys that the service keeps."""
    selectors = dict.fromkeys(selector for host in hosts if (selector := selector_of(host)))
    return tuple(FoundKey(selector=each, place=service, kept=f"stays with {service}") for each in selectors)


def objects(value: object) -> list[Listed]:
    """Return the objects of a list, without what is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def resend_domain(detail: Listed) -> FoundDomain:
    """Return a domain of GET /domains/{id}; the names of its records are relative to the registered domain."""
    name, records = str(detail["name"]), objects(detail.get("records"))
    dkim = [each.get("name") for each in records if each.get("record") == "DKIM"]
    bounces = [
        str(each.get("name")).partition(".")[0]
        for each in records
        if each.get("record") == "SPF" and each.get("type") in ("MX", "CNAME")
    ]
    return FoundDomain(
        sender=name,
        keys=kept_keys(dkim, "Resend"),
        mail_from=f"{bounces[0]}.{name}" if bounces else None,
        is_verified=detail.get("status") == "verified",
    )


def mailgun_domain(detail: Listed) -> FoundDomain:
    """Return a domain of GET /v4/domains/{name}; its bounces go to the domain itself."""
    domain = detail["domain"]
    hosts = [each.get("name") for each in objects(detail.get("sending_dns_records"))]
    return FoundDomain(
        sender=str(domain["name"]), keys=kept_keys(hosts, "Mailgun"), is_verified=domain.get("state") == "active"
    )


def is_sandbox(listed: Listed) -> bool:
    """Return whether a domain of Mailgun's list is its own, for trials: nobody can take it over."""
    return listed.get("type") == "sandbox" or str(listed.get("name")).endswith(".mailgun.org")


def postmark_domain(detail: Listed) -> FoundDomain:
    """Return a domain of GET /domains/{id}; a key that is pending signs once its record is seen."""
    return FoundDomain(
        sender=str(detail["Name"]),
        keys=kept_keys((detail.get("DKIMHost"), detail.get("DKIMPendingHost")), "Postmark"),
        mail_from=str(detail.get("ReturnPathDomain") or "") or None,
        is_verified=bool(detail.get("DKIMVerified")),
    )
