"""The version of the rules changes with every module that judges: an unchanged check must not confirm old findings."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead import core
from letterhead.adapters.dns.hosts import TABLE
from letterhead.wiring.dns import rules_version

CORE = Path(core.__path__[0])
MODULES = sorted(path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py"))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the core that a test may change."""
    yield shutil.copytree(CORE, tmp_path_factory.mktemp("rules") / "core", ignore=shutil.ignore_patterns("__pycache__"))


def test_version_is_that_of_the_core(rules: Path) -> None:
    """A copy has the version of the original, and the default is the core that runs."""
    assert rules_version(rules) == rules_version()


@pytest.mark.parametrize("module", MODULES)
def test_each_module_counts(rules: Path, module: str) -> None:
    """One changed octet in any module, however deep its folder, is another version."""
    before, source = rules_version(rules), (rules / module).read_bytes()
    (rules / module).write_bytes(source + b"\n")
    changed = rules_version(rules)
    (rules / module).write_bytes(source)
    assert changed != before
    assert rules_version(rules) == before


def test_new_folder_counts(rules: Path) -> None:
    """A topic in a folder of its own counts from the start, and so does moving it."""
    before = rules_version(rules)
    (rules / "topic" / "deep").mkdir(parents=True)
    (rules / "topic" / "deep" / "rule.py").write_text("LIMIT = 10\n")
    added = rules_version(rules)
    (rules / "topic" / "deep" / "rule.py").rename(rules / "topic" / "rule.py")
    moved = rules_version(rules)
    shutil.rmtree(rules / "topic")
    assert len({before, added, moved}) == 3


def test_host_table_counts(tmp_path: Path) -> None:
    """The table of DNS hosts is part of what a finding says."""
    (tmp_path / "hosts.toml").write_bytes(TABLE.read_bytes() + b"\n")
    assert rules_version(dns_hosts=tmp_path / "hosts.toml") != rules_version()


def test_bytecode_counts_where_there_is_no_source(tmp_path: Path) -> None:
    """Installed as bytecode alone, the version still follows the rules; with nothing to read it refuses to start."""
    with pytest.raises(FileNotFoundError, match="holds no module"):
        rules_version(tmp_path)
    (tmp_path / "rule.pyc").write_bytes(b"one")
    one = rules_version(tmp_path)
    (tmp_path / "rule.pyc").write_bytes(b"two")
    assert rules_version(tmp_path) != one
