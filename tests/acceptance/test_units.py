"""The units of deploy/ under systemd: each is confined, and the service works within its confinement."""

import json
import os
import smtplib
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.rigs.letterhead import KEYS, OPERATOR_TOKEN
from tests.rigs.processes import Missing, Server, free_port, program
from tests.rigs.waiting import until

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
MOST_EXPOSED = 20  # tenths, of 100
SYSTEMD = Path("/lib/systemd/systemd")
RELAY = ("127.0.5.87", 587)  # an address that nobody else listens on, and a port that takes a capability
PYTHON, CHECKOUT = Path("/opt/python"), Path("/opt/letterhead")
ROOT_PACKAGES = Path(sysconfig.get_path("purelib")).relative_to(ROOT)
BOOT = f"""
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /opt
mkdir {PYTHON} {CHECKOUT}
mount --bind {sys.base_prefix} {PYTHON}
mount --bind {ROOT} {CHECKOUT}
mount -t tmpfs tmpfs /var/lib
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export container=test SYSTEMD_UNIT_PATH="$1"
exec {SYSTEMD} --system --unit="$2" --log-target=console --show-status=no
"""
# The tests have no user `letterhead`, and their Python is elsewhere; what confines the service stays as it is.
DROP_IN = """
[Unit]
DefaultDependencies=no
After=
Wants=
[Service]
User=nobody
Environment={settings}
ExecStart=
ExecStart={python} {command} {word}
StandardOutput=append:{log}
StandardError=append:{log}
"""


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_confined(unit: Path) -> None:
    """By the measure of `systemd-analyze security` it is exposed 2.0 of 10 at most."""
    words = ["security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(unit)]
    run = subprocess.run([program("systemd-analyze"), *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Overall exposure level" in run.stdout


def settings_of(postgres_url: str) -> str:
    """Write the settings as the values of Environment=."""
    values = {
        "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / ROOT_PACKAGES}", "LD_LIBRARY_PATH": f"{PYTHON}/lib",
        "LETTERHEAD_CONFIG": "", "LETTERHEAD_DATA_DIR": "/var/lib/letterhead", "LETTERHEAD_KEYS": KEYS,
        "LETTERHEAD_OPERATOR_TOKEN": OPERATOR_TOKEN, "LETTERHEAD_DATABASE_URL": postgres_url.replace("%", "%%"),
        "LETTERHEAD_ALLOW_SPECIAL_USE": "true", "LETTERHEAD_RELAY_SMARTHOST": "smtp://127.0.0.1:9",
        "LETTERHEAD_RELAY_SMARTHOST_STARTTLS": "never", "LETTERHEAD_RELAY_BIND": f"{RELAY[0]}:{RELAY[1]}",
    }  # fmt: skip
    return " ".join(f'"{name}={value}"' for name, value in values.items())


def lay_out(folder: Path, postgres_url: str, port: int) -> Path:
    """Write a folder of units: those of deploy/, what the tests change of them, and one that starts them all."""
    units = folder / "units"
    units.mkdir()
    python = PYTHON / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = CHECKOUT / Path(sys.executable).parent.relative_to(ROOT) / "letterhead"
    for unit, words in (
        ("letterhead.service", "serve --no-worker"), ("letterhead-worker@.service", "worker"),
        ("letterhead-relay.service", "relay"),
    ):  # fmt: skip
        (units / unit).write_text((ROOT / "deploy" / unit).read_text("utf-8"), "utf-8")
        (units / f"{unit}.d").mkdir()
        drop_in = DROP_IN.format(
            settings=settings_of(postgres_url), python=python, command=command, word=words, log=folder / "services.log"
        )
        (units / f"{unit}.d" / "test.conf").write_text(drop_in, "utf-8")
    text = (ROOT / "deploy" / "letterhead.socket").read_text("utf-8")
    listen = text.replace("ListenStream=127.0.0.1:8025", f"ListenStream=127.0.0.1:{port}")
    (units / "letterhead.socket").write_text(listen.replace("[Socket]", "DefaultDependencies=no\n[Socket]"), "utf-8")
    # The same once more, as it is without the socket unit and behind a proxy that asks over a Unix socket.
    (units / "letterhead-unix.service").write_text((ROOT / "deploy/letterhead.service").read_text("utf-8"), "utf-8")
    (units / "letterhead-unix.service.d").mkdir()
    unix = "LETTERHEAD_BIND=unix:/run/letterhead/letterhead.sock LETTERHEAD_PUBLIC_URL=https://a.test"
    (units / "letterhead-unix.service.d" / "test.conf").write_text(
        DROP_IN.format(
            settings=f"{settings_of(postgres_url)} {unix}", python=python, command=command, word="serve --no-worker",
            log=folder / "unix.log",
        ), "utf-8",
    )  # fmt: skip
    wanted = "letterhead.socket letterhead-worker@1.service letterhead-relay.service letterhead-unix.service"
    (units / "all.target").write_text(f"[Unit]\nDefaultDependencies=no\nWants={wanted}\n", "utf-8")
    return units


@contextmanager
def booted(folder: Path, units: Path) -> Iterator[Server]:
    """Boot systemd on the units, in namespaces of its own: nothing of this machine is started or written."""
    if not SYSTEMD.exists():
        raise Missing(f"The tests need {SYSTEMD}, which is not installed: apt-get install systemd")
    words = ["unshare", "--mount", "--pid", "--cgroup", "--fork", "--mount-proc", "--kill-child"]
    boot = ["sh", "-c", BOOT, "boot", str(units), "all.target"]
    server = Server([program(words[0]), *words[1:], program(boot[0]), *boot[1:]], folder / "boot.log")
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("boot", [True] if os.geteuid() == 0 else [])  # root alone may boot systemd in namespaces
def test_the_service_works_confined(boot: bool, tmp_path: Path, postgres_url: str) -> None:
    """By its socket unit the API adds a domain; a worker looks at it; the relay greets at a port below 1024.

    Another service listens on the Unix socket of docs/proxies.md.
    """
    assert boot
    run = {"LETTERHEAD_DATABASE_URL": postgres_url, "LETTERHEAD_KEYS": KEYS, "PATH": os.environ["PATH"]}
    migrate = [str(Path(sys.executable).with_name("letterhead")), "migrate"]
    subprocess.run(migrate, env=run, cwd=tmp_path, check=True, capture_output=True)
    port = free_port("127.0.0.1")
    with booted(tmp_path, lay_out(tmp_path, postgres_url, port)), httpx2.Client(timeout=30, trust_env=False) as client:
        url, operator = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

        def told() -> str:
            log = tmp_path / "services.log"
            return log.read_text("utf-8", "replace") if log.exists() else ""

        until(lambda: "worker.started" in told() and "relay.started" in told(), seconds=90)
        key = client.post(f"{url}/accounts", headers=operator, json={"name": "A", "email": "a@a.test"}).json()["key"]
        own = {"Authorization": f"Bearer {key}"}
        assert client.post(f"{url}/domains", headers=own, json={"sender": "acme.test"}).status_code == 200
        until(lambda: "lastSync" in client.get(f"{url}/domains/acme.test", headers=own).json(), seconds=60)
        with smtplib.SMTP(*RELAY, timeout=20) as mail:
            assert mail.login("letterhead", key)[0] == 235
        unix = tmp_path / "unix.log"
        until(lambda: unix.exists() and "serve.starting" in unix.read_text("utf-8", "replace"))
        lines = [json.loads(line) for line in told().splitlines() if line.startswith("{")]
        assert not [line for line in lines if line["level"] in ("error", "critical")]
