"""`letterhead dns credentials` at a real service and a real server: keep, list, write by it, switch, delete."""

import base64
import json
from pathlib import Path

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import running
from tests.rigs.dns_lab import KEY, NS1, RESOLVER, DnsLab


def test_a_credential_is_kept_used_and_deleted(tmp_path: Path, lab: DnsLab, zone: str) -> None:
    """Its fields come from a file; no output has its secret, and a plan is written by its id alone."""
    server, secret = f"{NS1}:{lab.authoritative_port}", base64.b64encode(KEY.secret).decode()
    settings = {
        "DNS_RESOLVERS": f"{RESOLVER}:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "DNS_SERVERS": server,
        "ALLOW_SPECIAL_USE": "true",
    }
    file = tmp_path / "credential.json"
    file.write_text(json.dumps({"server": server, "keyName": "lab.", "secret": secret}), "utf-8")
    with running(tmp_path, **settings) as service:
        shown = [service.call("domains", "add", zone)]
        kept = service.call("dns", "credentials", "add", zone, "--host", "rfc2136", "--credential", str(file), "--json")
        assert kept.code == Exit.OK, kept.err
        key = json.loads(kept.out)["id"]
        shown += [kept, service.call("dns", "credentials", "list"), service.call("dns", "plan", zone, "--kept", key)]
        assert key in shown[-2].out
        written = service.call("dns", "apply", zone, "--kept", key, "--yes")
        assert written.code == Exit.OK, written.err
        switched = service.call("dns", "credentials", "change", key, "--put-back", "--json")
        assert json.loads(switched.out)["putBack"] is True
        shown += [written, switched, service.call("dns", "credentials", "delete", key, "--yes")]
        assert service.call("dns", "credentials", "delete", key, "--yes").code == Exit.REFUSED
        assert secret not in "".join(each.out + each.err for each in shown)
