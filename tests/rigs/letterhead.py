"""Run Letterhead itself as processes, as an operator does, and ask it over HTTP."""

import asyncio
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from letterhead import config
from letterhead.operations.key_pool import new_pooled_key
from letterhead.wiring.assemble import open_deps
from tests.rigs.processes import free_port, program

COMMAND = Path(sys.executable).with_name("letterhead")
KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
# sd_listen_fds(3): the first descriptor is 3, and LISTEN_PID is the process that exec makes this one.
PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
OPERATOR_TOKEN = "operator-token-of-the-tests-0123456789"


class Installation:
    """How one installation is set up; processes of it share the database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.command = folder, COMMAND
        self.settings = {
            "LETTERHEAD_DATA_DIR": str(folder),
            "LETTERHEAD_KEYS": KEYS,
            "LETTERHEAD_OPERATOR_TOKEN": OPERATOR_TOKEN,
            "LETTERHEAD_ALLOW_SPECIAL_USE": "true",
            "LETTERHEAD_KEY_POOL": "8",
            "LETTERHEAD_UNPROVEN_BELOW": "1000000",  # stories have few zones, and many names below each
            "LETTERHEAD_LOG_FORMAT": "json",
            **{f"LETTERHEAD_{name}": value for name, value in settings.items()},
        }

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; one that would listen finds a port of its own, since others run beside it."""
        bind = {} if "LETTERHEAD_BIND" in self.settings else {"LETTERHEAD_BIND": f"127.0.0.1:{free_port('127.0.0.1')}"}
        return subprocess.run(
            [self.command, *words], env=self._environment(bind), cwd=self.folder, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip

    def stock(self, keys: int) -> None:
        """Fill the pool with one key under many names, so that adding domains is writing and nothing else."""
        asyncio.run(self._stock(keys))

    async def _stock(self, keys: int) -> None:
        settings = config.read(self.settings, self.folder)
        async with open_deps(settings) as deps:
            pair = deps.keyring.make_pair()
            await deps.store.pool_keys([new_pooled_key(deps, pair) for _ in range(keys)])

    @contextmanager
    def serving(self, *words: str) -> Iterator["Serving"]:
        """Run `letterhead serve` with these words until the end of the block."""
        serving = self.serve(*words)
        try:
            yield serving
        finally:
            serving.stop()

    def serve(self, *words: str, listener: socket.socket | None = None, port: int = 0) -> "Serving":
        """Start `letterhead serve` and wait until it answers; with a socket passed as systemd passes it, if given."""
        port = listener.getsockname()[1] if listener else port or free_port("127.0.0.1")
        bind = {"LETTERHEAD_BIND": "127.0.0.1:1" if listener else f"127.0.0.1:{port}"}
        serving = Serving(self._start(["serve", *words], bind, listener), f"http://127.0.0.1:{port}")
        try:
            serving.wait()
        except RuntimeError as error:
            raise RuntimeError(f"{error}:\n{self._last_words(serving)}") from error
        return serving

    def relay(self) -> "Process":
        """Start `letterhead relay` and wait until it greets."""
        relay = Process(self._start(["relay"], {}))
        host, port = self.settings["LETTERHEAD_RELAY_BIND"].rsplit(":", 1)
        until = time.monotonic() + 45
        while time.monotonic() < until and relay.process.poll() is None:
            try:
                with socket.create_connection((host, int(port)), timeout=5) as client:
                    if client.recv(3) == b"220":
                        return relay
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"letterhead relay does not answer:\n{self._last_words(relay)}")

    def worker(self) -> "Process":
        """Start `letterhead worker`."""
        return self.start("worker")

    def start(self, *words: str) -> "Process":
        """Start a command that runs on."""
        return Process(self._start([*words], {}))

    def _start(
        self, words: list[str], more: Mapping[str, str], listener: socket.socket | None = None
    ) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{words[0]}-{secrets.token_hex(4)}.log").open("wb")
        fds = (listener.fileno(),) if listener else ()
        passing = [sys.executable, "-c", PASS_SOCKET, *map(str, fds)] if fds else []
        with log:
            return subprocess.Popen(
                [program("setpriv"), "--pdeathsig=KILL", *passing, self.command, *words],
                env=self._environment(more), cwd=self.folder, stdout=log, stderr=log, pass_fds=fds,
            )  # fmt: skip

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LETTERHEAD_")}
        return {**ours, "PYTHONFAULTHANDLER": "1", **self.settings, **more}

    def _last_words(self, process: "Process") -> str:
        """End a process that does not answer, and return what all have written, with where its threads stood."""
        process.process.send_signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):  # Python's fault handler is writing the stacks
            process.process.wait(10)
        process.kill()
        return self.logs()

    def logs(self) -> str:
        """Return all that the processes wrote."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))


class Process:
    """One process of Letterhead."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def kill(self) -> None:
        """Kill it as a power cut does: without a word."""
        self.process.kill()
        self.process.wait(45)

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


class Serving(Process):
    """One serving process with its address."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        super().__init__(process)
        self.url = url

    def wait(self, seconds: float = 60) -> None:
        """Wait until it answers."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"letterhead serve ended with {self.process.returncode}")
            try:
                if httpx2.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise RuntimeError("letterhead serve does not answer")

    def operator(self) -> httpx2.Client:
        """Return a client with the operator's token."""
        return self.client(OPERATOR_TOKEN)

    def client(self, token: str) -> httpx2.Client:
        """Return a client with an API key."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def open_account(self, **limits: int) -> str:
        """Open an account and return its first key."""
        body: dict[str, Any] = {"name": "Acme", "email": "dns@acme.test"}
        if limits:
            body["limits"] = limits
        with self.operator() as operator:
            answer = operator.post("/accounts", json=body)
            assert answer.status_code < 300, answer.text
            return str(answer.json()["key"])
