"""The package, installed from its built files alone: by pip, pipx and uvx, on each Python, and run by another user."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.install.conftest import ROOT, UV
from tests.install.main_job import run_main_job, wait_for_first_answer
from tests.rigs.command import environment
from tests.rigs.dns_lab import DnsLab
from tests.rigs.processes import UNPRIVILEGED, Server, free_port, program

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installation: its command, where others work with it, who does, and what its making took."""

    command: Sequence[str | Path]
    folder: Path
    drop: Sequence[str]
    took: float

    def run(self, *words: str, settings: Mapping[str, str], ok: Sequence[int] = (0,)) -> str:
        """Run a command to its end, from the folder and as the user, and return what it printed."""
        done = subprocess.run(
            [*self._as_user(settings), *self.command, *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode in ok, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def running(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Run `letterhead run` for as long as the block lasts."""
        server = Server([*self._as_user(settings), *self.command, "run"], self.folder.parent / "run.log")
        try:
            yield
            server.signal(signal.SIGTERM)  # uvx passes it on; a kill would leave what it started
            server.ended()
        finally:
            server.stop()

    def _as_user(self, settings: Mapping[str, str]) -> list[str]:
        variables = environment(**settings) | {"HOME": str(self.folder)}
        return [
            program("env"), "-i", "-C", str(self.folder), *(f"{name}={value}" for name, value in variables.items()),
            *([program("setpriv"), *self.drop] if self.drop else []),
        ]  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    """Return an empty folder that another user may read."""
    folder = Path(tempfile.mkdtemp(prefix="letterhead-install-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def python_of(version: str) -> Path:
    """Return a Python of this version, from the path, from pyenv, or unpacked by ./dev; skip, by name, without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    inside = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    unpacked = str(ROOT / ".cache" / f"debian-python{version}" / "usr" / "bin" / f"python{version}")
    for python in (f"/usr/bin/python{version}", *inside, f"python{version}", unpacked):
        asked = [python, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
        if shutil.which(python) and subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            return Path(shutil.which(python) or python)
    pytest.skip(f"not run: this machine has no Python {version}")


def is_for_others(python: Path) -> bool:
    """Return whether another user may run this Python: one below the home of root is root's alone."""
    return subprocess.run([program("setpriv"), *UNPRIVILEGED, python, "-c", ""], capture_output=True).returncode == 0


def install(command: Sequence[str | Path], **variables: str) -> None:
    """Run a command that installs, from nobody's folder and with no setting of the tests' own Python."""
    mine = environment() | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | variables
    done = subprocess.run(command, cwd="/", env=mine, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr


def by_pip(place: Path, python: Path, file: str) -> list[str | Path]:
    """Install into a fresh environment as a reader of docs/install/pip.md does; return the command."""
    install([python, "-m", "venv", place / "venv"])
    install([place / "venv" / "bin" / "pip", "install", "--quiet", file])
    return [place / "venv" / "bin" / "letterhead"]


def by_pipx(place: Path, python: Path, file: str) -> list[str | Path]:
    """Install by pipx, which is itself of the package index."""
    install([python, "-m", "venv", place / "pipx"])
    install([place / "pipx" / "bin" / "pip", "install", "--quiet", "pipx"])
    homes = {"PIPX_HOME": str(place / "home"), "PIPX_BIN_DIR": str(place / "bin"), "PIPX_MAN_DIR": str(place / "man")}
    install([place / "pipx" / "bin" / "pipx", "install", "--quiet", "--python", python, file], **homes)
    return [place / "bin" / "letterhead"]


def by_uvx(place: Path, python: Path, file: str) -> list[str | Path]:
    """Run by uvx, which makes an environment of its own at the first start, for the user who starts it."""
    shutil.copy(UV, place / "uv")
    shutil.copy(UV.with_name("uvx"), place / "uvx")
    return [place / "uvx", "--quiet", "--python", python, "--from", file, "letterhead"]


FORMS = {
    "pip, 3.11, extras": (by_pip, "3.11", "[ses,dns-hosts]"),
    "pip, 3.12, sdist": (by_pip, "3.12", ""),
    "pip, 3.13": (by_pip, "3.13", ""),
    "pip, 3.14": (by_pip, "3.14", ""),
    "pipx": (by_pipx, OWN, ""),
    "uvx": (by_uvx, OWN, ""),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_does_the_main_job(request: pytest.FixtureRequest, place: Path, lab: DnsLab, zone: str, form: str) -> None:
    """From nothing: installed, `run` to a verified domain, `check` and `doctor`, in another folder and by nobody."""
    way, version, extras = FORMS[form]
    python = python_of(version)
    built: Path = request.getfixturevalue("sdist" if "sdist" in form else "wheel")
    file = place / built.name
    shutil.copy(built, file)
    began = time.monotonic()
    command = way(place, python, f"{file}{extras}")
    work = place / "work"
    work.mkdir()
    drop = UNPRIVILEGED if os.geteuid() == 0 and is_for_others(python) else ()
    if drop:
        shutil.chown(work, "nobody", "nogroup")
    it = Installed(command, work, drop, time.monotonic() - began)
    settings = {
        "BIND": f"127.0.0.1:{free_port('127.0.0.1')}", "ALLOW_SPECIAL_USE": "true",
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
    }  # fmt: skip
    with it.running(settings):
        url = f"http://{settings['BIND']}"
        answered = wait_for_first_answer(url, began)
        key = (work / "data" / "first-key").read_text("ascii").strip()
        verified = run_main_job(url, key, lab, zone)
        doctor = it.run("doctor", settings=settings, ok=(0, 1))
    assert "ok   database" in doctor
    checked = json.loads(it.run("check", zone, "--output", "json", settings=settings, ok=(0, 1)))
    assert checked["domain"] == zone
    print(f"{form}: first answer {answered:.1f} s after nothing, SUCCESS {verified:.1f} s after the domain was added")
