"""Fetches the upstream source of a Debian package from the mirror that apt is set up for, by its hash."""

import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

from tests.rigs.locking import locked

FOLDER = Path(__file__).parents[2] / ".cache" / "debian-sources"


def read_source(package: str, suite: str, tarball: str, sha256: str) -> dict[str, bytes]:
    """Return the files of a package's upstream tarball by their paths; kept in .cache/debian-sources/."""
    path = FOLDER / tarball
    with locked(FOLDER):
        if not path.exists():
            said = _fetch(package, suite)
            assert path.exists(), f"apt-get could not fetch {tarball} of {package}, whose tests are run here: {said}"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256, f"{path} is another file: delete it"
    with tarfile.open(path) as archive:
        files = ((each.name.partition("/")[2], archive.extractfile(each)) for each in archive.getmembers())
        return {name: file.read() for name, file in files if file is not None}


def _fetch(package: str, suite: str) -> str:
    """Have apt fetch a source package into the folder, with lists of its own; return what it said."""
    for part in ("parts", "lists/partial", "archives/partial"):
        (FOLDER / part).mkdir(parents=True, exist_ok=True)
    (FOLDER / "parts" / "own.sources").write_text(_sources(suite), "utf-8")
    options = {
        "Dir::Etc::sourcelist": FOLDER / "none", "Dir::Etc::sourceparts": FOLDER / "parts",
        "Dir::State::Lists": FOLDER / "lists", "Dir::Cache": FOLDER, "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }  # fmt: skip
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    said = ""
    for command in (["update"], ["source", "--download-only", package]):
        done = subprocess.run([*apt, *command], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=300)
        said = done.stderr
    return said


def _sources(suite: str) -> str:
    """Return apt's own list of Debian's packages, for the sources of a suite."""
    found: list[str] = []
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text("utf-8")):
            if re.search(r"^URIs:.*/debian/?$", stanza, re.MULTILINE):
                stanza = re.sub(r"^Types:.*$", "Types: deb-src", stanza, flags=re.MULTILINE)
                found.append(re.sub(r"^Suites:.*$", f"Suites: {suite}", stanza, flags=re.MULTILINE))
    plain = Path("/etc/apt/sources.list")
    for hit in re.finditer(r"(?m)^deb\s+(\[[^\]]*\]\s+)?(\S+/debian/?)\s", plain.read_text() if plain.exists() else ""):
        keys = re.search(r"signed-by=([^\s\]]+)", hit[1] or "")
        stanza = f"Types: deb-src\nURIs: {hit[2]}\nSuites: {suite}\nComponents: main"
        found.append(f"{stanza}\nSigned-By: {keys[1]}" if keys else stanza)
    return "\n\n".join(found) + "\n"
