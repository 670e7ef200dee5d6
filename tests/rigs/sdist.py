"""Fetches the source distribution of a package from the package index that pip is set up for, by its hash."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

from tests.rigs.locking import locked

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "sdists"
PIP = (str(ROOT / ".uv" / "bin" / "python"), "-m", "pip")


def read_sdist(name: str, version: str, sha256: str) -> dict[str, bytes]:
    """Return the files of a package's source distribution by their paths; kept in .cache/sdists/ once it is there."""
    path = FOLDER / f"{name}-{version}.tar.gz"
    with locked(FOLDER):
        if not path.exists():
            _fetch(name, version, sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256, f"{path} is another file: delete it"
    with tarfile.open(path) as archive:
        files = ((each.name.partition("/")[2], archive.extractfile(each)) for each in archive.getmembers())
        return {name: file.read() for name, file in files if file is not None}


def _fetch(name: str, version: str, sha256: str) -> None:
    """Have pip fetch a source distribution into the folder."""
    wanted = FOLDER / f"{name}-{version}.txt"
    wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n", "utf-8")
    options = ("--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", str(FOLDER))
    done = subprocess.run([*PIP, "download", "-qq", *options, "-r", str(wanted)], capture_output=True, text=True)
    assert done.returncode == 0, f"pip could not fetch {name} {version}, whose tests are run here: {done.stderr}"
