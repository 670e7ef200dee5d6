"""The command itself: quick to start, the same in code and docs, known to shells."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import letterhead as package
from letterhead.adapters.storage import schema
from letterhead.cli import manual
from letterhead.cli.completion import TAKE_A_DOMAIN
from letterhead.cli.exit_codes import Exit
from tests.rigs.command import letterhead

ROOT = Path(__file__).parents[2]
HEAVY = {
    "cryptography",
    "uvicorn",
    "structlog",
    "aiosqlite",
    "asyncpg",
    "dns",
    "prometheus_client",
}


def test_help_is_there_at_once(tmp_path: Path) -> None:
    """`letterhead --help` takes less than 0.6 s of processor time, the best of three."""
    took = []
    for _ in range(3):
        began = children_seconds()
        assert letterhead("--help", folder=tmp_path).code == Exit.OK
        took.append(children_seconds() - began)
    assert min(took) < 0.6


def children_seconds() -> float:
    """Tell the processor time of processes that have ended: other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    "arguments", [["--help"], ["domains", "list"], ["accounts", "list"], ["completion", "print", "bash"]]
)
def test_clients_load_nothing_of_the_server(arguments: list[str], tmp_path: Path) -> None:
    """Help, completion and the clients of the API import neither framework, database, cryptography nor DNS."""
    script = f"import sys; from letterhead.cli import run; run({arguments!r}); print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not HEAVY & set(run.stderr.split())


def test_version(tmp_path: Path) -> None:
    """`letterhead --version` prints the version, the commit of this clone, and the newest schema."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout[:12]
    told = letterhead("--version", folder=tmp_path).out
    assert re.fullmatch(rf"letterhead {package.__version__} \(commit {commit}(-dirty)?, schema {schema.HEAD}\)\n", told)


@pytest.mark.parametrize(
    "arguments", [["fly"], ["domains", "list", "--loud"], ["domains", "show"], ["keys", "create", "a", "--type", "odd"]]
)
def test_wrong_use_is_two(arguments: list[str], tmp_path: Path) -> None:
    """A command line that can't be read exits with 2, says why on stderr and nothing on stdout."""
    result = letterhead(*arguments, folder=tmp_path)
    assert result.code == Exit.USAGE
    assert result.err
    assert "Traceback" not in result.err


def test_page_is_made_from_the_code() -> None:
    """docs/cli.md tells of the commands, options and exit codes that there are."""
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == manual.page()


@pytest.mark.parametrize(("shell", "begins"), [("bash", "#"), ("zsh", "#compdef letterhead"), ("fish", "#")])
def test_completion_is_printed(shell: str, begins: str, tmp_path: Path) -> None:
    """`completion print` writes a script that knows our commands."""
    script = letterhead("completion", "print", shell, folder=tmp_path).out
    assert script.startswith(begins)
    assert all(word in script for word in ("domains", "accounts", "doctor", "start"))


def test_bash_reads_the_completion(tmp_path: Path) -> None:
    """The script for bash is loaded without complaint and completes `letterhead web`."""
    (tmp_path / "completion").write_text(letterhead("completion", "print", "bash", folder=tmp_path).out)
    asked = "source ./completion; COMP_WORDS=(letterhead web); COMP_CWORD=1; _letterhead; echo ${COMPREPLY[@]}"
    run = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (run.stdout.strip(), run.stderr) == ("webhooks", "")


def test_every_command_on_a_domain_completes_it() -> None:
    """A new command that takes a domain of the account is in the list, or among those that take any domain."""
    parts = re.split(r"^#+ letterhead ([\w -]+)$", manual.page(), flags=re.MULTILINE)
    named = {name for name, text in zip(parts[1::2], parts[2::2], strict=True) if "* `SENDER`" in text}
    assert named == {*TAKE_A_DOMAIN, "domains add", "domains preflight"}


def test_completion_is_installed(tmp_path: Path) -> None:
    """`completion install fish` writes where fish looks, and says where."""
    script = "import os, sys; os.environ['HOME'] = sys.argv[1]; os.environ.pop('XDG_CONFIG_HOME', None);"
    script += "from letterhead.cli import run; sys.exit(run(['completion', 'install', 'fish']))"
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    written = tmp_path / ".config" / "fish" / "completions" / "letterhead.fish"
    assert written.is_file()
    assert str(written) in run.stdout
