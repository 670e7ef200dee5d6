"""Each wall of the house stands: a fault planted in a copy of the tree is named by the rule that forbids it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import rules
from tests.house.rules import Breaks

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and of its import contracts, to plant faults in."""
    shutil.copytree(ROOT / "letterhead", tmp_path / "letterhead", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def plant(copy: Path, path: str, source: str) -> None:
    """Append source to a module of the copy, or write a new one."""
    with (copy / "letterhead" / path).open("a", encoding="utf-8") as module:
        module.write(f"\n\n{source}\n")


NINE = "def nine(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> int:\n    return a"
LONG = "def long() -> None:\n" + "    int()\n" * 51
CRUMBS = "\n\n".join(f"def _crumb_{n}() -> int:\n    return {n}" for n in range(400))
CRUMBS += "\n\nALL = (" + ", ".join(f"_crumb_{n}()" for n in range(400)) + ")"

PLANTED = [
    (rules.core_is_pure, "core/accounts/quotas.py", "import httpx2", "imports httpx2"),
    (rules.core_is_pure, "core/accounts/quotas.py", "import dns.resolver", "imports dns.resolver"),
    (rules.core_is_pure, "core/accounts/quotas.py", "from asyncpg import connect", "imports asyncpg"),
    (rules.core_is_pure, "core/spf/record.py", "from pathlib import Path", "imports pathlib"),
    (rules.core_is_pure, "core/spf/record.py", "def read(path):\n    return path.read_text()", "calls read_text()"),
    (rules.core_is_pure, "core/dkim/verify.py", "def read():\n    return open('/etc/passwd')", "calls open()"),
    (rules.core_is_pure, "core/dkim/verify.py", "import datetime\nNOW = datetime.datetime.now()", "calls now()"),
    (rules.core_is_pure, "core/plan/plan.py", "from time import monotonic", "imports time"),
    (rules.core_is_pure, "core/plan/plan.py", "async def wait(): ...", "waits"),
    (
        rules.faces_leave_the_store_alone,
        "web/routes/accounts.py",
        "async def drop(call):\n    await call.deps.store.delete_account('acc_1', None)",
        "names deps.store",
    ),
    (
        rules.faces_leave_the_store_alone,
        "worker.py",
        "async def drop(deps):\n    await deps.store.accounts()",
        "deps.store",
    ),
    (rules.faces_leave_the_store_alone, "cli/doctor.py", "def ask(deps):\n    return deps.resolver", "deps.resolver"),
    (rules.class_names_are_unique, "operations/ids.py", "class Finding:\n    pass", "Finding stands in"),
    (rules.class_names_are_unique, "operations/ids.py", "class _Finding:\n    pass", "Finding stands in"),
    (rules.functions_take_few_parameters, "operations/ids.py", NINE, "nine() takes 9 parameters"),
    (rules.functions_are_small, "operations/ids.py", LONG, "long() has 52 lines"),
    (rules.functions_are_small, "operations/ids.py", "ONE = 1\n" * 400, "lines (at most 400)"),
    (rules.packages_name_their_modules, "web/stuff.py", '"""Stuff."""', "web/stuff.py is not named"),
    (rules.packages_name_their_modules, "core/dkim/more.py", '"""More."""', "core/dkim/more.py is not named"),
    (rules.modules_have_telling_names, "core/dkim/utils.py", '"""More."""', "core/dkim/utils.py has a name"),
    (rules.modules_have_docstrings, "core/dkim/more.py", "ONE = 1", "core/dkim/more.py has no docstring"),
    (rules.docstrings_are_plain, "operations/ids.py", 'class One:\n    """Holds one."""', "begins with “Holds”"),
    (rules.few_private_functions_are_called_once, "operations/ids.py", CRUMBS, "called once"),
]


@pytest.mark.parametrize(("rule", "path", "source", "named"), PLANTED)
def test_rule_names_the_fault(copy: Path, rule: Callable[[Path], Breaks], path: str, source: str, named: str) -> None:
    """The rule, which says nothing of the tree as it is (`test_house.py`), names what was planted."""
    plant(copy, path, source)
    assert any((named in each and Path(path).stem in each) or named in each for each in rule(copy / "letterhead"))


IMPORTS = [
    ("core/accounts/quotas.py", "import httpx2", "The core imports nothing that does I/O"),
    ("core/accounts/quotas.py", "import dns.resolver", "The core imports nothing that does I/O"),
    ("core/accounts/quotas.py", "import asyncpg", "The core imports nothing that does I/O"),
    ("core/spf/record.py", "import pathlib", "The core imports nothing that does I/O"),
    ("core/dkim/verify.py", "from letterhead.core.spf import record", "standards do not know each other"),
    ("core/names/domain_names.py", "from letterhead.operations import ids", "Imports run one way"),
    ("operations/ids.py", "from letterhead.adapters import keyring", "Wiring alone names adapters"),
    ("relay/delivery_loop.py", "import uvicorn", "Web alone imports the web framework and the web server"),
]


@pytest.mark.parametrize(("path", "source", "contract"), IMPORTS)
def test_contract_breaks(copy: Path, path: str, source: str, contract: str) -> None:
    """An import against the direction breaks the contract that says so."""
    plant(copy, path, source)
    assert contract in broken_contracts(copy)


def test_circle_of_operations_breaks(copy: Path) -> None:
    """Two operations that import each other make a cycle, in a function too."""
    plant(copy, "operations/ids.py", "def one() -> None:\n    from letterhead.operations import audit\n\n    del audit")
    plant(copy, "operations/audit.py", "from letterhead.operations import ids")
    assert "No package has a cycle" in broken_contracts(copy)


def broken_contracts(copy: Path) -> str:
    """Run import-linter over the copy; return the part of its report that names what is broken."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [linter, "--no-cache", "--no-logo"], cwd=copy, env={"PYTHONPATH": str(copy)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout.partition("Broken contracts")[2]
