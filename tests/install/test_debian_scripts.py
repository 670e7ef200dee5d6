"""What the Debian package runs on a machine: its units, the scripts of dpkg, and the command as root calls it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.rigs.processes import program

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service")) + sorted((ROOT / "deploy").glob("*.socket"))
SETTINGS = "etc/letterhead/letterhead.toml"


def test_units_are_silently_verified(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of any unit, with a program in the place of the package's."""
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/letterhead/.venv/bin/letterhead", program("true"))
        (tmp_path / unit.name).write_text(text.replace("User=letterhead", "User=daemon"), "utf-8")
    names = [str(tmp_path / unit.name.replace("@.", "@1.")) for unit in UNITS]
    (tmp_path / "letterhead-worker@1.service").symlink_to("letterhead-worker@.service")
    words = [program("systemd-analyze"), "verify", "--man=no", "--recursive-errors=one", *names]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def by_hand(root: Path) -> None:
    """Lay out what docs/operating.md has an operator make, and the package would have to replace."""
    (root / "opt/letterhead/.venv/lib/python3.13/site-packages").mkdir(parents=True)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/systemd/system/letterhead.service").touch()
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/letterhead").symlink_to("/opt/letterhead/.venv/bin/letterhead")


def preinst(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script that dpkg runs before it unpacks, on the files below a folder."""
    (root / "run").mkdir(exist_ok=True)
    script, variables = str(ROOT / "deploy/debian/preinst"), os.environ | {"DPKG_ROOT": str(root)}
    return subprocess.run(["sh", script, *words], env=variables, capture_output=True, text=True, check=False)


def test_an_installation_by_hand_is_not_mixed_with_the_package(tmp_path: Path) -> None:
    """The package names what is in its way and changes nothing; its own files and a masked unit are not."""
    by_hand(tmp_path / "old")
    run = preinst(tmp_path / "old", "install")
    assert run.returncode == 1
    for path in ("/opt/letterhead/.venv", "/etc/systemd/system/letterhead.service", "/usr/local/bin/letterhead"):
        assert f"letterhead:   {path}\n" in run.stderr
    own = tmp_path / "own"
    (own / "opt/letterhead/.venv/lib/site-packages").mkdir(parents=True)
    (own / "opt/letterhead/.venv/lib/python3.13").mkdir()
    (own / "opt/letterhead/.venv/lib/python3.13/site-packages").symlink_to("../site-packages")
    (own / "etc/systemd/system").mkdir(parents=True)
    (own / "etc/systemd/system/letterhead.service").symlink_to("/dev/null")
    assert preinst(own, "install").returncode == 0
    assert not list((own / "run").iterdir())


def test_an_installation_after_a_removal_is_told_from_an_upgrade(tmp_path: Path) -> None:
    """After a removal postinst has to start what the removal stopped; an upgrade leaves it as it is."""
    mark = tmp_path / "run/letterhead-installed-again"
    assert preinst(tmp_path, "install", "0.1.0").returncode == 0
    assert mark.exists()
    assert preinst(tmp_path, "upgrade", "0.1.0").returncode == 0
    assert not mark.exists()


@pytest.mark.parametrize(
    ("again", "url", "called"),
    [
        (False, "", ["try-restart letterhead.service letterhead-relay.service letterhead-worker@*.service"]),
        (False, "postgresql://a b@db/x", [
            "migrate on postgresql://a b@db/x",
            "try-restart letterhead.service letterhead-relay.service letterhead-worker@*.service",
        ]),
        (True, "postgresql://a b@db/x", [
            "start letterhead.socket letterhead.service letterhead-relay.service",
            "migrates: letterhead letterhead-relay letterhead-worker@",
        ]),
    ],
)  # fmt: skip
def test_postinst_after_an_upgrade_and_a_removal(again: bool, url: str, called: list[str], tmp_path: Path) -> None:
    """It migrates the database of what runs, as a drop-in has it; what a removal has stopped migrates as it starts."""
    log, variables = tmp_path / "log", {"LETTERHEAD_DATABASE_URL": url} if url else {}
    fakes = dict.fromkeys(("systemd-sysusers", "systemd-tmpfiles", "deb-systemd-helper"), "") | {
        "deb-systemd-invoke": f"""echo "$@" >>{log}
            cd {tmp_path}/run/systemd/system
            units=$(grep -l '^ExecStartPre=.*migrate' *.service.d/*.conf 2>/dev/null)
            [ -z "$units" ] || echo migrates: $(echo "$units" | sed 's/.service.d.*//' | LC_ALL=C sort) >>{log}""",
        "letterhead": f"""case $1 in
            config) echo "LETTERHEAD_DATABASE_URL,${{LETTERHEAD_DATABASE_URL:-sqlite:/x}},from,what" ;;
            *) echo "$1 on $LETTERHEAD_DATABASE_URL" >>{log} ;;
        esac""",
    }
    for folder in ("etc/letterhead", "etc/systemd/system/multi-user.target.wants", "run/systemd/system"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / SETTINGS).touch()
    (tmp_path / "etc/systemd/system/multi-user.target.wants/letterhead-relay.service").touch()
    if again:
        (tmp_path / "run/letterhead-installed-again").touch()
    with subprocess.Popen([program("sleep"), "300"], env=variables) as service:
        fakes["systemctl"] = f'case "$*" in *MainPID*) printf "0\\n\\n{service.pid}\\n" ;; esac'
        for name, text in fakes.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        script = re.sub(
            "(?<![a-z])/(etc|run|opt)/", rf"{tmp_path}/\1/", (ROOT / "deploy/debian/postinst").read_text("utf-8")
        )
        words = ["sh", "-c", script, "postinst", "configure", "0.1.0"]
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        try:
            subprocess.run(words, env=path, cwd=tmp_path, capture_output=True, text=True, check=True)
        finally:
            service.kill()
    assert log.read_text("utf-8").splitlines() == called
    assert not (tmp_path / "run/letterhead-installed-again").exists()
    assert list((tmp_path / "run/systemd/system").iterdir()) == []


def test_the_package_leaves_out_the_tools_of_foreign_tests() -> None:
    """What deploy/debian/build leaves out is asked for by nothing but the library that does not import it."""
    build = (ROOT / "deploy/debian/build").read_text("utf-8")
    (words,) = re.findall(r'^unneeded="(.+)"$', build, re.MULTILINE)
    locked = (ROOT / "requirements-all.txt").read_text("utf-8")
    blocks = dict(re.findall(r"^([a-z0-9-]+)(==.+\n(?:    .+\n)+)", locked, re.MULTILINE))
    wanted_by = {
        name: {by for by in re.findall(r"^ +#(?: +via)? +([a-z0-9-]+)$", block, re.MULTILINE) if by != "via"}
        for name, block in blocks.items()
    }
    assert {"pytest", "coverage"} <= set(words.split())
    assert set().union(*(wanted_by[name] for name in words.split())) - set(words.split()) == {"pycountry-convert"}


SERVICE, NAMED, CALLED = "as letterhead with own.toml", "as root with own.toml", "as root with none"


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        *((words, SERVICE) for words in (
            "backup x", "restore x", "copy-database --to x", "import account x", "import recipient",
            "export account a x", "doctor", "migrate --new", "mail test", "serve", "worker", "relay",
        )),
        *((words, NAMED) for words in ("accounts list", "config", "import ses", "export opendkim x", "--help", "")),
        *((words, CALLED) for words in ("run", "demo")),
    ],
)  # fmt: skip
def test_root_runs_the_command_with_the_settings_of_the_service(words: str, runs: str, tmp_path: Path) -> None:
    """What opens the service's files runs as its user; no settings of the working directory count but for `run`."""
    fakes = {
        "id": "echo 0",
        "setpriv": 'user=$2; shift 5; USER_NOW=$user exec "$@"',
        "letterhead": 'echo "as ${USER_NOW:-root} with ${LETTERHEAD_CONFIG:-none}"',
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "own.toml").touch()
    script = (ROOT / "deploy/debian/letterhead").read_text("utf-8")
    for path, fake in (
        ("/opt/letterhead/.venv/bin/letterhead", tmp_path / "letterhead"), ("/var/lib/letterhead", tmp_path),
        ("/etc/letterhead/letterhead.toml", tmp_path / "own.toml"),
    ):  # fmt: skip
        script = script.replace(path, str(fake))
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = ["sh", "-c", script, "letterhead", *words.split()]
    said = subprocess.run(run, env=variables, capture_output=True, text=True, check=True).stdout
    assert said.strip().replace(f"{tmp_path}/", "") == runs
