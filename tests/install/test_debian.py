"""The Debian package: installed by apt, run by systemd, upgraded under load and purged, on a machine made for it."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.install.main_job import run_main_job, wait_for_first_answer
from tests.rigs.debian import DebianMachine, booted
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port, program
from tests.rigs.waiting import until

ROOT = Path(__file__).parents[2]
SETTINGS = "etc/letterhead/letterhead.toml"
RELAY = "127.0.5.88:587"  # an address that nobody else listens on, and a port that takes a capability
AS_ROOT = [True] if os.geteuid() == 0 else []  # root alone may boot systemd in namespaces


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the package of this tree as an operator does, and pack the same files as a later version."""
    done = subprocess.run([ROOT / "dev", "deb"], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = re.findall(r"wrote (\S+)", done.stderr)
    first = ROOT / path
    architecture, later = first.stem.rsplit("_", 1)[1], tmp_path_factory.mktemp("deb") / "letterhead.deb"
    variables = os.environ | {"VERSION": "999.0", "STAGE": ".cache/deb", "ARCH": architecture}
    nfpm: list[str | Path] = [ROOT / ".venv-deploy/bin/nfpm", "package", "--config", ROOT / "deploy/debian/nfpm.yaml"]
    subprocess.run([*nfpm, "--target", later], cwd=ROOT, env=variables, check=True, capture_output=True)
    return first, later


class Installed:
    """A machine with the package on it, and where its API is."""

    def __init__(self, machine: DebianMachine, port: int) -> None:
        self.machine, self.port, self.url = machine, port, f"http://127.0.0.1:{port}"
        drop_in = machine.root / "etc/systemd/system/letterhead.socket.d/port.conf"  # as `systemctl edit` writes it
        drop_in.parent.mkdir()
        drop_in.write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")

    def install(self, package: Path) -> str:
        """Have apt install one file, with what it depends on."""
        to = self.machine.root / "root" / package.name
        to.write_bytes(package.read_bytes())
        words = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", f"/root/{to.name}")
        try:
            return self.machine.run(*words)
        finally:
            to.unlink()

    def set_bind(self) -> None:
        """Name the port of the socket unit in the settings, where the command looks for it."""
        settings = self.machine.root / SETTINGS
        text = settings.read_text("utf-8")
        settings.write_text(text.replace('"127.0.0.1:8025"', f'"127.0.0.1:{self.port}"'), "utf-8")

    def set(self, **values: str) -> None:
        """Add settings to the file, as an editor does."""
        with (self.machine.root / SETTINGS).open("a", encoding="utf-8") as file:
            file.writelines(f'{name} = "{value}"\n' for name, value in values.items())

    def command(self, *words: str) -> str:
        """Run the command in a root shell, without any variable, where a stranger has left settings of his own."""
        return self.machine.run("env", "--chdir=/tmp/stranger", "letterhead", *words)

    def doctor(self) -> str:
        """Return what the doctor says in a root shell, of the service's own database."""
        return self.machine.call("env", "--chdir=/root", "letterhead", "doctor").stdout

    def new_key(self) -> str:
        """Open an account as the operator on this machine does: the token is found in the settings."""
        made = self.command("accounts", "create", "--name", "Acme", "--email", "it@acme.test")
        (key,) = re.findall(r"lh_live_\w+", made)
        return str(key)

    def pid_of(self, unit: str) -> str:
        """Return the process of a unit, "0" where none runs."""
        return self.machine.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()

    def status(self, key: str, domain: str) -> str:
        """Return a domain's status."""
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx2.get(f"{self.url}/domains/{domain}", headers=headers, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    @contextmanager
    def under_load(self) -> Iterator[list[str]]:
        """Ask without a pause, on a new connection each time, and list what failed; at least one has to succeed."""
        failed: list[str] = []
        done, ended = [0], threading.Event()

        def ask() -> None:
            while not ended.is_set():
                try:
                    answer = httpx2.get(f"{self.url}/readyz", trust_env=False, timeout=60)
                    done[0] += 1
                    if answer.status_code != 200:
                        failed.append(answer.text)
                except httpx2.HTTPError as error:
                    failed.append(repr(error))
                time.sleep(0.02)

        client = threading.Thread(target=ask)
        client.start()
        try:
            yield failed
        finally:
            ended.set()
            client.join()
        assert done[0] > 0


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("root", AS_ROOT)
def test_the_life_of_a_package(
    root: bool, packages: tuple[Path, Path], lab: DnsLab, postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    """Installed it works at once; an upgrade refuses nobody and loses nothing; a purge keeps the keys."""
    assert root
    first, second = packages
    holds_what_it_imports()
    zone, other = lab.zone("package.test"), lab.zone("package-postgres.test")
    with booted("bookworm", tmp_path) as machine:
        began = time.monotonic()
        installed = Installed(machine, free_port("127.0.0.1"))
        refuses_an_installation_by_hand(installed, first)
        machine.run("sh", "-c", "mkdir /tmp/stranger && echo 'bind = \"127.0.0.1:9\"' >/tmp/stranger/letterhead.toml")
        installed.install(first)
        print(f"first answer after {wait_for_first_answer(installed.url, began):.1f} s")
        resolvers = {"dns_resolvers": f"{RESOLVER}:{lab.resolver_port}", "allow_special_use": "true"}
        installed.set_bind()
        installed.set(**resolvers, dns_authoritative_port=str(lab.authoritative_port))
        machine.run("systemctl", "restart", "letterhead")
        key = installed.new_key()
        print(f"SUCCESS after {run_main_job(installed.url, key, lab, zone):.1f} s more")
        assert re.search(r"^ok +database +/var/lib/letterhead/letterhead.db ", installed.doctor(), re.MULTILINE)
        backs_up(installed)
        owned = "stat -c '%U %a' /var/lib/letterhead /var/lib/letterhead/* /" + SETTINGS
        owners = {"letterhead 700", "letterhead 600", "root 640"}
        assert set(machine.run("sh", "-c", owned).splitlines()) <= owners

        settings, before = (machine.root / SETTINGS).read_text(), installed.pid_of("letterhead.service")
        with installed.under_load() as failed:
            installed.install(second)
        assert failed == []
        assert installed.pid_of("letterhead.service") not in (before, "0")
        assert (machine.root / SETTINGS).read_text() == settings
        assert installed.status(key, zone) == "SUCCESS"
        is_clean = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True).stdout == b""
        assert ("(commit unknown," in installed.command("--version")) is not is_clean
        restores_a_backup(installed)
        assert installed.status(key, zone) == "SUCCESS"
        machine.run("apt-get", "remove", "--yes", "letterhead")
        installed.install(second)  # starts what the removal has stopped
        wait_for_first_answer(installed.url, began)
        assert set(machine.run("sh", "-c", owned).splitlines()) <= owners

        moves_to_postgres(installed, lab, postgres_url, other)
        with postgres.database() as new_url:
            is_migrated_after_a_removal(installed, second, new_url)
        assert installed.status(key, zone) == "SUCCESS"  # the account and its domain came along
        machine.run("apt-get", "purge", "--yes", "letterhead")
        left = machine.run("find", "/etc", "/opt", "/usr", "/var/lib", "-iname", "*letterhead*").split()
        assert {name for name in left if not name.startswith(("/var/lib/dpkg/", "/var/lib/letterhead/"))} == {
            "/etc/systemd/system/letterhead.service.d", "/etc/systemd/system/letterhead.socket.d", "/var/lib/letterhead"
        }  # fmt: skip
        assert {"keys", "letterhead.db", "letterhead.toml"} <= set(machine.run("ls", "/var/lib/letterhead").split())
        assert machine.run("stat", "-c", "%U %a", "/var/lib/letterhead/letterhead.toml") == "root 600\n"
        installed.install(second)  # goes on with what was kept
        wait_for_first_answer(installed.url, began)
        assert "Acme" in installed.command("accounts", "list")


def holds_what_it_imports() -> None:
    """Import every provider of octoDNS from the package's own libraries, which hold no test runner."""
    libraries = ROOT / ".cache/deb/opt/letterhead/.venv/lib/site-packages"
    assert not [name for name in ("pytest", "_pytest", "coverage", "pytest_cov") if (libraries / name).exists()]
    providers = sorted(path.name for path in libraries.glob("octodns_*") if not path.name.endswith(".dist-info"))
    assert len(providers) > 10
    code = f"import sys; sys.path.insert(0, {str(libraries)!r}); import {', '.join(providers)}"
    done = subprocess.run([program("python3.11"), "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def is_migrated_after_a_removal(installed: Installed, package: Path, url: str) -> None:
    """Name a database without a schema in a drop-in alone, remove the package, and install it again: it serves."""
    machine = installed.machine
    machine.run("apt-get", "remove", "--yes", "letterhead")
    drop_in = machine.root / "etc/systemd/system/letterhead.service.d/no-worker.conf"
    before = drop_in.read_text("utf-8")
    drop_in.write_text(f'{before}Environment="LETTERHEAD_DATABASE_URL={url.replace("%", "%%")}"\n')
    installed.install(package)
    wait_for_first_answer(installed.url, time.monotonic())
    assert "Acme" not in installed.command("accounts", "list")
    drop_in.write_text(before)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "letterhead.service")
    wait_for_first_answer(installed.url, time.monotonic())


def refuses_an_installation_by_hand(installed: Installed, package: Path) -> None:
    """Have apt refuse to install over a virtual environment that somebody made at the package's own place."""
    machine = installed.machine
    machine.run("mkdir", "-p", "/opt/letterhead/.venv/lib/python3.11/site-packages")
    with pytest.raises(AssertionError, match="an installation by hand is in the way"):
        installed.install(package)
    machine.run("rm", "-r", "/opt/letterhead")


def restores_a_backup(installed: Installed) -> None:
    """Back up, lose the database, and restore it as root; check that the ring opens what it sealed."""
    installed.command("backup", "/var/lib/letterhead/today.backup")
    installed.machine.run("systemctl", "stop", "letterhead.socket", "letterhead.service")
    installed.machine.run("sh", "-c", "rm /var/lib/letterhead/letterhead.db*")
    installed.command("restore", "/var/lib/letterhead/today.backup")
    said = installed.doctor()
    assert re.search(r"^ok +keys +", said, re.MULTILINE), said
    assert "a server runs" not in said
    installed.machine.run("systemctl", "start", "letterhead.socket", "letterhead.service")


def backs_up(installed: Installed) -> None:
    """Back up in a root shell: the file is the service's, and so is all that the command opens."""
    folder = "/var/backups/letterhead"
    installed.machine.run("install", "-d", "-m", "700", "-o", "letterhead", "-g", "letterhead", folder)
    assert "sealed secrets open" in installed.command("backup", folder)
    assert installed.machine.run("sh", "-c", f"stat -c '%U %a' {folder}/*") == "letterhead 600\n"


def moves_to_postgres(installed: Installed, lab: DnsLab, postgres_url: str, zone: str) -> None:
    """Copy all to Postgres, run every unit on it, as README.Debian says, and install the package again below them."""
    machine = installed.machine
    machine.run("systemctl", "stop", "letterhead.socket", "letterhead.service")
    assert "Copied " in installed.command("copy-database", "--to", postgres_url)
    keys = (machine.root / "var/lib/letterhead/keys").read_text("ascii").strip()
    installed.set(database_url=postgres_url, keys=keys, relay_smarthost="smtp://127.0.0.1:9", relay_bind=RELAY,
                  relay_smarthost_starttls="never")  # fmt: skip
    drop_in = machine.root / "etc/systemd/system/letterhead.service.d/no-worker.conf"
    drop_in.parent.mkdir()
    serve = "/opt/letterhead/.venv/bin/letterhead serve --no-worker"
    drop_in.write_text(f"[Service]\nExecStart=\nExecStart={serve}\n")
    machine.run("systemctl", "daemon-reload")
    installed.command("migrate")
    units = ["letterhead.service", "letterhead-worker@1.service", "letterhead-relay.service"]
    machine.run("systemctl", "start", "letterhead.socket", units[0])
    machine.run("systemctl", "enable", "--now", *units[1:])
    key = installed.new_key()
    run_main_job(installed.url, key, lab, zone)
    before = [installed.pid_of(unit) for unit in units]
    with installed.under_load() as failed:
        machine.run("dpkg-reconfigure", "letterhead")
    assert failed == []
    until(lambda: all(machine.call("systemctl", "is-active", unit).stdout.strip() == "active" for unit in units))
    after = [installed.pid_of(unit) for unit in units]
    assert not set(before) & set(after)
    settings = machine.root / SETTINGS
    text = settings.read_text("utf-8")
    settings.write_text(text.replace(postgres_url, "postgresql://nobody@127.0.0.1:1/gone"), "utf-8")
    said = machine.run("dpkg-reconfigure", "letterhead")  # a database out of reach stops neither apt nor what runs
    assert "so the old processes go on" in said
    assert [installed.pid_of(unit) for unit in units] == after
    # Set in a drop-in, the database is found in what runs, and brought to the new schema before the restart.
    settings.write_text(re.sub("^database_url = .*", "", text, flags=re.MULTILINE), "utf-8")
    url = postgres_url.replace("%", "%%")
    drop_in.write_text(f'{drop_in.read_text()}Environment="LETTERHEAD_DATABASE_URL={url}"\n')
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", units[0])
    assert "The schema is current already." in machine.run("dpkg-reconfigure", "letterhead")
    settings.write_text(text, "utf-8")
    drop_in.write_text(f"[Service]\nExecStart=\nExecStart={serve}\n")
