"""The changelog can be made at any time, and each fragment stands in it."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.markdown import ROOT

FOLDER = ROOT / "changelog.d"
FRAGMENTS = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
TYPES = {each["directory"] for each in SETTINGS["type"]}
WIDTH = 118  # the bullet takes two


def draft() -> str:
    """Return what towncrier would write."""
    towncrier = Path(sys.executable).with_name("towncrier")
    run = subprocess.run([towncrier, "build", "--draft"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_changelog_can_be_made() -> None:
    """`towncrier build --draft` works and tells of every fragment."""
    told = " ".join(draft().split())
    assert [path.name for path in FRAGMENTS if " ".join(path.read_text("utf-8").split()) not in told] == []


def test_each_fragment_has_the_form() -> None:
    """A fragment is `+few-words.TYPE.md`, of a type that there is; towncrier overlooks one of another type."""
    for path in FRAGMENTS:
        name, kind, suffix = path.name.rsplit(".", 2)
        assert (name[0], kind in TYPES, suffix) == ("+", True, "md"), path.name
        assert all(len(line) <= WIDTH for line in path.read_text("utf-8").splitlines()), path.name


def test_the_released_page_is_where_the_next_is_written() -> None:
    """CHANGELOG.md has the mark below which the next release is put."""
    assert "\n<!-- towncrier -->\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
