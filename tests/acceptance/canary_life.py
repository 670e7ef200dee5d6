"""Live through what an account does with keys, and remember all that came out of it but the keys themselves."""

import base64
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from letterhead.adapters.recipient import HpkeRecipient
from letterhead.core.dns.records import split_text
from letterhead.core.plan.record_formats import FORMATS
from letterhead.core.secret import Secret
from tests.rigs.canary import Key
from tests.rigs.dns_lab import KEY, NS1, DnsLab
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation, Serving
from tests.rigs.waiting import eventually
from tests.rigs.webhook_receiver import Ledger

PAGES = (
    "/docs", "/openapi.json", "/metrics", "/status", "/readyz", "/domains", "/domains?expand=health", "/keys",
    "/account", "/account/usage", "/events", "/webhooks",
    "/dns-credentials", "/dns-hosts", "/members",
)  # fmt: skip
# What even an API key of full scope is not shown a private key by.
WITHOUT_KEYS = ("/keys", "/account", "/account/usage", "/events", "/webhooks", "/metrics", "/members")
DASHBOARD = ("", "/account", "/people", "/webhooks", "/domains/{}", "/domains/{}/zone")
RECIPIENT = HpkeRecipient(Secret(b"canary")).public_text
HTML = {"Accept": "text/html"}


def pem_of(key: rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """Write a key as its owner has it."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def csrf_of(page: httpx2.Response) -> str:
    """Return what a form of a page has to send back."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found[1]


class Life:
    """Lives it, and remembers every answer but the one that may show keys; `heard` is what came out elsewhere."""

    def __init__(self, installation: Installation, serving: Serving, lab: DnsLab, zone: str, receiver: Ledger) -> None:
        self.installation, self.serving, self.lab, self.zone = installation, serving, lab, zone
        self.receiver = receiver
        self.own = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
        self.shown: list[Key] = []
        self.answers: list[bytes] = []
        self.heard: dict[str, list[bytes]] = {
            "events": [],
            "set-up pages": [],
            "dashboard": [],
            "command": [],
            "deliveries": [],
        }
        self.key = ""

    def remember(self, answer: httpx2.Response, where: str | None = None) -> httpx2.Response:
        """Remember an answer, head and body."""
        kept = self.answers if where is None else self.heard.setdefault(where, [])
        kept.append(answer.content + repr(answer.headers.multi_items()).encode())
        return answer

    def live(self) -> None:
        """Add, verify, rotate, fail, read and delete."""
        self.key = self.serving.open_account()
        with self.serving.client(self.key) as client:
            hook = self.remember(client.post("/webhooks", json={"webhook": self.receiver.url, "events": ["*"]})).json()
            self.add(client)
            self.verify(client)
            self.keep_credential(client)
            rotation = f"/domains/{self.zone}/dkim-rotation"
            self.remember(client.post(rotation, json={"privateKey": pem_of(self.own[1])}))
            self.remember(client.get(rotation))
            self.fail(client)
            self.read(client)
            self.read_elsewhere(client)
            self.command()
            self.remember(client.delete(rotation))
            self.remember(client.delete(f"/domains/{self.zone}"))
            assert eventually(lambda: len(self.receiver.received) >= 12)
            self.remember(client.get(f"/webhooks/{hook['id']}/deliveries"), "deliveries")

    def add(self, client: httpx2.Client) -> None:
        """Add one domain with a key of its own, in the older form, and some with pooled keys."""
        own = pem_of(self.own[0], PrivateFormat.TraditionalOpenSSL)
        assert self.remember(client.post("/domains", json={"sender": self.zone, "privateKey": own})).status_code == 200
        for number in range(3):
            self.remember(client.post("/domains", json={"sender": f"d{number}.{self.zone}"}))

    def verify(self, client: httpx2.Client) -> None:
        """Publish the first one's keys and wait until they are seen; what is shown then is what must stay inside."""
        listed = {each["sender"]: each for each in client.get("/domains").json()}
        records = listed[self.zone]["verificationRecords"]
        for record in (records["dkim"], records["dkim_ed25519"]):
            value = " ".join(f'"{piece}"' for piece in split_text(record["recordValue"]))
            self.lab.publish(record["host"], "TXT", value)
        self.lab.flush()
        status = "/domains/" + self.zone
        assert eventually(lambda: self.remember(client.post(f"{status}/check")).json()["status"] == "SUCCESS")
        ders = [base64.b64decode(each["privateDKIMKey"]) for each in listed.values()]
        loaded = [load_der_private_key(der, None) for der in ders]
        self.shown = [key for key in loaded if isinstance(key, rsa.RSAPrivateKey)]

    def keep_credential(self, client: httpx2.Client) -> None:
        """Keep a DNS host's credential, plans and write by it, and give it in every wrong way."""
        secret = base64.b64encode(KEY.secret).decode()
        server = {"server": f"{NS1}:{self.lab.authoritative_port}", "keyName": "lab."}
        whole = {"sender": self.zone, "host": "rfc2136", "credential": server | {"secret": secret}}
        kept = self.remember(client.post("/dns-credentials", json=whole))
        assert kept.status_code == 201, kept.text
        access = {"credentialId": kept.json()["id"]}
        made = self.remember(client.post(f"/domains/{self.zone}/dns-plan", json=access)).json()
        applied = self.remember(client.post(f"/domains/{self.zone}/dns-plans/{made['id']}/apply", json=access))
        assert applied.json()["state"] == "served", applied.text
        for wrong in (
            {"secret": secret[:-4]}, {"keyName": secret, "secret": secret}, {"server": secret, "secret": secret},
            {"algorithm": secret, "secret": secret}, {secret: "x"}, {"secret": secret, "token": secret},
        ):  # fmt: skip
            self.remember(client.post("/dns-credentials", json=whole | {"credential": server | wrong}))
            self.remember(client.post(f"/domains/{self.zone}/dns-plan", json={
                "host": "rfc2136", "credential": server | wrong}))  # fmt: skip
        self.remember(client.post("/dns-credentials", json=whole | {"host": secret}))
        self.remember(client.post("/dns-credentials", json=whole | {"sender": secret}))
        self.remember(client.delete(f"/dns-credentials/{secret.replace('/', '_')}"))

    def fail(self, client: httpx2.Client) -> None:
        """Send a key in every wrong way: broken, in another field, in no JSON, as a name, as a token."""
        pem, rotation = pem_of(self.own[2]), f"/domains/{self.zone}/dkim-rotation"
        line = pem.splitlines()[8]
        for body in (
            {"sender": "x.dev", "privateKey": pem[:-200]},
            {"sender": "x.dev", "privateKey": pem.replace("PRIVATE", "PUBLIC")},
            {"sender": "x.dev", "privateKey": pem + pem},
            {"sender": "x.dev", "privateKEY": pem},
            {"sender": pem},
            {"sender": f"{line}.dev"},
            {"sender": "x.dev", "selector": pem},
            {"sender": "x.dev", "selector": line},
            {"sender": "x.dev", "mailFrom": line},
            {"sender": "x.dev", pem: 1},
        ):
            self.remember(client.post("/domains", json=body))
            self.remember(client.post(rotation, json=body))
        as_json = {"Content-Type": "application/json"}
        self.remember(client.post("/domains", content='{"privateKey": "' + pem, headers=as_json))
        self.remember(client.post("/keys", json={"name": line, "keyType": line}))
        self.remember(client.get("/domains", params={"cursor": line}))
        self.remember(client.get("/domains", params={"status": line}))
        self.remember(client.get(f"/domains/{line.replace('/', '+')}"))
        self.remember(client.get("/domains", headers={"Authorization": f"Bearer {line}"}))

    def read(self, client: httpx2.Client) -> None:
        """Read every page with keys that may not see private ones, and with one that may those that show none."""
        for scope in ("read", "write"):
            made = client.post("/keys", json={"name": scope, "keyType": "secret", "scope": scope}).json()["key"]
            with self.serving.client(made) as reader:
                for page in (*PAGES, f"/domains/{self.zone}", f"/domains/{self.zone}/dns-check"):
                    self.remember(reader.get(page))
                self.remember(reader.post("/domains/check", json={"domains": [self.zone]}))
        account = client.get("/account").json()["accountId"]
        with self.serving.operator() as operator:
            shown = f"/accounts/{account}/domains/{self.zone}"
            assert self.remember(operator.get(shown)).status_code == 200
            archive = self.remember(operator.post(f"/accounts/{account}/archive", json={"recipient": RECIPIENT}))
            assert (archive.status_code, archive.text.count('"sealed"') >= 4) == (200, True), archive.text[:500]
            made = self.remember(operator.post("/domain-connect/keys"))
            assert made.status_code == 200, made.text
            self.remember(operator.get(f"/domain-connect/keys/{made.json()['name']}"))
            for page in ("/domain-connect", "/domain-connect/template"):
                assert self.remember(operator.get(page)).status_code == 200
            for page in (
                *PAGES,
                f"/accounts/{account}/members",
                f"/accounts/{account}/sign-in",
                "/accounts",
                "/audit",
                "/accounts/domains",
                f"/accounts/domains?accountId={account}",
            ):
                self.remember(operator.get(page))
        for page in (*WITHOUT_KEYS, f"/domains/{self.zone}/dns-check", f"/domains/{self.zone}/apply-link"):
            self.remember(client.get(page))
        for page in (f"/can-send?from=below.{self.zone}", f"/can-send?from={self.zone}", "/covers"):
            assert self.remember(client.get(page)).status_code == 200
        for name in FORMATS:
            for page in ("/domains/records", f"/domains/{self.zone}/records"):
                assert self.remember(client.get(page, params={"format": name})).status_code == 200
        for path, body in (("bulk", {"domains": [{"sender": self.zone}]}), ("check", {"domains": [self.zone]})):
            assert self.remember(client.post(f"/domains/{path}", json=body)).status_code == 200
        for page in ("/events", f"/domains/{self.zone}/events"):
            events = self.remember(client.get(page), "events").json()
            for each in events:
                self.remember(client.get(f"/events/{each['id']}"), "events")

    def read_elsewhere(self, client: httpx2.Client) -> None:
        """Read the set-up page as whoever has the link, and the dashboard as the account and as the operator."""
        account = client.get("/account").json()["accountId"]
        path = urlsplit(client.post(f"/domains/{self.zone}/setup-links").json()["url"]).path
        with httpx2.Client(base_url=self.serving.url, timeout=30) as anybody:
            for page in (path, f"{path}/zone"):
                assert self.remember(anybody.get(page, headers=HTML), "set-up pages").status_code == 200
        for key in (self.key, OPERATOR_TOKEN):
            with httpx2.Client(base_url=self.serving.url, timeout=30, follow_redirects=True) as browser:
                self.sign_in(browser, key)
                for page in DASHBOARD:
                    self.remember(browser.get("/dashboard" + page.format(self.zone), headers=HTML), "dashboard")
                if key == OPERATOR_TOKEN:
                    self.remember(browser.get(f"/operator/accounts/{account}/people", headers=HTML), "dashboard")
                    for path in ("/operator/domains", f"/operator/accounts/{account}/domains/{self.zone}"):
                        shown = self.remember(browser.get(path, headers=HTML), "dashboard")
                        assert self.zone in shown.text

    def sign_in(self, browser: httpx2.Client, key: str) -> httpx2.Response:
        """Sign in at the pages."""
        form = self.remember(browser.get("/sign-in", headers=HTML), "dashboard")
        given = {"csrf": csrf_of(form), "key": key}
        return self.remember(browser.post("/sign-in", data=given, headers=HTML), "dashboard")

    def command(self) -> None:
        """Run the commands that show domains, with an API key that may see private ones, and the flag unsaid."""
        self.installation.settings |= {"LETTERHEAD_URL": self.serving.url, "LETTERHEAD_API_KEY": self.key}
        for words in (
            ("domains", "list"), ("domains", "list", "--json"), ("domains", "show", self.zone),
            ("domains", "show", self.zone, "--json"), ("domains", "show", self.zone, "--zone-file"),
            ("domains", "check", self.zone, "--json"), ("domains", "check", self.zone, "--dry-run"),
            ("domains", "rotation", self.zone, "--json"), ("domains", "add", f"d0.{self.zone}", "--json"),
            ("domains", "list", "--all-accounts", "--json"), ("events", "--json"), ("config",), ("doctor",),
            ("mail", "test", "dns@acme.test"), ("domains", "wait", self.zone, "--timeout", "0s", "--json"),
            ("domains", "records", "--all"), ("domains", "check", "--all", "--json"), ("members", "list", "--json"),
            ("export", "rspamd", str(self.installation.folder.parent / "exported")),
        ):  # fmt: skip
            ended = self.installation.run(*words)
            assert ended.stdout + ended.stderr, words
            self.heard["command"].append((ended.stdout + ended.stderr).encode())


def exported(folder: Path) -> bytes:
    """Return what the export wrote, which holds keys: so the canary is seen to be heard."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
