"""A server on a Unix socket: who may open it, what is left over, whom it takes for the client."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import LETTERHEAD, OPERATOR_TOKEN, Result, environment, letterhead, settings_for, started
from tests.rigs.processes import Server, free_port
from tests.rigs.waiting import until

PUBLIC_URL = "https://letterhead.example.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "l.sock"


def asks(path: Path) -> httpx2.Client:
    """Return a client of the server at a socket."""
    return httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://localhost", timeout=20)


def answers(path: Path) -> bool:
    """Whether somebody listens, and answers; httpcore leaves its socket open where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)):
            return False
    with asks(path) as client:
        return client.get("/healthz").is_success


@contextmanager
def serving(folder: Path, path: Path, command: str = "serve", **settings: str) -> Iterator[Server]:
    """Run a server on a socket and wait until it answers."""
    here = {"BIND": f"unix:{path}", "PUBLIC_URL": PUBLIC_URL, "LOG_FORMAT": "json"}
    with started(folder, command, **(here | settings)) as process:
        process.wait_until(lambda: answers(path))
        yield process


def refused(folder: Path, path: Path) -> Result:
    """Start a server that must not start, and check that it says so in two lines."""
    result = letterhead("serve", folder=folder, **settings_for(folder, BIND=f"unix:{path}", PUBLIC_URL=PUBLIC_URL))
    assert result.code == Exit.USAGE
    assert [line.split(":")[0] for line in result.err.splitlines()] == ["letterhead", "fix"], result.err
    assert f"Cannot listen on the Unix socket {path}" in result.err
    return result


MODES = [({}, 0o660), ({"SOCKET_MODE": "666"}, 0o666), ({"SOCKET_MODE": "600"}, 0o600)]


@pytest.mark.parametrize(("given", "mode"), MODES)
def test_its_mode_and_its_end(given: dict[str, str], mode: int, tmp_path: Path, path: Path) -> None:
    """It has the mode that is set, whatever the umask, and is gone after a stop in order."""
    before = os.umask(0o077)
    try:
        with serving(tmp_path, path, **given) as process:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert f'"listening":["{path}"]' in process.log.read_text()
            process.signal(signal.SIGTERM)
            assert process.ended() == Exit.OK
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_taken_over(tmp_path: Path, path: Path) -> None:
    """A start after a kill needs no hand: nobody listens there any more."""
    with serving(tmp_path, path) as process:
        process.signal(signal.SIGKILL)
        process.ended()
    assert path.is_socket()
    with serving(tmp_path, path):
        pass


def test_what_is_not_taken_over(tmp_path: Path, path: Path) -> None:
    """A socket that somebody listens on, a file and a link stay as they are, and a folder that is missing is told."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        assert "Address already in use" in refused(tmp_path, path).err
        assert "Address already in use" in refused(tmp_path, path).err  # its queue is full now: nobody accepts
        assert path.is_socket()
    path.unlink()
    path.write_text("precious")
    assert "File exists" in refused(tmp_path, path).err
    link = tmp_path / "link"
    link.symlink_to(path)
    refused(tmp_path, link)
    assert path.read_text() == "precious"
    assert "No such file or directory" in refused(tmp_path, tmp_path / "gone" / "l.sock").err


def test_the_file_of_a_later_process_stays(tmp_path: Path, path: Path) -> None:
    """A process that ends removes its own socket, never that of one which has started meanwhile."""
    (tmp_path / "second").mkdir()
    with serving(tmp_path, path) as first:
        path.unlink()
        with serving(tmp_path / "second", path, DATA_DIR=str(tmp_path / "second")):
            first.signal(signal.SIGTERM)
            assert first.ended() == Exit.OK
            assert answers(path)


def test_the_client_is_who_the_proxy_names(tmp_path: Path, path: Path) -> None:
    """The address is the last one in X-Forwarded-For; without the field it is `unix`; readyz misses no setting."""
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    with serving(tmp_path, path), asks(path) as client:
        for forwarded in ({}, {"X-Forwarded-For": "203.0.113.99, 192.0.2.7"}, {"X-Forwarded-For": "unix, 192.0.2.8"}):
            body = {"name": "Acme", "email": "dns@acme.test"}
            assert client.post("/accounts", json=body, headers=operator | forwarded).is_success
        audit = client.get("/audit", headers=operator).json()
        assert sorted(row["address"] for row in audit if row["action"] == "account.open") == [
            "192.0.2.7", "192.0.2.8", "unix",
        ]  # fmt: skip
        for _ in range(70):  # of one client: another one's first mistake is answered as such
            client.get("/domains", headers={"Authorization": "Bearer lh_live_no", "X-Forwarded-For": "192.0.2.7"})
        other = {"Authorization": "Bearer lh_live_no", "X-Forwarded-For": "192.0.2.8"}
        assert client.get("/domains", headers=other).status_code == 401
        assert "proxy" not in client.get("/readyz").json()


def test_commands_ask_it(tmp_path: Path, path: Path) -> None:
    """`LETTERHEAD_URL=unix:…` reaches it, `health` and `doctor` find it, and `run` prints commands that work."""
    settings = settings_for(tmp_path / "data", BIND=f"unix:{path}", PUBLIC_URL=PUBLIC_URL)
    with serving(tmp_path, path, "run", DATA_DIR=str(tmp_path / "data")) as process:
        until(lambda: "open https://letterhead.example.com in a browser" in process.log.read_text())
        (line,) = [line for line in process.log.read_text().splitlines() if line.strip().startswith("curl ")]
        assert subprocess.run(line, shell=True, capture_output=True, check=True).stdout == b"[]"
        key = (tmp_path / "data" / "first-key").read_text().strip()
        client = {"URL": f"unix:{path}", "API_KEY": key}
        assert letterhead("domains", "add", "acme.test", folder=tmp_path, **client).code == Exit.OK
        assert "acme.test" in letterhead("domains", "list", folder=tmp_path, **client).out
        healthy = letterhead("health", folder=tmp_path, **settings)
        assert (healthy.code, healthy.out) == (Exit.OK, "serve is alive.\n")
        assert f"unix:{path}/readyz says ready" in letterhead("doctor", folder=tmp_path, **settings).out
    dead = letterhead("health", folder=tmp_path, **settings)
    assert (dead.code, f"No answer at unix:{path}" in dead.out) == (Exit.NOT_GOOD, True)


def test_a_passed_unix_socket(tmp_path: Path, path: Path) -> None:
    """A socket unit may name a Unix socket: its connections are the proxy's, too, and its file is systemd's."""
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}", "X-Forwarded-For": "192.0.2.7"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = subprocess.Popen(
            [LETTERHEAD, "serve", "--fd", str(listener.fileno())], env=environment(**settings_for(tmp_path / "data")),
            cwd=tmp_path, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with asks(path) as client:
                assert client.post("/accounts", json={"name": "A", "email": "a@acme.test"}, headers=operator).is_success
                audit = client.get("/audit", headers=operator).json()
                assert {row["address"] for row in audit} == {"192.0.2.7"}
        finally:
            server.terminate()
            assert server.wait(40) == Exit.OK
    assert path.is_socket()


@pytest.mark.parametrize("process", ["serve", "worker", "relay"])
def test_health_of_what_is_not_there(process: str, tmp_path: Path) -> None:
    """Exit code 1, as container engines want it, and one line with the reason."""
    ports = {name: f"127.0.0.1:{free_port('127.0.0.1')}" for name in ("WORKER_METRICS_BIND", "RELAY_BIND")}
    result = letterhead("health", process, folder=tmp_path, **settings_for(tmp_path, **ports))
    assert (result.code, len(result.out.splitlines()), result.err) == (Exit.NOT_GOOD, 1, "")
    assert "LETTERHEAD_" in result.out
    if process == "worker":
        unset = letterhead("health", process, folder=tmp_path, **settings_for(tmp_path))
        assert (unset.code, "set LETTERHEAD_WORKER_METRICS_BIND=" in unset.out) == (Exit.NOT_GOOD, True)


def test_the_module_is_the_command() -> None:
    """`python -m letterhead` is the same command, with the same name in its help and the same exit codes."""
    texts = []
    for command in ([LETTERHEAD], [sys.executable, "-m", "letterhead"]):
        for words, code in ((["--help"], Exit.OK), (["config"], Exit.OK), (["no-such-command"], Exit.USAGE)):
            run = subprocess.run([*command, *words], env=environment(), capture_output=True, text=True, check=False)
            assert run.returncode == code
            texts.append(run.stdout)
    assert texts[:3] == texts[3:]
    assert texts[0].startswith("Usage: letterhead COMMAND")
