"""Run the command `letterhead` as its own process, with an environment of the test's own and no other."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.rigs.processes import Server, free_port

LETTERHEAD = Path(sys.executable).with_name("letterhead")
OPERATOR_TOKEN = "an-operator-token-for-tests-alone"


@dataclass(frozen=True, slots=True)
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """Make an environment that holds nothing of ours but these settings, without their prefix."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LETTERHEAD_", "PYTHON"))}
    return kept | {f"LETTERHEAD_{name}": value for name, value in settings.items()} | {"NO_COLOR": "1"}


def letterhead(*arguments: str, folder: Path, **settings: str) -> Result:
    """Run one command to its end."""
    run = subprocess.run(
        [LETTERHEAD, *arguments],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Result(run.returncode, run.stdout, run.stderr)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that runs as its own process, with its log and its settings."""

    url: str
    data: Path
    settings: Mapping[str, str]
    process: Server

    @property
    def key(self) -> str:
        """Read the first key."""
        return (self.data / "first-key").read_text("ascii").strip()

    @property
    def output(self) -> str:
        """Read all that it has printed so far."""
        return self.process.log.read_text("utf-8", "replace")

    def call(self, *arguments: str, **settings: str) -> Result:
        """Run a command as a client of this service."""
        mine = {"URL": self.url, "API_KEY": self.key, "OPERATOR_TOKEN": OPERATOR_TOKEN}
        return letterhead(*arguments, folder=self.data, **(mine | settings))

    def get(self, path: str) -> httpx2.Response:
        """Ask the API itself."""
        return httpx2.get(self.url + path, headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, timeout=20)


def settings_for(data: Path, **settings: str) -> dict[str, str]:
    """Return the settings of a service that talks to nobody: the simulated provider, a resolver that is not there."""
    alone = {
        "DATA_DIR": str(data),
        "BIND": f"127.0.0.1:{free_port('127.0.0.1')}",
        "PROVIDER": "simulated",
        "DNS_RESOLVERS": f"127.0.0.1:{free_port('127.0.0.1')}",
        "ALLOW_SPECIAL_USE": "true",
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
        "KEY_POOL": "4",
    }
    return alone | settings


@contextmanager
def started(folder: Path, command: str, **settings: str) -> Iterator[Server]:
    """Start a command that runs on, and kill it when the block ends."""
    given = settings_for(folder / "data", **settings)
    variables = [f"LETTERHEAD_{name}={value}" for name, value in given.items()]
    log = folder / f"{command.partition(' ')[0]}.log"
    process = Server(["env", "-C", folder, *variables, LETTERHEAD, *command.split()], log)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def running(folder: Path, command: str = "run", **settings: str) -> Iterator[Running]:
    """Run `letterhead run` (or `serve`, `demo`) until the block ends, and wait until it answers."""
    given = settings_for(folder / "data", **settings)
    with started(folder, command, **given) as process:
        service = Running(f"http://{given['BIND']}", folder / "data", given, process)
        process.wait_until(lambda: _answers(service.url), seconds=60)
        yield service


def printed_key(demo: Running) -> str:
    """Read the key off the line that the demo prints."""
    demo.process.wait_until(lambda: "Watching." in demo.output)
    return demo.output.partition("Bearer ")[2].partition('"')[0]


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/status", trust_env=False, timeout=2).is_success
    except httpx2.HTTPError:
        return False
