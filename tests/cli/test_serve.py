"""Starting, stopping and refusing to start, with real processes."""

import base64
import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import (
    LETTERHEAD,
    OPERATOR_TOKEN,
    Result,
    environment,
    letterhead,
    running,
    settings_for,
    started,
)
from tests.rigs.processes import free_port

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
OTHER_KEYS = "k1:" + base64.b64encode(bytes(32)).decode()

OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}


def asked_as_printed(line: str) -> httpx2.Response:
    """Do what a printed curl line does."""
    words = shlex.split(line.replace("$(cat ", "@").replace(')"', '"'))
    name, _, value = words[2].partition(": ")
    if "@" in value:
        value = f"Bearer {Path(value.partition('@')[2].strip(chr(39))).read_text('ascii').strip()}"
    return httpx2.get(words[3], headers={name: value}, trust_env=False)


def pooled_keys(url: str) -> int:
    """Read how many keys a worker has made ahead."""
    told = httpx2.get(f"{url}/metrics", headers=OPERATOR, trust_env=False).text
    (number,) = re.findall(r"^letterhead_pool\w* (\S+)$", told, re.MULTILINE)
    return int(float(number))


def curl_line(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip().startswith("curl "))


def one_line_and_a_fix(result: Result) -> None:
    """Check that trouble is told in two lines, and never by a traceback."""
    lines = [line for line in result.err.splitlines() if not line.startswith("{")]
    assert [line.split(":")[0] for line in lines] == ["letterhead", "fix"], result.err


def test_first_and_second_start(tmp_path: Path) -> None:
    """The first start prints a key and keeps it for its owner alone; the second says where; both print what works."""
    with running(tmp_path) as first:
        key = first.key
        assert stat.S_IMODE((first.data / "first-key").stat().st_mode) == 0o600
        assert first.output.count(key) == 2  # the key, and the line to try
        assert asked_as_printed(curl_line(first.output)).json() == []
        first.process.signal(signal.SIGTERM)
        assert first.process.ended() == Exit.OK
    with running(tmp_path) as second:
        assert second.key == key
        assert key not in second.output
        assert str(first.data / "first-key") in second.output
        assert asked_as_printed(curl_line(second.output)).json() == []
        assert len(second.call("accounts", "list").out.splitlines()) == 2  # the header, and one account


def test_a_lost_first_key_is_no_dead_end(tmp_path: Path) -> None:
    """A start without it, or with one that has ended, says how to make a key for the account that there is."""
    with running(tmp_path) as first:
        account = first.get("/account").json()["accountId"]
        second = first.call("accounts", "key", account).out.strip()
        ended = first.get("/keys").json()["keys"]
        ended = next(each["id"] for each in ended if each["name"] == "first key")
        assert first.call("keys", "delete", ended, "--yes", API_KEY=second).code == Exit.OK
        dead = first.key
    with running(tmp_path) as again:
        assert "is not valid: it was ended" in again.output
        assert "curl" not in again.output
        assert dead not in again.output
        assert "accounts create" not in again.output
        (line,) = re.findall(r"^  (LETTERHEAD_URL=\S+ letterhead accounts key acc_\S+)", again.output, re.MULTILINE)
        made = again.call(*line.split()[2:]).out.strip()
        assert again.call("domains", "list", API_KEY=made).code == Exit.OK
    (tmp_path / "data" / "first-key").unlink()
    with running(tmp_path) as lost:
        assert "no longer kept" in lost.output
        assert f"letterhead accounts key {account}" in lost.output


def test_a_lost_first_key_without_an_operator(tmp_path: Path) -> None:
    """Where no operator's token is set, the start says how to set one first."""
    with running(tmp_path, OPERATOR_TOKEN=""):
        pass
    (tmp_path / "data" / "first-key").unlink()
    with running(tmp_path, OPERATOR_TOKEN="") as lost:
        assert "export LETTERHEAD_OPERATOR_TOKEN" in lost.output
        assert "letterhead accounts key acc_" in lost.output


def test_a_first_start_on_postgres_makes_its_folder(tmp_path: Path, postgres_url: str) -> None:
    """With the database elsewhere nothing else has made the folder that the key is kept in."""
    settings = settings_for(tmp_path / "new" / "data", DATABASE_URL=postgres_url, KEYS=KEYS)
    assert letterhead("migrate", folder=tmp_path, **settings).code == Exit.OK
    with started(tmp_path, "run", **settings) as process:
        process.wait_until(lambda: (tmp_path / "new" / "data" / "first-key").exists())
    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == 0o700


def test_no_account_without_its_key(tmp_path: Path) -> None:
    """A first start that can't keep the key makes no account: the next one makes both, and no key is lost."""
    (tmp_path / "data" / "first-key").mkdir(parents=True)
    refused = letterhead("run", folder=tmp_path, **settings_for(tmp_path / "data"))
    assert refused.code == Exit.USAGE
    one_line_and_a_fix(refused)
    assert "first-key" in refused.err
    (tmp_path / "data" / "first-key").rmdir()
    with running(tmp_path) as service:
        assert service.key in service.output
        assert asked_as_printed(curl_line(service.output)).json() == []


def test_second_start_is_quick(tmp_path: Path) -> None:
    """A warm start answers before it has used 2 s of processor time."""
    with running(tmp_path):
        pass
    with running(tmp_path) as service:
        assert processor_seconds(service.process.pid) < 2.0


def processor_seconds(pid: int) -> float:
    """Tell the processor time that a process has used: other work on the machine does not count."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_stops_cleanly(number: signal.Signals, tmp_path: Path, postgres_url: str) -> None:
    """`worker` beside `serve --no-worker` on Postgres works, and ends with 0 when told to."""
    shared = {"DATABASE_URL": postgres_url, "KEYS": KEYS}
    assert letterhead("migrate", folder=tmp_path, **settings_for(tmp_path, **shared)).code == Exit.OK
    with running(tmp_path, "serve --no-worker", **shared) as serving, started(tmp_path, "worker", **shared) as worker:
        worker.wait_until(lambda: pooled_keys(serving.url) >= 4)
        worker.signal(number)
        assert worker.ended() == Exit.OK
        serving.process.signal(number)
        assert serving.process.ended() == Exit.OK


def test_port_in_use_is_one_line(tmp_path: Path) -> None:
    """A port that is taken is told in one line with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        result = letterhead("run", folder=tmp_path, **settings_for(tmp_path, BIND=bind))
    assert result.code == Exit.USAGE
    one_line_and_a_fix(result)
    assert "LETTERHEAD_BIND" in result.err
    assert not (tmp_path / "letterhead.db").exists()


def test_a_passed_descriptor_must_listen(tmp_path: Path) -> None:
    """A descriptor that is closed, no socket, or a socket that does not listen is told in one line with what to do."""
    with socket.socket() as idle, (tmp_path / "file").open("w") as file:
        open_fds = (file.fileno(), idle.fileno())
        for fd, why in zip((99, *open_fds), ("Bad file descriptor", "non-socket", "not listening"), strict=True):
            run = subprocess.run(
                [LETTERHEAD, "serve", "--fd", str(fd)], env=environment(**settings_for(tmp_path)), cwd=tmp_path,
                pass_fds=open_fds, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert run.returncode == Exit.USAGE
            one_line_and_a_fix(Result(run.returncode, run.stdout, run.stderr))
            assert f"Descriptor {fd} " in run.stderr
            assert why in run.stderr


def test_sockets_for_another_process_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LISTEN_FDS that were meant for a process which started this one mean nothing here (sd_listen_fds(3))."""
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with running(tmp_path) as service:
        assert service.get("/healthz").status_code == 200


def test_embedded_database_has_one_owner(tmp_path: Path) -> None:
    """A second process on the same embedded database is refused."""
    with running(tmp_path) as first:
        mine = dict(first.settings) | {"BIND": f"127.0.0.1:{free_port('127.0.0.1')}"}
        result = letterhead("serve", folder=tmp_path, **mine)
    assert (result.code, "[database-in-use]" in result.err) == (Exit.REFUSED, True)
    one_line_and_a_fix(result)


@pytest.mark.parametrize("command", ["run", "serve", "worker"])
def test_wrong_keys_are_refused(command: str, tmp_path: Path) -> None:
    """Keys that do not open what is in the database stop the start."""
    with running(tmp_path, KEYS=KEYS) as first:
        settings = dict(first.settings)
    result = letterhead(command, folder=tmp_path, **(settings | {"KEYS": OTHER_KEYS}))
    assert (result.code, "[keyring-wrong]" in result.err) == (Exit.REFUSED, True)
    one_line_and_a_fix(result)


def test_old_schema_says_migrate(tmp_path: Path, postgres_url: str) -> None:
    """`serve` on a database without our schema says what to run; then it serves."""
    settings = settings_for(tmp_path, DATABASE_URL=postgres_url, KEYS=KEYS)
    result = letterhead("serve", folder=tmp_path, **settings)
    assert (result.code, "letterhead migrate" in result.err) == (Exit.REFUSED, True)
    one_line_and_a_fix(result)
    assert "was empty" in letterhead("migrate", folder=tmp_path, **settings).out
    assert "current already" in letterhead("migrate", folder=tmp_path, **settings).out
    with running(tmp_path, "serve", **{name: settings[name] for name in ("DATABASE_URL", "KEYS")}):
        pass


def test_database_out_of_reach_is_four(tmp_path: Path) -> None:
    """A database that does not answer exits with 4."""
    url = f"postgresql://nobody@127.0.0.1:{free_port('127.0.0.1')}/none"
    result = letterhead("serve", folder=tmp_path, **settings_for(tmp_path, DATABASE_URL=url, KEYS=KEYS))
    assert result.code == Exit.UNREACHABLE
    one_line_and_a_fix(result)
    assert "Idempotency-Key" not in result.err  # nobody has asked for anything yet
    assert "database runs" in result.err


def test_migrate_makes_no_database_that_nobody_asked_for(tmp_path: Path) -> None:
    """A shell without the service's settings is told so, by `doctor` too; `--new` or a setting makes the database."""
    refused = letterhead("migrate", folder=tmp_path)
    assert (refused.code, "LETTERHEAD_CONFIG" in refused.err) == (Exit.USAGE, True)
    one_line_and_a_fix(refused)
    looked = letterhead("doctor", folder=tmp_path, DNS_RESOLVERS="127.0.0.1:9")
    assert looked.code == Exit.NOT_GOOD
    assert "LETTERHEAD_CONFIG" in looked.out
    assert list(tmp_path.iterdir()) == []
    assert "was empty" in letterhead("migrate", "--new", folder=tmp_path).out
    assert "current already" in letterhead("migrate", folder=tmp_path).out
    (tmp_path / "own.toml").write_text('data_dir = "kept"')
    assert "was empty" in letterhead("migrate", folder=tmp_path, CONFIG="own.toml").out
    assert (tmp_path / "kept" / "letterhead.db").is_file()


def test_wrong_setting_is_two(tmp_path: Path) -> None:
    """A setting that can't be right is named, with an example."""
    result = letterhead("serve", folder=tmp_path, BIND="everywhere:all")
    assert (result.code, "LETTERHEAD_BIND" in result.err) == (Exit.USAGE, True)
    one_line_and_a_fix(result)


def test_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    """`config` tells each setting with where it came from, and no secret."""
    out = letterhead("config", folder=tmp_path, KEYS=KEYS, BIND="127.0.0.1:9999").out
    assert KEYS not in out
    assert any(line.split()[:3] == ["LETTERHEAD_BIND", "127.0.0.1:9999", "environment"] for line in out.splitlines())
    assert any(line.split()[:2] == ["LETTERHEAD_KEYS", "***"] for line in out.splitlines())


def test_log_is_json_and_holds_no_key(tmp_path: Path) -> None:
    """Where no person watches, each line of the log is JSON; the key that asked is in none, the tracking id is."""
    with running(tmp_path, "run") as service:
        tracking = service.get("/domains").headers["X-Tracking-Id"]
        service.process.wait_until(lambda: tracking in service.output)
        lines = [line for line in service.output.splitlines() if line.startswith("{")]
        assert any(json.loads(line).get("tracking_id") == tracking for line in lines)
        assert not any(service.key in line for line in lines)


def test_core_dumps_are_off(tmp_path: Path) -> None:
    """A process that holds keys leaves none of its memory in a core file."""
    with running(tmp_path) as service:
        limits = Path(f"/proc/{service.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
