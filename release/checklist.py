"""The steps of a release, each with what it looks at, what came of it, and what to do next: `./dev release VERSION`."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What may not change the wheel: the folder, the rights of new files, the zone of the clock.
BUILDS = ({"umask": "022", "TZ": "UTC"}, {"umask": "077", "TZ": "Pacific/Auckland"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step: the last line that matters, and what to do where it failed."""

    ok: bool
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `changes` marks what a dry run leaves out, and `mends` is what a true run does where it failed."""

    name: str
    what: str
    look: Callable[[str], Outcome]
    changes: bool = False
    mends: Sequence[str] = ()


def shell(command: Sequence[str], cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its two streams in one."""
    return subprocess.run(
        command, cwd=cwd, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip


def version(wanted: str) -> Outcome:
    """Compare the version with the one that the package tells, and with the tags that there are."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", wanted):
        return Outcome(False, f"{wanted} is not of the form 1.2.3", "Give three numbers: ./dev release 1.2.3")
    if shell(["git", "tag", "--list", f"v{wanted}"]).stdout.strip():
        return Outcome(False, f"v{wanted} is tagged already", "Take the next version: a release never changes.")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    told = re.search(r'__version__ = "(.+)"', (ROOT / "letterhead" / "__init__.py").read_text("utf-8"))
    if {declared, told[1] if told else None} != {wanted}:
        fix = f"Set both to {wanted}, run ./dev docs (docs/openapi.json names it), and commit."
        return Outcome(False, f"pyproject.toml or letterhead/__init__.py says {declared}", fix)
    return Outcome(True, f"the package says {wanted}, and it is not tagged yet")


def clean(_: str) -> Outcome:
    """See that nothing lies uncommitted in the tree."""
    changed = shell(["git", "status", "--porcelain"]).stdout.splitlines()
    if changed:
        said = f"{len(changed)} files are not committed: {changed[0].strip()} …"
        return Outcome(False, said, "Commit or remove them.")
    return Outcome(True, "everything is committed")


def changelog(wanted: str) -> Outcome:
    """See that the fragments have been made into the page of this version."""
    left = [path.name for path in (ROOT / "changelog.d").glob("+*")]
    if left:
        fix = f"./dev changelog --version {wanted}, read CHANGELOG.md as a user would, and commit."
        return Outcome(False, f"{len(left)} fragments in changelog.d/ are not in CHANGELOG.md", fix)
    if f"\n## {wanted} (" not in (ROOT / "CHANGELOG.md").read_text("utf-8"):
        return Outcome(False, f"CHANGELOG.md has nothing of {wanted}", "Write a fragment: CONTRIBUTING.md says how.")
    return Outcome(True, f"CHANGELOG.md tells of {wanted}")


def database(wanted: str) -> Outcome:
    """See that the database of this version is kept, for the tests of all later upgrades."""
    kept = ROOT / "tests" / "data" / "releases" / wanted
    schema = max((ROOT / "letterhead" / "adapters" / "storage" / "migrations").glob("*.sql")).name[:4]
    for engine in ("sqlite", "postgres"):
        path = kept / f"{engine}.sql"
        if not path.is_file():
            fix = f"./dev tool python -m release.database {wanted} HEAD, look at what it wrote, and commit."
            return Outcome(False, f"{path.relative_to(ROOT)} is not there", fix)
        if not re.search(rf"INSERT INTO \S*alembic_version\S* VALUES ?\('{schema}'\)", path.read_text("utf-8")):
            fix = f"Delete the folder, and keep it anew: ./dev tool python -m release.database {wanted} HEAD"
            return Outcome(False, f"{path.relative_to(ROOT)} has another schema than {schema}", fix)
    return Outcome(True, f"both engines' databases of {wanted} are kept, with the schema {schema}")


def wheel(_: str) -> Outcome:
    """Build the last commit twice, in two folders and under different circumstances: the files must be the same."""
    hashes: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, circumstances in enumerate(BUILDS):
            into = Path(folder, "x" * (number + 1))
            script = f"umask {circumstances['umask']} && ./dev build '{into}'"
            done = shell(["sh", "-c", script], TZ=circumstances["TZ"])
            if done.returncode:
                return Outcome(False, done.stdout.strip(), "./dev build alone says the same.")
            built = [path for path in into.iterdir() if path.name.startswith("letterhead-")]
            hashes.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in built})
    if hashes[0] != hashes[1]:
        return Outcome(False, f"two builds differ: {hashes}", "Compare them: what depends on time, folder or rights?")
    done = shell(["./dev", "build"])
    said = ", ".join(f"{name} sha256:{digest[:16]}…" for name, digest in hashes[0].items())
    return Outcome(done.returncode == 0, f"built twice, the same; in dist/: {said}")


def readme(wanted: str) -> Outcome:
    """Render the readme and read the metadata of what was built as the package index does."""
    built = [str(path) for path in (ROOT / "dist").glob(f"letterhead-{wanted}*") if path.suffix in (".whl", ".gz")]
    if not built:
        return Outcome(False, f"dist/ has no file of {wanted}", "The step wheel makes them.")
    done = shell([str(Path(sys.executable).with_name("twine")), "check", "--strict", *built])
    return Outcome(done.returncode == 0, done.stdout.strip().splitlines()[-1], "Mend what it names in README.md.")


def command(*words: str, fix: str) -> Callable[[str], Outcome]:
    """Return a step that is a command of ./dev, good where it ends with 0."""

    def look(_: str) -> Outcome:
        done = shell(["./dev", *words])
        lines = [line for line in done.stdout.strip().splitlines() if line]
        said = (lines or ["nothing was said"])[-1] if not done.returncode else "\n   ".join(lines[-6:])
        return Outcome(done.returncode == 0, said, fix)

    return look


def ci(_: str) -> Outcome:
    """Run all of CI in a clone of the last commit, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        shell(["git", "clone", "-q", str(ROOT), str(clone)])
        with (ROOT / "dist" / "ci.log").open("w") as log:
            done = subprocess.run([clone / ".ci" / "run"], cwd=clone, stdout=log, stderr=log, check=False)
    if done.returncode:
        return Outcome(False, "CI failed; dist/ci.log has all that it said", "Mend it, commit, and begin again.")
    return Outcome(True, "all checks pass in an empty clone")


def tag(wanted: str) -> Outcome:
    """Tag the commit."""
    done = shell(["git", "tag", "--annotate", f"v{wanted}", "--message", f"Letterhead {wanted}"])
    return Outcome(done.returncode == 0, done.stdout.strip() or f"the commit is v{wanted}", "See above.")


STEPS = (
    Step("version", "Does the package say this version?", version),
    Step("clean tree", "Is everything committed?", clean),
    Step("changelog", "Do users read what changed?", changelog, mends=("changelog", "--version", "VERSION")),
    Step(
        "database",
        "Is it kept, for the tests of later upgrades?",
        database,
        mends=("tool", "python", "-m", "release.database", "VERSION", "HEAD"),
    ),
    Step("wheel", "Are two builds of the commit the same?", wheel),
    Step("readme", "Can the package index show the readme?", readme),
    Step("SBOM", "What comes with it?", command("sbom", fix="See above.")),
    Step("licences", "May all of it be passed on?", command("licences", fix="See above, or docs/releasing.md.")),
    Step("secrets", "Is no secret in tree or history?", command("secrets", fix="See above, or docs/releasing.md.")),
    Step("audit", "Is no known vulnerability in it?", command("audit", fix="See above, or docs/releasing.md.")),
    Step("CI", "Do all tests pass in an empty clone? (half an hour)", ci, changes=True),
    Step("tag", "Name the commit.", tag, changes=True),
)
AFTERWARDS = """\
By hand, since nobody takes it back: git push --tags; publish dist/*.whl and dist/*.tar.gz, with dist/*.cdx.json beside
them (docs/releasing.md, Publishing)."""


def walk(wanted: str, *, dry_run: bool) -> int:
    """Walk the list and return the exit code: stop at the first step that fails, or see all of them in a dry run."""
    failed: list[str] = []
    for number, step in enumerate(STEPS, 1):
        print(f"── {number} of {len(STEPS)}  {step.name}: {step.what}", flush=True)
        if dry_run and step.changes:
            print("   not run: this is a dry run", flush=True)
            continue
        outcome = step.look(wanted)
        print(f"   {'ok' if outcome.ok else 'FAILED'}: {outcome.said}", flush=True)
        if not outcome.ok:
            failed.append(step.name)
            print(f"   do next: {outcome.fix}", flush=True)
            if not dry_run and step.mends:
                words = [wanted if word == "VERSION" else word for word in step.mends]
                print(f"   done for you: ./dev {' '.join(words)}\n{shell(['./dev', *words]).stdout}", flush=True)
            if not dry_run:
                print(f"Stopped. Then start again: ./dev release {wanted}")
                return 1
    print(f"Still to do: {', '.join(failed)}." if failed else "" if dry_run else AFTERWARDS)
    return 1 if failed else 0


def main(words: Sequence[str]) -> int:
    """Read the command line."""
    wanted = [word for word in words if word != "--dry-run"]
    if len(wanted) != 1 or wanted[0].startswith("-"):
        print("usage: ./dev release VERSION [--dry-run]", file=sys.stderr)
        return 2
    return walk(wanted[0], dry_run="--dry-run" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
