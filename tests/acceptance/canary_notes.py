"""Live through what an account says of itself: notes, contacts, acceptances, alert channels, bound keys and links."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.acceptance.canary_life import HTML, RECIPIENT, Life, csrf_of
from tests.acceptance.canary_words import Words, links_in
from tests.rigs import smtp
from tests.rigs.alert_services import AlertServices
from tests.rigs.openid import OpenId
from tests.rigs.waiting import eventually

EVERYBODYS = ("/metrics", "/status", "/healthz", "/readyz", "/openapi.json", "/docs")
OWN = (
    "/domains",
    "/domains?expand=health",
    "/keys",
    "/account",
    "/account/usage",
    "/alert-channels",
    "/covers",
    "/members",
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The servers of others: what takes alerts, what takes mails, and what knows people."""

    alerts: AlertServices
    mails: smtp.Ledger
    openid: OpenId


class Notes:
    """Goes on where a `Life` ended, with its account and its domain `d0`, which stays."""

    def __init__(self, life: Life, words: Words, elsewhere: Elsewhere) -> None:
        self.life, self.words = life, words
        self.services, self.mails, self.provider = elsewhere.alerts, elsewhere.mails, elsewhere.openid
        self.sender, self.other = f"d0.{life.zone}", f"d1.{life.zone}"
        self.path = f"/domains/{self.sender}"

    def live(self) -> None:
        """Keep, send, fail and read."""
        writer = self.make_keys()
        self.invite()
        with self.life.serving.client(writer) as client:
            self.describe(client)
            self.accept(client)
            self.add_channels(client)
            self.fail(client)
            self.hand_on(client)
            self.ask(client)
            self.read(client)
        self.read_pages()
        self.command()
        self.read_as_others()

    def make_keys(self) -> str:
        """Make a key for another domain and one that may come from elsewhere alone, and give one for all domains."""
        wish = {"keyType": "secret", "name": "made", "scope": "write"}
        bounds: tuple[dict[str, Any], ...] = (
            {"domains": [self.other]},
            {"domains": [self.other], "networks": [self.words["networks"]]},
            {},
        )
        with self.life.serving.client(self.life.key) as client:
            for more in bounds:
                made = client.post("/keys", json=wish | more)
                assert made.status_code == 200, made.text
                self.words.keys.append(made.json()["key"])
        return self.words.keys[-1]

    def right(self, answer: httpx2.Response, where: str | None = None) -> Any:
        """Remember an answer that must be a good one, and return what it says."""
        self.life.remember(answer, where)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def mailed(self, before: int, kind: str) -> str:
        """Wait for a mail after so many, and return the path of its link of a kind."""
        assert eventually(lambda: len(self.mails.taken) > before)
        return next(path for path in links_in(self.mails.taken[before:]) if path.startswith(kind))

    def invite(self) -> None:
        """Invite two people; one comes by the link, signs in and accepts, and one of another address may not."""
        words, links = self.words, []
        with self.life.serving.client(self.life.key) as owner, self.life.serving.operator() as operator:
            for word in ("member", "invited"):
                before = len(self.mails.taken)
                email = {"email": f"{words[word]}@customer.example", "role": "editor"}
                self.right(owner.post("/invitations", json=email))
                links.append(self.mailed(before, "/invitation/"))
            self.come(links[0], words["claim that nobody asked for"])
            self.come(links[0], words["member"])
            words.opened[links[0].rpartition("/")[2]] = "mailed pages"
            assert len(self.right(owner.get("/members"))["members"]) == 1
            account = self.right(owner.get("/account"))["accountId"]
            rules = {"groups": {words["group"]: "viewer"}}
            self.right(operator.patch(f"/accounts/{account}/sign-in", json=rules))
            for page in ("members", "sign-in"):
                self.right(operator.get(f"/accounts/{account}/{page}"))

    def come(self, link: str, name: str) -> None:
        """Open an invitation as somebody of this address, whom the provider tells more of than anybody asked for."""
        mail = {"email": f"{name}@customer.example", "email_verified": True}
        self.provider.claims = {
            "sub": self.words["subject"],
            "picture": self.words["claim that nobody asked for"],
            **mail,
        }
        with httpx2.Client(base_url=self.life.serving.url, timeout=30) as browser:
            self.life.remember(browser.get(link, headers=HTML), "mailed pages")
            left = browser.get("/sign-in/openid", params={"next": link})
            back = urlsplit(httpx2.get(left.headers["location"], trust_env=False).headers["location"])
            page = self.life.remember(browser.get(f"{back.path}?{back.query}", headers=HTML), "mailed pages")
            sealed = re.search(r'name="person" value="([^"]+)"', page.text)
            assert (sealed is not None) is (name == self.words["member"]), page.text
            if sealed is not None:
                form = {"csrf": csrf_of(page), "person": sealed[1]}
                assert self.life.remember(browser.post(link, data=form, headers=HTML), "mailed pages").is_redirect
                for place in ("", "/people"):
                    assert self.life.remember(browser.get(f"/dashboard{place}", headers=HTML), "dashboard").is_success

    def describe(self, client: httpx2.Client) -> None:
        """Set note, labels and contact, confirm the contact by the mailed link, and delete a domain with a note."""
        words, before = self.words, len(self.mails.taken)
        kept = {"note": words["note"], "labels": {words["label-key"]: words["label"]}}
        kept |= {"contact": f"{words['contact']}@customer.example", "contactLanguage": "de"}
        self.right(client.patch(self.path, json=kept))
        confirm = self.mailed(before, "/account/address/")
        with httpx2.Client(base_url=self.life.serving.url, timeout=30) as nobody:
            for answer in (nobody.get(confirm, headers=HTML), nobody.post(f"{confirm}?lang=ja", headers=HTML)):
                assert self.life.remember(answer, "mailed pages").status_code == 200
            self.life.remember(nobody.get(confirm[:-1], headers=HTML), "mailed pages")
        contact = self.right(client.get(self.path))["contact"]
        assert (contact["state"], contact["language"]) == ("confirmed", "ja")
        gone = f"/domains/gone.{self.life.zone}"
        assert client.post("/domains", json={"sender": f"gone.{self.life.zone}"}).status_code == 200
        self.right(client.patch(gone, json={"note": words["note of a deleted domain"]}))
        assert self.life.remember(client.delete(gone)).status_code == 200

    def accept(self, client: httpx2.Client) -> None:
        """Accept a finding, with a reason."""
        checked = self.right(client.post(f"{self.path}/check"))
        code = next(each["code"] for each in checked["findings"] if each["severity"] != "blocking")
        until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        accepted = {"code": code, "until": until, "reason": self.words["reason"]}
        self.right(client.post(f"{self.path}/accepted-findings", json=accepted))

    def addresses(self) -> Iterator[str]:
        """Return the addresses of a service that takes alerts, of one that is not there, and of one of another kind."""
        first, second, third, fourth, *rest = self.words.alert_secrets
        yield f"ntfy://tk_{first}@127.0.0.1:{self.services.port}/{second}"
        yield f"ntfy://tk_{third}@127.0.0.1:1/{fourth}"
        yield f"slack://T1JJ3T3L2/{rest[0].upper()}/{rest[1]}"

    def add_channels(self, client: httpx2.Client) -> None:
        """Add channels and try them; one is deleted again."""
        taken = []
        for address in self.addresses():
            made = self.right(client.post("/alert-channels", json={"name": self.words["channel"], "url": address}))
            if address.startswith("slack"):
                self.life.remember(client.delete(f"/alert-channels/{made['id']}"))
            else:
                taken.append(self.right(client.post(f"/alert-channels/{made['id']}/test"))["taken"])
        assert taken == [True, False]

    def fail(self, client: httpx2.Client) -> None:
        """Return an alert channel's address in every wrong way."""
        for address in self.addresses():
            secret = address.rpartition("/")[2]
            for wrong in (
                {"url": f"{address}?template={secret}"}, {"url": f"file://{secret}"}, {"url": f"{secret}://x"},
                {"url": f"https://hooks.slack.com/services/{secret}"}, {"url": [secret]}, {"url": address * 20},
                {"url": address, "service": secret}, {"url": f" {address}\n{secret}"}, {"name": [address]},
                {"url": address.replace("://", ":")}, {"url": f"mailto://{secret}@{secret}.example"},
            ):  # fmt: skip
                answer = self.life.remember(client.post("/alert-channels", json={"name": "wrong"} | wrong))
                assert answer.status_code == 400, (wrong, answer.text)
            as_json = {"Content-Type": "application/json"}
            self.life.remember(client.post("/alert-channels", content='{"url": "' + address, headers=as_json))
            self.life.remember(client.get("/alert-channels", params={"url": address}))

    def hand_on(self, client: httpx2.Client) -> None:
        """Mail a link to the set-up page in German, and open it."""
        to = {"sendTo": f"{self.words['recipient of a link']}@customer.example"}
        made = client.post(f"{self.path}/setup-links", params={"language": "de"}, json=to)
        assert made.json()["sentTo"] == to["sendTo"], made.text
        self.life.answers.append(made.content.replace(made.json()["url"].encode(), b""))
        address = urlsplit(made.json()["url"])
        self.words.opened[address.path.rpartition("/")[2]] = "set-up pages"
        with httpx2.Client(base_url=self.life.serving.url, timeout=30) as anybody:
            for page in (f"{address.path}?{address.query}", f"{address.path}?lang=ja", f"{address.path}/zone?lang=de"):
                answer = self.life.remember(anybody.get(page, headers=HTML), "set-up pages")
                assert answer.status_code == 200, page
            self.life.remember(anybody.get(f"{address.path}x?lang=de", headers=HTML), "set-up pages")

    def ask(self, client: httpx2.Client) -> None:
        """Ask whether addresses may send, well and badly written."""
        mailbox = self.words["mailbox that was asked for"]
        for name in (self.sender, f"below.{self.sender}", self.life.zone, "other.example", "a b", ""):
            self.life.remember(client.get("/can-send", params={"from": f"{mailbox}@{name}"}))
        assert self.right(client.get("/can-send", params={"from": f"{mailbox}@{self.sender}"}))["name"] == self.sender

    def read(self, client: httpx2.Client) -> None:
        """Read what the account and the operator are shown, and what shows none of it."""
        label = f"{self.words['label-key']}:{self.words['label']}"
        with self.life.serving.operator() as operator:
            for page in (*OWN, self.path, f"{self.path}/accepted-findings", f"{self.path}/setup-links"):
                self.right(client.get(page))
            assert len(self.right(client.get("/domains", params={"label": label}))) == 1
            for page in ("/events", f"{self.path}/events"):
                for each in self.right(client.get(page), "events"):
                    self.right(client.get(f"/events/{each['id']}"), "events")
            for hook in self.right(client.get("/webhooks"))["endpoints"]:
                self.right(client.get(f"/webhooks/{hook['id']}/deliveries"), "deliveries")
            account = self.right(client.get("/account"))["accountId"]
            self.right(operator.get(f"/accounts/{account}/domains/{self.sender}"))
            self.right(operator.get("/accounts/domains", params={"label": label}))
            archive = operator.post(f"/accounts/{account}/archive", json={"recipient": RECIPIENT})
            assert self.life.remember(archive).status_code == 200
            self.right(operator.get("/audit"), "audit")

    def read_pages(self) -> None:
        """Look at the pages that show it, and give an address of a channel wrongly there."""
        address = next(self.addresses())
        with httpx2.Client(base_url=self.life.serving.url, timeout=30, follow_redirects=True) as browser:
            self.life.sign_in(browser, self.life.key)
            for page in ("", "/account", "/people", "/keys", f"/domains/{self.sender}"):
                shown = self.life.remember(browser.get(f"/dashboard{page}", headers=HTML), "dashboard")
                assert shown.status_code == 200, page
            form = {"csrf": csrf_of(shown), "name": "wrong", "url": f"{address}?x={self.words.alert_secrets[0]}"}
            refused = self.life.remember(
                browser.post("/dashboard/account/alerts", data=form, headers=HTML), "dashboard"
            )
            assert refused.status_code == 400

    def command(self) -> None:
        """Run the commands that show it, and a backup."""
        folder = self.life.installation.folder.parent / "backups"
        folder.mkdir()
        for words in (
            ("domains", "show", self.sender), ("domains", "show", self.sender, "--json"),
            ("domains", "accepted", self.sender), ("alerts", "list"), ("alerts", "list", "--json"), ("keys", "list"),
            ("keys", "list", "--json"), ("accounts", "list"), ("doctor",), ("backup", str(folder)),
            ("domains", "covers", "--json"), ("domains", "list", "--json"), ("members", "list"),
            ("members", "list", "--json"),
        ):  # fmt: skip
            ended = self.life.installation.run(*words)
            assert ended.stdout + ended.stderr, words
            self.life.heard["command"].append((ended.stdout + ended.stderr).encode())
        self.life.heard["backup"] = [gzip.decompress(each.read_bytes()) for each in folder.iterdir()]

    def read_as_others(self) -> None:
        """Read as another account, with keys that are bound elsewhere, and as nobody."""
        keys = (self.life.serving.open_account(), *self.words.keys[:2])
        for key in keys:
            with self.life.serving.client(key) as other:
                for page in (*OWN, "/events", "/webhooks", self.path, f"{self.path}/accepted-findings"):
                    self.life.remember(other.get(page), "others")
                for page in (f"/can-send?from={self.sender}", f"/domains/{self.other}", f"{self.path}/setup-links"):
                    self.life.remember(other.get(page), "others")
                self.life.remember(other.patch(self.path, json={"note": "x"}), "others")
        with httpx2.Client(base_url=self.life.serving.url, timeout=30) as nobody:
            for page in EVERYBODYS:
                assert self.life.remember(nobody.get(page), "everybody's").status_code in (200, 401), page
        with self.life.serving.operator() as operator:
            self.life.remember(operator.get("/metrics"), "everybody's")
