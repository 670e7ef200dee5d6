"""Hold the list of promises together: each has its test and its row in docs/reliability.md, and each can be soaked."""

import re
import subprocess
import sys

from tests.faults.__main__ import name_in_any_case
from tests.faults.promises import PROMISES, ROOT, there


def test_every_promise_has_its_test() -> None:
    """Each promise has a name of its own, in the order of numbers, and a test; P22 has one for each abuser."""
    names = [each.name for each in PROMISES]
    assert len(set(names)) == len(names)
    numbers = [int(name.removeprefix("P").partition("-")[0]) for name in names]
    assert numbers == sorted(numbers)
    assert set(range(1, 22)) <= set(numbers)
    assert all(there(each) for each in PROMISES)


def test_every_promise_is_told() -> None:
    """The page has a row for each promise, with the test that holds it."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    untold = [
        each.name for each in PROMISES if not re.search(rf"^\| {each.name} \|.*`{each.test}`", page, re.MULTILINE)
    ]
    assert not untold


def test_a_soak_lists_what_there_is() -> None:
    """Asked for no promise, the command lists all of them; asked for one that there is not, it says which there are."""
    listed = subprocess.run(
        [sys.executable, "-m", "tests.faults"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(each.text in listed.stdout for each in PROMISES)
    wrong = subprocess.run([sys.executable, "-m", "tests.faults", "P99"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode != 0
    assert "P21" in wrong.stderr
    assert {name_in_any_case(each.name.lower()) for each in PROMISES} == {each.name for each in PROMISES}
