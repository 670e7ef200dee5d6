"""The organisational domain, by the tests of publicsuffix.org, which the package `publicsuffixlist` brings along."""

import re
from importlib.resources import files

import pytest
from publicsuffixlist import PublicSuffixList

from letterhead.core.names.domain_names import NameRules, is_suffix, parse_anywhere, registrable
from letterhead.errors import Fault

RULES = NameRules(icann=PublicSuffixList(only_icann=True), any_suffix=PublicSuffixList())
TEXT = (files("publicsuffixlist") / "test_psl.txt").read_text("utf-8")
CASES = re.findall(r"^checkPublicSuffix\((null|'[^']*'), (null|'[^']*')\);", TEXT, re.MULTILINE)
# A top-level domain that is not on the list: the list's algorithm takes it for one, we refuse the name.
UNLISTED = "example"


def organisational_domain(name: str) -> str | None:
    """Return one label more than the suffix, as the tests want it: nothing for a suffix, and for what is no name."""
    try:
        parsed = parse_anywhere(name)
    except Fault:
        return None
    return None if is_suffix(parsed, RULES) or parsed.parent() is None else registrable(parsed, RULES).ascii


@pytest.mark.parametrize(("name", "expected"), CASES, ids=lambda text: ascii(text))
def test_the_organisational_domain_is_that_of_the_list(name: str, expected: str) -> None:
    """Mixed case, leading dots, wildcards and exceptions of the list, names in other scripts."""
    found = None if name == "null" else organisational_domain(name.strip("'"))
    wanted = None if expected == "null" else parse_anywhere(expected.strip("'")).ascii
    unlisted = name.strip("'").rpartition(".")[2] == UNLISTED and wanted is not None
    assert (found == wanted) is not (unlisted and name != expected)


def test_all_of_the_tests_are_run() -> None:
    """No line of the file is passed over for its form, but those that it has as comments."""
    assert len(CASES) == len(re.findall(r"^checkPublicSuffix\(", TEXT, re.MULTILINE))
    assert len(CASES) > 70
