"""`letterhead domains accept`, `accepted` and `unaccept` at a real service: what is printed, and in which words."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import running
from tests.rigs.dns_lab import RESOLVER, DnsLab


def test_a_finding_is_accepted_listed_and_withdrawn(tmp_path: Path, lab: DnsLab, zone: str) -> None:
    """It is named, listed with who and why, and moved below the findings that ask for something."""
    settings = {
        "DNS_RESOLVERS": f"{RESOLVER}:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "ALLOW_SPECIAL_USE": "true",
    }
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    with running(tmp_path, **settings) as service:
        lab.publish(f"_dmarc.{zone}", "TXT", '"v=DMARC1; p=some"')
        lab.flush()
        service.call("domains", "add", zone)
        service.call("domains", "check", zone)
        given = ("domains", "accept", zone, "dmarc.policy-invalid", "--until", until)
        accepted = service.call(*given, "--reason", "Known to all of us")
        assert accepted.code == Exit.OK, accepted.err
        assert f"dmarc.policy-invalid is accepted at {zone} until {until}" in accepted.out
        listed = service.call("domains", "accepted", zone)
        assert "Known to all of us" in listed.out
        shown = service.call("domains", "show", zone).out
        assert "accepted[dmarc.policy-invalid]" in shown
        assert "warning[dmarc.policy-invalid]" not in shown
        assert "Known to all of us" in shown
        unknown = service.call("domains", "accept", zone, "dkim.testing", "--until", until, "--reason", "x")
        assert unknown.code == Exit.REFUSED
        assert f"letterhead domains show {zone}" in unknown.err
        assert service.call("domains", "unaccept", zone, "dmarc.policy-invalid").code == Exit.OK
        assert "Nothing is accepted" in service.call("domains", "accepted", zone).out
        assert "warning[dmarc.policy-invalid]" in service.call("domains", "show", zone).out
