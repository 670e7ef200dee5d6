"""The command blocks of the docs, run from top to bottom as printed: names, ports and folders are the test's own."""

import base64
import getpass
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.commands import RUN, every_block
from tests.docs.markdown import ROOT
from tests.operations.delegated_story import key_zone, settings_for
from tests.rigs import webhook_receiver
from tests.rigs.command import LETTERHEAD, OPERATOR_TOKEN, Running, environment, letterhead, running
from tests.rigs.dns_lab import KEY, NS1, DnsLab
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port
from tests.rigs.signing import OWN

# What runs on is started, asked until it answers, and stopped; `./dev letterhead` is the command itself.
SHELL = f"""\
letterhead() {{
    case $1 in
    serve) answers=http://$LETTERHEAD_BIND/status ;;
    worker) answers=http://$LETTERHEAD_WORKER_METRICS_BIND/metrics ;;
    *) {LETTERHEAD} "$@"; return ;;
    esac
    {LETTERHEAD} "$@" >log 2>&1 & process=$!
    until curl --silent --fail --output /dev/null $answers; do
        kill -0 $process || {{ cat log >&2; return 1; }}
        sleep 0.1
    done
    kill $process
    wait $process
}}
"""
NAMED_FILE = re.compile(r"^```toml\n# (?P<name>[\w.-]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def service(lab: DnsLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run an installation that asks the lab, publishes delegated keys there, and may write its zones."""
    hooks = {"WEBHOOKS_ALLOW_HTTP": "true", "WEBHOOKS_ALLOW_PRIVATE": "true"}
    servers = {"PROVIDER": "dns", "DNS_SERVERS": f"{NS1}:{lab.authoritative_port}"}
    with running(tmp_path_factory.mktemp("docs"), **settings_for(lab, key_zone(lab), **hooks, **servers)) as here:
        yield here


@pytest.fixture
def database(request: pytest.FixtureRequest, page: str) -> Iterator[str]:
    """Return the address of an empty database to the page that asks for one."""
    if "postgresql://letterhead" not in (ROOT / page).read_text("utf-8"):
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def reader(service: Running, lab: DnsLab, tmp_path: Path, page: str) -> Iterator["Reader"]:
    """Return a reader whose domain is verified: at the service of all pages, or at one with a provider."""
    if page != "docs/ses.md":
        yield Reader(service, lab, tmp_path)
        return
    with running(tmp_path, **settings_for(lab, key_zone(lab), PROVIDER="simulated")) as provided:
        yield Reader(provided, lab, tmp_path)


class Reader:
    """One who types what a page says, in a folder and with an account of their own."""

    def __init__(self, service: Running, lab: DnsLab, folder: Path) -> None:
        self.service, self.lab, self.folder = service, lab, folder
        self.zone = lab.zone(f"docs{next(_numbers)}.test")
        made = service.call("accounts", "create", "--name", "Reader", "--email", f"it@{self.zone}", "--json")
        opened = json.loads(made.out)
        self.account, self.key = opened["accountId"], opened["key"]
        self.prove()

    def settings(self, database: str) -> dict[str, str]:
        """Return the settings of the reader's shell: those of a client, and of what the page itself starts."""
        port = {name: f"127.0.0.1:{free_port('127.0.0.1')}" for name in ("BIND", "WORKER_METRICS_BIND", "RELAY_BIND")}
        client = {"URL": self.service.url, "API_KEY": self.key, "OPERATOR_TOKEN": OPERATOR_TOKEN}
        return {**self.service.settings, "DATA_DIR": str(self.folder / "data"), **port, **client}

    def prove(self) -> None:
        """Add the domain with a key whose record is in DNS already, and wait until it is verified."""
        (self.folder / "own.pem").write_bytes(OWN.pem)
        record = OWN.record
        pieces = " ".join(f'"{record[at : at + 250]}"' for at in range(0, len(record), 250))
        self.lab.publish(f"own._domainkey.{self.zone}", "TXT", pieces)
        for words in (["add", "--selector", "own", "--private-key", "own.pem"], ["wait"]):
            done = letterhead(
                "domains", words[0], self.zone, *words[1:], folder=self.folder, URL=self.service.url, API_KEY=self.key
            )
            assert done.code == 0, done

    def typed(self, commands: str, hook: str) -> str:
        """Return the commands with names of the lab: domain, addresses, folders, users, ids."""
        for old, new in (
            ("acme.dev", self.zone),
            ("http://127.0.0.1:8025", self.service.url),
            ("https://letterhead.example.com", self.service.url),
            (f"https://hooks.{self.zone}/letterhead", hook),
            ("/etc/letterhead", str(self.folder / "etc")),
            ("/opt/kumomta", str(self.folder)),
            ("lh_live_…", self.key),
            ("acc_…", self.account),
            ("wh_…", "$(letterhead webhooks list --json | grep -o 'wh_[0-9a-z]*' | head -n 1)"),
            (" --watch", ""),
            (" --delete ", " --delete --yes "),
            ("add " + self.zone + " --delegated", "add delegated." + self.zone + " --delegated"),
            ("--host cloudflare", "--host rfc2136"),
            ("dns apply " + self.zone, "dns apply " + self.zone + " --yes"),
            ("dns undo " + self.zone, "dns undo " + self.zone + " --yes"),
        ):
            commands = commands.replace(old, new)
        commands = re.sub(r"--owner \S+", f"--owner {getpass.getuser()}", commands)
        commands = re.sub(r'--reload "[^"]*"', "--reload true", commands)
        commands = re.sub(
            r"--kept dns_\w+", "--kept $(letterhead dns credentials list | grep -o 'dns_[0-9a-z]*')", commands
        )
        # What a plan or a check of others' domains finds is no failure of the command.
        return re.sub(r"(--plan|>report.csv)\b", r"\1 || test $? -le 2", commands)


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run(lab: DnsLab, database: str, reader: "Reader", tmp_path: Path, page: str) -> None:
    """Each block ends well, in one shell; files that the page shows with their name are there."""
    assert shutil.which("curl"), "The tests need curl, which the docs ask with: apt-get install curl"
    text = (ROOT / page).read_text("utf-8")
    for hit in NAMED_FILE.finditer(text):
        (tmp_path / hit["name"]).write_text(reader.typed(hit["text"], ""), "utf-8")
    (tmp_path / "domains.txt").write_text(f"{reader.zone}\n", "utf-8")
    (tmp_path / "etc").mkdir()
    secret = base64.b64encode(KEY.secret).decode()
    host = {"SERVER": f"{NS1}:{lab.authoritative_port}", "KEY_NAME": "lab.", "SECRET": secret}
    with webhook_receiver.running() as receiver:
        blocks = [block for block in every_block() if block.page == page and not (block.run_by or block.not_run)]
        script = [SHELL, "set -euo pipefail"]
        for block in blocks:
            commands = reader.typed(block.commands, receiver.url)
            commands = re.sub(r"postgresql://letterhead:…@[\w.]+/letterhead", database, commands)
            script += [f"echo '· {block}' >&2", commands]
        variables = environment(**reader.settings(database)) | {"KEY": reader.key}
        variables |= {f"DNS_HOST_{name}": value for name, value in host.items()}
        variables["PATH"] = f"{LETTERHEAD.parent}{os.pathsep}{variables['PATH']}"
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100,
            check=False,
        )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr.count("· docs/") == len(blocks)
