"""Run the commands of a page on an import as its reader would; a MariaDB and a Redis that hold what it reads."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.docs.commands import blocks_of
from tests.rigs.command import LETTERHEAD, Result, environment
from tests.rigs.processes import DEBIAN, Server, free_port, program

PAGES = Path(__file__).parents[2] / "docs" / "coming-from"


def commands_of(page: str) -> list[str]:
    """Return the commands of a page, in their order, without the address and the key of the reader's own."""
    blocks = blocks_of(page, (PAGES / page).read_text("utf-8"))
    lines = "\n".join(block.commands for block in blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if not line.startswith("export LETTERHEAD_")]


def run_as_printed(command: str, folder: Path, programs: Mapping[str, str], **settings: str) -> Result:
    """Run a command of a page in a folder; `programs` are small scripts that stand in for those of the reader's."""
    path = folder / "programs"
    path.mkdir(exist_ok=True)
    for name, script in ({"letterhead": f'exec {LETTERHEAD} "$@"'} | dict(programs)).items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    variables = environment(**settings) | {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return Result(run.returncode, run.stdout, run.stderr)


@contextmanager
def running_mariadb(folder: Path) -> Iterator[str]:
    """Run a server without users on a socket of its own; return the command of its client."""
    folder.chmod(0o755)
    data, socket = folder / "data", folder / "socket"
    data.mkdir()
    data.chmod(0o777)
    folder.chmod(0o777)
    share = DEBIAN.parent / "usr/share/mysql"
    messages = [f"--lc-messages-dir={share}"] if share.is_dir() else []
    command = [
        program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking",
        "--skip-grant-tables", f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=16M", *messages,
    ]  # fmt: skip
    client = f"{program('mariadb')} --no-defaults --socket={socket}"
    server = Server(command, folder / "mariadb.log", unprivileged=True)
    try:
        server.wait_until(
            lambda: subprocess.run([*client.split(), "-e", "SELECT 1"], capture_output=True).returncode == 0
        )
        yield client
    finally:
        server.stop()


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run an empty server; return the command of its client."""
    port = free_port("127.0.0.1")
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    client = f"{program('redis-cli')} -p {port}"
    server = Server([str(each) for each in command], folder / "redis.log")
    try:
        server.wait_until(lambda: _prints([*client.split(), "ping"], b"PONG"))
        yield client
    finally:
        server.stop()


def _prints(command: Sequence[str], answer: bytes) -> bool:
    return answer in subprocess.run(command, capture_output=True, timeout=30, check=False).stdout
