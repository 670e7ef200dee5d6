"""Start an outside server so that it is gone when the tests are, and freeze it."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DEBIAN = Path(__file__).parents[2] / ".cache" / "debian" / "bin"
UNPRIVILEGED = ("--reuid=nobody", "--regid=nogroup", "--clear-groups")


class Missing(Exception):
    """Says which program the tests need and cannot find."""


def program(name: str) -> str:
    """Find a program on the path, as ./dev unpacked it, or where Debian keeps servers."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), str(DEBIAN), "/usr/sbin", "/sbin"]))
    if not found:
        raise Missing(f"The tests need {name}, which is not installed: ./dev test brings it.")
    return found


def free_port(*addresses: str) -> int:
    """Pick a port that is free for UDP and TCP on each of the addresses.

    It is below those that the system gives to connections (32768 on Linux): one of these may be taken by the next
    connection of any test before the server that it was picked for listens.
    """
    for _ in range(100):
        port = random.SystemRandom().randrange(12_000, 32_000)
        if all(is_free(address, port) for address in addresses):
            return port
    raise Missing(f"No port is free on all of {', '.join(addresses)}.")


def is_free(address: str, port: int) -> bool:
    """Whether a port can be taken for UDP and TCP, and a connection to it reaches who has taken it.

    The kernel may lead it elsewhere: to a container that published this port, and is gone since a run was killed.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.socket() as listener:
        try:
            datagrams.bind((address, port))
            listener.bind((address, port))
            listener.listen()
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            return False
        return True


class Server:
    """One running process with its log."""

    def __init__(self, command: Sequence[str | Path], log: Path, *, unprivileged: bool = False) -> None:
        """Start `command`, as nobody where `unprivileged` and we are root; it dies with the tests in any case."""
        drop = UNPRIVILEGED if unprivileged and os.geteuid() == 0 else ()
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program("setpriv"), *drop, "--pdeathsig=KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )
        self.pid = self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 45) -> None:
        """Wait until `ready()`; raise with the log where the process ends or the time runs out before."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self._process.args!r} did not get ready:\n{self.log.read_text('utf-8', 'replace')}"
                )
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process where it stands: its port stays open and nothing answers."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)  # its threads stop one after the other
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def ended(self, seconds: float = 45) -> int:
        """Wait until the process has ended by itself and return its exit code."""
        return self._process.wait(seconds)

    def stop(self) -> None:
        """Kill the process: nothing that it holds is wanted after the tests."""
        self._process.kill()
        self._process.wait(20)
