"""What comes with the package: `./dev sbom`, `./dev licences`, `./dev audit` and `./dev secrets`."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent
UV = ROOT / ".uv" / "bin" / "uv"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# No server is made of these.
OURS = {f"requirements-{name}.txt" for name in ("bench", "deploy", "dev", "domain-connect", "release")}
DELIVERED = sorted(path.name for path in ROOT.glob("requirements*.txt") if path.name not in OURS)
KNOWN = ROOT / "release" / "known-secrets.txt"


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FOUND = 1
    USAGE = 2
    UNKNOWN = 3  # what was asked could not be learnt: neither good nor bad


def run(command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False)


def sbom(folder: Path) -> Exit:
    """Write an SBOM for each set of requirements that a server is installed from, valid against CycloneDX' schema."""
    folder.mkdir(parents=True, exist_ok=True)
    epoch = run(["git", "log", "-1", "--format=%ct"]).stdout.strip()
    for name in DELIVERED:
        suffix = name.removeprefix("requirements").removesuffix(".txt")
        written = folder / f"letterhead-{PYPROJECT['project']['version']}{suffix}.cdx.json"
        options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--validate", "-o", str(written)]
        done = run([str(TOOLS / "cyclonedx-py"), "requirements", name, *options], SOURCE_DATE_EPOCH=epoch)
        if done.returncode:
            print(f"sbom: {name} could not be written down:\n{done.stderr}", file=sys.stderr)
            return Exit.FOUND
        number = len(json.loads(written.read_text("utf-8"))["components"])
        print(f"sbom: wrote {written}: {number} packages, valid against the schema of CycloneDX")
    return Exit.OK


def licences(requirements: Sequence[str]) -> Exit:
    """List the licence of every package that an extra brings, and refuse those that pyproject.toml does not allow.

    Instead of the package with all extras, look at the packages that are given.
    """
    every_extra = ["--all-extras", "--requirements", "pyproject.toml", "--constraint", "requirements-dev.txt"]
    with tempfile.TemporaryDirectory() as folder:
        python = f"{folder}/venv/bin/python"
        install = ["pip", "install", "--python", python, *(requirements or every_extra)]
        for command in (["venv", f"{folder}/venv"], install):
            done = run([str(UV), *command, "--quiet"])
            if done.returncode:
                print(f"licences: the packages could not be installed:\n{done.stderr}", file=sys.stderr)
                return Exit.UNKNOWN
        listed = run([str(TOOLS / "pip-licenses"), "--python", python, "--from=mixed", "--format=json"])
    packages = sorted(json.loads(listed.stdout), key=lambda each: str(each["Name"]).lower())
    table = PYPROJECT["tool"]["letterhead"]["licences"]
    named = {name for line in table["named"] for name in line.partition(": ")[2].split(", ")}
    for each in packages:
        print(f"{each['Name']:<24} {each['Version']:<18} {each['License']}")
    refused = [each for each in packages if each["License"] not in table["allowed"] and each["Name"] not in named]
    if refused:
        told = ", ".join(f"{each['Name']} ({each['License']})" for each in refused)
        print(
            f"licences: not allowed: {told}\n"
            "fix: use another package; or, where everybody may use, change and pass on what the licence covers, and it "
            "does not reach over to our own code, add it to [tool.letterhead.licences] in pyproject.toml.",
            file=sys.stderr,
        )
        return Exit.FOUND
    print(f"licences: all {len(packages)} packages may be passed on")
    return Exit.OK


def pins(name: str) -> set[str]:
    """Return the pins of a file of requirements."""
    return set(re.findall(r"^\S+==\S+", (ROOT / name).read_text("utf-8"), re.MULTILINE))


def audit(locks: Sequence[str]) -> Exit:
    """Ask which of the locked packages have known vulnerabilities; a package that could not be judged is not good."""
    worst = Exit.OK
    for name in locks or [each for each in DELIVERED if not any(pins(each) < pins(other) for other in DELIVERED)]:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.json")
            options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
            done = run([str(TOOLS / "pip-audit"), "--requirement", name, *options, "--output", str(report)])
            packages = json.loads(report.read_text("utf-8"))["dependencies"] if report.exists() else []
        judged = [each for each in packages if "vulns" in each]
        for each in judged:
            for vulnerability in each["vulns"]:
                fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
                print(f"{name}: {each['name']} {each['version']}: {vulnerability['id']}; fixed in: {fixed}")
        if any(each["vulns"] for each in judged):
            print(
                f"audit: {name} has known vulnerabilities\nfix: ./dev lock --upgrade-package NAME, then ./dev test",
                file=sys.stderr,
            )
            worst = Exit.FOUND
        elif not packages or len(judged) < len(packages):
            reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            what = f"{len(packages) - len(judged)} of {len(packages)} packages" if packages else "every package"
            print(
                f"audit: nothing is known of {what} in {name}: the advisory service does not know them, or was not "
                f"reached ({reason if not packages else 'it answered, and has no entry'})\n"
                "fix: run ./dev audit on a machine that reaches the public package index; a mirror has no advisories.",
                file=sys.stderr,
            )
            worst = worst or Exit.UNKNOWN
        else:
            print(f"audit: {len(judged)} packages of {name} have no known vulnerability")
    return worst


def secrets(repository: Path) -> Exit:
    """Look for secrets in the working tree and in all that git has kept, but for those that are known to be made up."""
    with tempfile.TemporaryDirectory() as folder:
        copy, report = Path(folder, "copy"), Path(folder, "report.json")
        subprocess.run(["git", "clone", "-q", "--no-local", "--no-checkout", repository, copy], check=True)
        kept = ["git", "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(kept, capture_output=True, text=True, check=True).stdout.split("\0")
        for file in filter(None, files):
            if (repository / file).is_file() and not (repository / file).is_symlink():
                (copy / file).parent.mkdir(parents=True, exist_ok=True)
                (copy / file).write_bytes((repository / file).read_bytes())
        command = [str(TOOLS / "kingfisher"), "scan", str(copy), "--no-validate", "--no-update-check", "--format=json"]
        options = ["--no-dedup", "--rules-path", str(ROOT / "release" / "secrets.yaml"), "--output", str(report)]
        done = run([*command, *options], KF_RULE_CACHE_DIR=str(ROOT / ".cache" / "kingfisher"))
        if not report.exists():
            print(f"secrets: the scan did not end:\n{done.stderr}", file=sys.stderr)
            return Exit.UNKNOWN
        known = {line.split("  ")[0] for line in KNOWN.read_text("utf-8").splitlines()}
        found: dict[str, list[str]] = {}
        for each in json.loads(report.read_text("utf-8"))["findings"]:
            finding, where = each["finding"], str(each["finding"]["path"]).removeprefix(f"{copy}/")
            name = f"{each['rule']['id']} {hashlib.sha256(finding['snippet'].encode()).hexdigest()[:16]}"
            commit = finding.get("git_metadata", {}).get("commit", {}).get("id", "")
            if name not in known:
                place = f"{where}:{finding['line']}" + (f" in commit {commit[:12]}" if commit else "")
                found.setdefault(name, []).append(place)
        for name, places in found.items():
            print(f"{name}  {min(places)}" + (f", and {len(places) - 1} more places" if places[1:] else ""))
    shallow = run(["git", "-C", str(repository), "rev-parse", "--is-shallow-repository"]).stdout.strip() == "true"
    history = "the history that this shallow clone has" if shallow else "the whole history"
    if found:
        print(
            f"secrets: {len(found)} in the tree and {history}\n"
            "fix: if it opens anything, revoke it first: whoever has a clone has it. If it is made up, add the two "
            "words before its place to release/known-secrets.txt, two spaces, and what it is.",
            file=sys.stderr,
        )
        return Exit.FOUND
    print(f"secrets: none in the tree and {history}, but for those of release/known-secrets.txt")
    return Exit.OK


def main(command: str, *words: str) -> Exit:
    """Run one of the commands."""
    match command:
        case "sbom":
            return sbom(ROOT / (words[0] if words else "dist"))
        case "licences":
            return licences(words)
        case "audit":
            return audit(words)
        case "secrets":
            return secrets(Path(words[0]).resolve() if words else ROOT)
        case _:
            return Exit.USAGE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
