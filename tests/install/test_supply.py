"""What comes with the package: how much, under which licences, and what a scan of it finds."""

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import letterhead
from letterhead.adapters.storage import schema
from release.checklist import STEPS
from tests.install.conftest import ROOT, UV
from tests.rigs.command import environment

MOST = 40_000_000


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without an extra, in the versions of the lock, and return the environment."""
    folder = tmp_path_factory.mktemp("core") / "venv"
    locked: list[str | Path] = ["--python", folder / "bin" / "python", "--constraint", ROOT / "requirements.txt"]
    subprocess.run([UV, "venv", "--quiet", folder], check=True, capture_output=True, cwd="/")
    subprocess.run([UV, "pip", "install", "--quiet", *locked, wheel], check=True, capture_output=True, cwd="/")
    return folder


def test_the_core_is_small(core: Path) -> None:
    """Without an extra and without bytecode, Letterhead and all that it needs stay under 40 MB."""
    (packages,) = core.glob("lib/python3*/site-packages")
    sizes = {path.relative_to(packages): path.stat().st_size for path in packages.rglob("*") if path.is_file()}
    octets = sum(size for path, size in sizes.items() if path.suffix != ".pyc")
    assert octets < MOST, sorted(((size, str(path)) for path, size in sizes.items()), reverse=True)[:20]


def test_postgres_without_its_driver_is_refused(core: Path, tmp_path: Path) -> None:
    """A URL of PostgreSQL without the extra is refused by its code, with the extra that brings the driver."""
    settings = environment(DATABASE_URL="postgresql://letterhead@db.internal/letterhead")
    for command in ("migrate", "serve", "doctor"):
        done = subprocess.run(
            [core / "bin" / "letterhead", command], env=settings, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert "Install the extra `postgres` (docs/install/pip.md)" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_wheel_that_no_clone_made_says_so(core: Path, tmp_path: Path) -> None:
    """Built without git's help, the command says honestly that it knows no commit, and which schema it works on."""
    told = subprocess.run(
        [core / "bin" / "letterhead", "--version"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert told == f"letterhead {letterhead.__version__} (commit unknown, schema {schema.HEAD})\n"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Clone the last commit, with the environment of the release's tools, which every `./dev` there makes once."""
    folder = tmp_path_factory.mktemp("release") / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    (folder / ".uv").symlink_to(ROOT / ".uv")
    yield folder


def dev(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `./dev` in a clone, and return how it ended, with its two streams in one."""
    return subprocess.run(
        ["./dev", *words], cwd=folder, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=170, check=False,
    )  # fmt: skip


def test_a_dry_run_sees_every_step_and_changes_nothing(clone: Path) -> None:
    """Each step says what came of it; what the commands of a release make of the last commit is good and valid."""
    done = dev(clone, "release", "9.9.9", "--dry-run")
    steps = dict(re.findall(r"^── \d+ of \d+  (.+?): .*\n   (.+)$", done.stdout, re.MULTILINE))
    assert list(steps) == [each.name for each in STEPS], done.stdout
    assert done.returncode == 1
    assert steps["version"].startswith("FAILED: pyproject.toml")
    assert steps["changelog"].startswith("FAILED: ")
    assert steps["wheel"].startswith("ok: built twice, the same")
    assert steps["SBOM"].startswith("ok: ")
    assert steps["licences"].startswith("ok: licences: all ")
    assert steps["secrets"].startswith("ok: secrets: none in the tree")
    assert steps["CI"] == steps["tag"] == "not run: this is a dry run"
    # Whether the advisory service is there, the test cannot know: but nobody is told that all is well if it is not.
    assert re.match(r"ok: audit: \d+ packages|FAILED: audit: ", steps["audit"])
    git = ["git", "-C", str(clone)]
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout == ""
    assert subprocess.run([*git, "tag"], capture_output=True, text=True).stdout == ""

    (built,) = (clone / "dist").glob("*.whl")
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert zipfile.ZipFile(built).read("letterhead/data/commit.txt").decode().strip() == commit
    written = json.loads((clone / "dist" / f"letterhead-{letterhead.__version__}.cdx.json").read_text("utf-8"))
    locked = re.findall(r"^([a-z0-9.-]+)==", (clone / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert {each["name"] for each in written["components"]} == set(locked)
    assert all(each["externalReferences"][0]["hashes"] for each in written["components"])


def test_a_release_stops_at_the_first_step_that_fails(clone: Path) -> None:
    """Without --dry-run the list ends there, says what to do, and makes no tag."""
    done = dev(clone, "release", "9.9.9")
    assert done.returncode == 1
    assert "do next: Set both to 9.9.9" in done.stdout
    assert done.stdout.count("── ") == 1
    assert dev(clone, "release", "--later").returncode == 2


def test_a_planted_secret_is_found(clone: Path, tmp_path: Path) -> None:
    """One that was committed and removed, one that is not committed yet, and keys of ours, but no known one."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    pem = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "old.pem").write_bytes(pem)
    (tmp_path / "url.txt").write_text("postgresql://letterhead:password@db.example.org/letterhead\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Plant"], check=True)
    (tmp_path / "old.pem").unlink()
    subprocess.run([*git, "commit", "-q", "-a", "-m", "Remove"], check=True)
    (tmp_path / "new.txt").write_text("key = lh_live_" + "8Zq4fHq0ZbX9sKdLw2TnV7RcY1mJg8PaE5u3" + "\n")
    done = dev(clone, "secrets", str(tmp_path))
    assert done.returncode == 1
    assert re.search(r"private-key \w{16}  old\.pem:1 in commit \w{12}$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^letterhead\.api-key \w{16}  new\.txt:1$", done.stdout, re.MULTILINE), done.stdout
    assert "url.txt" not in done.stdout
    assert "revoke it first" in done.stdout


def test_the_known_secrets_say_what_they_are() -> None:
    """Each line of the list names the rule, the digest and why it opens nothing."""
    lines = (ROOT / "release" / "known-secrets.txt").read_text("utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[a-z.-]+ [0-9a-f]{16}  .{20,}", line)] == []


def test_an_audit_without_its_service_is_not_good(clone: Path, tmp_path: Path) -> None:
    """Where nobody can be asked, the command says so, what to do, and ends with a code of its own."""
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path), "PIP_NO_CACHE_DIR": "1"}
    done = dev(clone, "audit", "requirements.txt", **nowhere)
    assert done.returncode == 3, done.stdout
    assert "audit: nothing is known of " in done.stdout
    assert "fix: run ./dev audit on a machine that reaches" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_licence_that_does_not_fit_is_refused(clone: Path) -> None:
    """A package under the GPL is named with its licence, and the command fails."""
    done = dev(clone, "licences", "unidecode")
    assert done.returncode == 1
    assert re.search(r"not allowed: Unidecode \(.*G.*P.*L", done.stdout), done.stdout
