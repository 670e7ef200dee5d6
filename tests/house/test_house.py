"""The rules of the house hold: who may import whom, what the core may not touch, how small and well named things stay.

Each rule is also shown to fail: `test_planted_faults.py` plants what it forbids.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import letterhead
from tests.house.rules import RULES, Breaks

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule: Callable[[Path], Breaks]) -> None:
    """Nothing below letterhead/ breaks the rule."""
    assert list(rule(ROOT / "letterhead")) == []


def test_import_contracts_hold() -> None:
    """Imports run one way and no package has a cycle: import-linter keeps every contract of .importlinter."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_versions_agree() -> None:
    """The version that the package tells is the one that it is published under."""
    assert f'\nversion = "{letterhead.__version__}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_lock_works_behind_any_mirror() -> None:
    """The requirements name no index, no path and no machine, and every line of them is pinned by hash."""
    for name in ("requirements.txt", "requirements-ses.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(r"://|--find-links|--index|--extra|file:", text), name
        pins = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert pins, name
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), name
