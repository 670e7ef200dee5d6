"""Install packages of npm as they are locked in tests/data: package-lock.json has the hash of each."""

import fcntl
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.rigs.processes import program

LOCKED = Path(__file__).parents[1] / "data"
INSTALLED = Path(__file__).parents[2] / ".cache"


@cache
def npm_packages(name: str) -> Path:
    """Return the folder with the node_modules of a locked set, which is installed once for a machine."""
    locked, installed = LOCKED / name, INSTALLED / name
    INSTALLED.mkdir(exist_ok=True)
    with (INSTALLED / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the tests run in several processes
        if not _is_installed(locked, installed):
            shutil.rmtree(installed, ignore_errors=True)
            shutil.copytree(locked, making := installed.with_suffix(".new"), dirs_exist_ok=True)
            npm = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(npm, cwd=making, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, f"npm failed: {done.stderr[-2000:]}"
            making.rename(installed)
    return installed


def _is_installed(locked: Path, installed: Path) -> bool:
    lock = "package-lock.json"
    return (installed / lock).exists() and (installed / lock).read_bytes() == (locked / lock).read_bytes()
