"""Records are written in a real zone by the command and its own server; no piece of the credential stays anywhere."""

import base64
import json
import re
from pathlib import Path

import httpx2

from tests.acceptance.test_canary import stored
from tests.rigs.canary import Canary
from tests.rigs.dns_lab import KEY, NS1, DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.waiting import eventually

SECRET = base64.b64encode(KEY.secret).decode()
HTML = {"Accept": "text/html"}


def test_plan_apply_success_undo_by_the_command(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """Four commands on a zone of Knot DNS; then every place is searched for the TSIG key that they were given."""
    lab.publish(zone, "TXT", '"site=1"')
    lab.publish(f"lh.{zone}", "TXT", '"v=spf1 ip4:192.0.2.1 -all"')
    server = f"{NS1}:{lab.authoritative_port}"
    (tmp_path / "data").mkdir()
    installation = Installation(
        tmp_path / "data",
        DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        DNS_SERVERS=server,
        MAIL_FROM_MX="10 bounces.mail.test",
        MAIL_FROM_SPF="include:spf.mail.test",
    )
    assert installation.run("migrate").returncode == 0
    credential = {"server": server, "keyName": "lab", "secret": SECRET}
    file, wrong = tmp_path / "credential", tmp_path / "wrong"
    file.write_text("".join(f"{name}={value}\n" for name, value in credential.items()), "utf-8")
    wrong.write_text(json.dumps(credential | {"keyName": "stranger"}), "utf-8")
    told: list[bytes] = []

    def run(code: int, *words: str) -> str:
        ended = installation.run("dns", *words)
        told.append((ended.stdout + ended.stderr).encode())
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        return ended.stdout

    with installation.serving() as serving:
        key = serving.open_account()
        installation.settings |= {"LETTERHEAD_URL": serving.url, "LETTERHEAD_API_KEY": key}
        with serving.client(key) as client:
            client.post("/domains", json={"sender": zone})
            assert "rfc2136" in run(0, "hosts")
            run(3, "plan", zone, "--host", "rfc2136", "--credential", str(wrong))
            assert "+ v=spf1 ip4:192.0.2.1 include:spf.mail.test -all" in run(
                0, "plan", zone, "--host", "rfc2136", "--credential", str(file)
            )
            assert "served" in run(0, "apply", zone, "--yes", "--credential", str(file))
            lab.flush()
            assert eventually(lambda: client.post(f"/domains/{zone}/check").json()["status"] == "SUCCESS")
            run(0, "show", zone)
            misuse(client, zone, told)
            browse(serving.url, key, zone, credential, told)
            written = client.get(f"/domains/{zone}/dns-plans").json()["dnsPlans"][-1]["id"]
            assert "undone" in run(0, "undo", zone, written, "--yes", "--credential", str(file))
            told += [client.get(path).content for path in (f"/domains/{zone}/dns-plans", "/events", "/metrics")]
            with serving.operator() as operator:
                told.append(operator.get("/audit").content)
                assert b"dns-plan.undone" in told[-1]
    assert [str(each) for each in lab.ns1.ask(f"lh.{zone}", "TXT").answer[0]] == ['"v=spf1 ip4:192.0.2.1 -all"']
    canary = Canary([KEY.secret])
    assert canary.hits(file.read_bytes()) > 10
    places = {"said": told, "logs": [installation.logs().encode()], "stored": stored(installation)}
    assert {place: sum(map(canary.hits, octets)) for place, octets in places.items()} == dict.fromkeys(places, 0)


def misuse(client: httpx2.Client, zone: str, told: list[bytes]) -> None:
    """Send the secret in every wrong place."""
    for body in (
        {"host": SECRET, "credential": {}},
        {"host": "rfc2136", "credential": {SECRET: "x"}},
        {"host": "rfc2136", "credential": SECRET},
        {"host": "rfc2136", "credential": {"server": SECRET, "keyName": SECRET, "secret": SECRET}},
        {"host": "powerdns", "credential": {"url": f"http://{SECRET}:1", "apiKey": SECRET}},
        {"host": "cloudflare", "credential": {"token": f"{SECRET} "}},
        {"host": "rfc2136", "credential": {"token": SECRET}, SECRET: 1},
    ):
        answer = client.post(f"/domains/{zone}/dns-plan", json=body)
        assert 400 <= answer.status_code < 500, answer.text
        told.append(answer.content)
    plan = f"/domains/{zone}/dns-plans/{SECRET}"
    told += [client.post(f"{plan}/{path}", json={"credential": {}}).content for path in ("apply", "undo")]
    as_json = {"Content-Type": "application/json"}
    told.append(client.post(f"/domains/{zone}/dns-plan", content='{"secret": "' + SECRET, headers=as_json).content)


def browse(url: str, key: str, zone: str, credential: dict[str, str], told: list[bytes]) -> None:
    """Make a plan in the dashboard, first with a wrong credential, and read its page."""
    at = f"/dashboard/domains/{zone}/dns"
    with httpx2.Client(base_url=url, timeout=60, follow_redirects=True, headers=HTML) as browser:

        def csrf(path: str) -> str:
            found = re.search(r'name="csrf" value="([^"]+)"', browser.get(path).text)
            assert found is not None
            return found[1]

        browser.post("/sign-in", data={"csrf": csrf("/sign-in"), "key": key})
        form = {"csrf": csrf(f"{at}?host=rfc2136"), "host": "rfc2136"}
        form |= {f"credential.{name}": value for name, value in credential.items()}
        for more in ({"credential.keyName": "stranger"}, {}):
            page = browser.post(at, data=form | more)
            told.append(page.content)
        assert page.status_code == 200
        assert "Everything stands there already" in page.text
