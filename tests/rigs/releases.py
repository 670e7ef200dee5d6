"""Releases of Letterhead as they were: each installed from its commit with the packages that it was locked with."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from tests.rigs.locking import locked
from tests.rigs.processes import Missing

ROOT = Path(__file__).parents[2]
UV = ROOT / ".uv" / "bin" / "uv"
KEPT = ROOT / "tests" / "data" / "releases"  # a folder for each release, with its database as each engine writes it
# Later releases are the tags that `./dev release` makes; this one has none.
COMMITS = {"0.1.0": "f388e79e6887f7094668397424d4a8246b2c7c43"}


def kept_releases() -> list[str]:
    """List the releases whose database is kept, the oldest first."""
    return sorted((path.name for path in KEPT.iterdir()), key=lambda name: [int(part) for part in name.split(".")])


def command_of(release: str) -> Path:
    """Return the command of a release, a version or a commit, installed in .cache/releases/ where it is not there yet.

    Raise Missing where git does not have its commit: a shallow clone has the last one alone.
    """
    names = [COMMITS.get(release, release), f"v{release}"]
    asked = [["git", "-C", str(ROOT), "rev-parse", "-q", "--verify", f"{name}^{{commit}}"] for name in names]
    found = [subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() for words in asked]
    commit = next(filter(None, found), None)
    if commit is None:
        raise Missing(f"The tests need the commit of release {release}, which this clone lacks: git fetch --unshallow")
    home = ROOT / ".cache" / "releases" / commit
    command = home / "venv" / "bin" / "letterhead"
    with locked(home):
        if not command.exists():
            _install(commit, home)
    return command


def _install(commit: str, home: Path) -> None:
    archive = subprocess.run(["git", "-C", ROOT, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(home / "source", filter="data")
    python = home / "venv" / "bin" / "python"
    steps: tuple[list[str | Path], ...] = (
        ["venv", "--clear", "--quiet", home / "venv"],
        ["pip", "sync", "--quiet", "--require-hashes", "--python", python, home / "source" / "requirements.txt"],
        ["pip", "install", "--quiet", "--no-deps", "--offline", "--python", python, home / "source"],
    )
    for words in steps:
        done = subprocess.run([UV, *words], cwd=home, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"release {commit} could not be installed: {done.stderr}")
