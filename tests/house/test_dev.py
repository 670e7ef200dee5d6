"""What `./dev` says of the tests, the hooks and the Pythons is so."""

import ast
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
DEV = (ROOT / "dev").read_text("utf-8")
SERVERS = {"lab", "postgres", "postgres_url", "split_zone", "zone"}  # the fixtures of tests/conftest.py that start one
SILENT = {"tests.rigs.signing", "tests.rigs.ses_wire"}  # rigs that only make values


def words(name: str) -> list[str]:
    """Return the words of a variable of the script."""
    found = re.search(rf'^{name}="([^"]*)"', DEV, re.MULTILINE)
    assert found, name
    return found[1].split()


SERVERLESS = words("serverless")
TESTS = [path for folder in SERVERLESS for path in sorted((ROOT / folder).rglob("*.py"))]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def asked(source: str) -> set[str]:
    """Return what a module of tests asks for that may start a server: fixtures by name, rigs by import."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name, args=arguments) | ast.AsyncFunctionDef(name=name, args=arguments):
                if name.startswith("test_") or node.decorator_list:
                    found |= {each.arg for each in arguments.args} & SERVERS
            case ast.ImportFrom(module=str(module), names=names):
                modules = {f"{module}.{each.name}" for each in names} if module == "tests.rigs" else {module}
                found |= {each for each in modules if each.startswith("tests.rigs.")} - SILENT
            case _:
                pass
    return found


@pytest.mark.parametrize("path", TESTS, ids=shown)
def test_a_folder_without_servers_has_none(path: Path) -> None:
    """What `./dev test` runs without unpacking Debian's servers asks for none of them."""
    assert asked(path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(lab): ...",
        "async def test_it(zone): ...",
        "@pytest.fixture\ndef store(postgres_url): ...",
        "from tests.rigs.processes import program",
        "from tests.rigs import dns_lab",
    ],
)
def test_a_server_is_seen(source: str) -> None:
    """A fixture that starts a server and an import of what starts programs are caught."""
    assert asked(source)


def test_every_promised_python_is_tested() -> None:
    """The matrix covers each version that the package says it supports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert words("pythons") == promised


def hooks() -> list[dict[str, Any]]:
    """Return the hooks that git runs."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    return [hook | {"repo": each["repo"]} for each in config["repos"] for hook in each["hooks"]]


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_a_hook_needs_no_network(hook: dict[str, Any]) -> None:
    """Each hook is a tool of the test environment, run by `./dev`: nothing is fetched when somebody commits."""
    command, verb, tool, *_ = shlex.split(hook["entry"])
    assert (hook["repo"], hook["language"], command, verb) == ("local", "system", "./dev", "tool")
    assert Path(sys.executable).with_name(tool).exists()
