"""Build and run containers with Debian's podman and buildah, on a Debian root that is made here: no registry is asked.

The images lie in .cache/containers/, so that a second run builds only what has changed.
"""

import fcntl
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.processes import DEBIAN, Missing, Server, program

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cache" / "containers"
SUITE, BASE, IMAGE = "trixie", "localhost/debian:trixie-slim", "localhost/letterhead"
COMMIT = "0123456789ab"  # that the image is said to be built from: with the true one, each commit would build it anew
LIBRARIES = DEBIAN.parent / "usr" / "lib" / f"{os.uname().machine}-linux-gnu"
# podman's crun knows cgroup version 2 alone, so a namespace of mounts has that and no other. It is shared by all
# commands of one session, since the mounts of running containers are in it.
NAMESPACE = "umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec sleep infinity"
CONFIGURATION = """
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
conmon_path = ["{conmon}"]
helper_binaries_dir = ["{debian}", "/usr/lib/podman"]
[engine.runtimes]
crun = ["{crun}"]
[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
"""
DNAT = "NETAVARK-HOSTPORT-DNAT"  # the chain of all published ports
TABLES = """#!/bin/sh
exec {xtables} "$(basename "$0")" "$@"
"""
# The official images are on a registry. These stand in for them, with Debian's programs and the variables that
# compose.yaml sets.
DATABASE = """#!/bin/sh
set -eu
data=/var/lib/postgresql/data
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
chown postgres: /run/postgresql "$data"
chmod 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
    install -o postgres -m 600 "$POSTGRES_PASSWORD_FILE" /tmp/password
    $as initdb --pgdata="$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --no-sync
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_USER" | $as postgres --single -D "$data" postgres
fi
exec $as postgres -D "$data" -c listen_addresses='*'
"""
PROGRAMS = f"""
FROM {BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql caddy && rm -rf /var/lib/apt/lists/*
RUN ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
"""
STAND_INS = {
    "docker.io/library/postgres:17": """
FROM localhost/programs
COPY database /usr/local/bin/database
VOLUME /var/lib/postgresql/data
CMD ["database"]
""",
    "docker.io/library/caddy:2": """
FROM localhost/programs
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
""",
}


class Engine:
    """podman and buildah with a store of their own, within one namespace of mounts."""

    def __init__(self, namespace: Server) -> None:
        self._namespace = namespace
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("LETTERHEAD_", "PYTHON"))},
            "HOME": str(HOME), "CONTAINERS_STORAGE_CONF": str(HOME / "storage.conf"),
            "CONTAINERS_CONF": str(HOME / "containers.conf"), "NO_COLOR": "1",
            **({"XTABLES_LIBDIR": str(LIBRARIES / "xtables")} if LIBRARIES.exists() else {}),
            "PATH": os.pathsep.join([str(HOME / "bin"), str(DEBIAN), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]),
        }  # fmt: skip

    def try_run(
        self, *words: str | Path, folder: Path = ROOT, more: Mapping[str, str] | None = None, timeout: float = 170
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        command = [program("nsenter"), f"--mount=/proc/{self._namespace.pid}/ns/mnt", f"--wdns={folder}", *words]
        environment = {**self.environment, **(more or {})}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)

    def run(self, *words: str | Path, folder: Path = ROOT, more: Mapping[str, str] | None = None) -> str:
        """Run a command that has to succeed, and return what it printed."""
        done = self.try_run(*words, folder=folder, more=more)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def build(self, tag: str, file: Path, context: Path, *options: str) -> None:
        """Build an image."""
        self.run(
            "buildah", "bud", "--isolation", "chroot", "--layers", "--format", "docker", "--pull-never", *options,
            "--file", file, "--tag", tag, context,
        )  # fmt: skip

    def has(self, image: str) -> bool:
        """Whether an image is in the store."""
        return self.try_run("podman", "image", "exists", image).returncode == 0

    @contextmanager
    def container(self, *words: str) -> Iterator[str]:
        """Start a container (`words` are those of `podman run`), and remove it at the end of the block."""
        name = self.run("podman", "run", "--detach", *words).splitlines()[-1]
        try:
            yield name
        finally:
            self.try_run("podman", "rm", "--force", "--volumes", "--time", "0", name)

    def redirections(self, network: str) -> list[list[str]]:
        """List the kernel's rules that lead a published port of the host to a container of this network."""
        rules = self.try_run("iptables", "-t", "nat", "-S", DNAT).stdout.splitlines()
        return [shlex.split(rule)[2:] for rule in rules if f'"dnat name: {network} id: ' in rule]

    def remove_redirections(self, network: str) -> None:
        """Remove these rules: netavark leaves some behind, and whoever listens at such a port later hears nothing."""
        chains = set()
        for rule in self.redirections(network):
            self.run("iptables", "-t", "nat", "-D", DNAT, *rule)
            chains.add(rule[-1])
        for chain in chains:
            self.run("iptables", "-t", "nat", "-F", chain)
            self.run("iptables", "-t", "nat", "-X", chain)

    def exit_code(self, name: str) -> int:
        """Return the exit code of a container that has ended."""
        return int(self.run("podman", "inspect", "--format", "{{.State.ExitCode}}", name))


@contextmanager
def running() -> Iterator[Engine]:
    """Set podman and buildah up, and hold their namespace until the end of the block."""
    if os.geteuid() != 0:
        raise Missing("The tests of containers run as root: they mount, and give files to other users.")
    for folder in ("bin", "networks", ".config/containers", "namespace"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    found = {name: program(name) for name in ("conmon", "crun")}
    (HOME / "containers.conf").write_text(CONFIGURATION.format(debian=DEBIAN, home=HOME, **found))
    driver = "overlay" if _has_overlay() else "vfs"
    store = f'[storage]\ndriver = "{driver}"\ngraphroot = "{HOME}/{driver}"\nrunroot = "{HOME}/run"\n'
    (HOME / "storage.conf").write_text(store)
    policy = {"default": [{"type": "insecureAcceptAnything"}]}  # nothing is pulled
    (HOME / ".config" / "containers" / "policy.json").write_text(json.dumps(policy))
    for name in ("iptables", "ip6tables"):
        (HOME / "bin" / name).write_text(TABLES.format(xtables=program("xtables-nft-multi")))
        (HOME / "bin" / name).chmod(0o755)
    log = HOME / "namespace" / f"{os.getpid()}.log"
    namespace = Server([program("unshare"), "--mount", "sh", "-c", NAMESPACE], log)
    try:
        namespace.wait_until(lambda: _runs(namespace.pid, "sleep"))
        yield Engine(namespace)
    finally:
        namespace.stop()
        log.unlink()


def _has_overlay() -> bool:
    return any(line.split()[-1] == "overlay" for line in Path("/proc/filesystems").read_text().splitlines())


def _runs(pid: int, name: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == name


@contextmanager
def alone() -> Iterator[None]:
    """Hold the store for one builder: the tests run in several processes."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_base(engine: Engine, folder: Path) -> None:
    """Make the base image as Debian makes its own slim one: a root of the smallest variant, with the mirror in it."""
    if engine.has(BASE):
        return
    sites = engine.run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    mirror = next(site for site in sites if site.rstrip("/").endswith("/debian"))
    root = folder / "base.tar"
    engine.run(
        "env", "-u", "PYTHONPATH", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
        "--include=ca-certificates", SUITE, root, mirror,
    )  # fmt: skip
    name = engine.run("buildah", "from", "scratch")
    engine.run("buildah", "add", "--quiet", name, root, "/")
    # Where the package index is behind a certificate of this machine's own.
    engine.run("buildah", "add", "--quiet", name, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/machine.crt")
    engine.run("buildah", "commit", "--quiet", name, BASE)
    engine.run("buildah", "rm", name)
    root.unlink()


def pip_settings(folder: Path) -> Path:
    """Write pip's settings as a build gets them: this machine's index, where it has one of its own."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    path = folder / "pip.conf"
    path.write_text("[global]\ncert = /etc/ssl/certs/machine.crt\n" + (f"index-url = {index}\n" if index else ""))
    return path


def make_image(engine: Engine, folder: Path) -> None:
    """Build the image by the repository's Containerfile, as it stands."""
    make_base(engine, folder)
    secret = f"id=pip.conf,src={pip_settings(folder)}"
    arguments = ("--build-arg", f"BASE={BASE}", "--build-arg", f"COMMIT={COMMIT}")
    engine.build(IMAGE, ROOT / "Containerfile", ROOT, *arguments, "--secret", secret)


def make_stand_ins(engine: Engine, folder: Path) -> None:
    """Build what stands in for the images of PostgreSQL and Caddy."""
    (folder / "database").write_text(DATABASE)
    (folder / "database").chmod(0o755)
    for tag, text in {"localhost/programs": PROGRAMS, **STAND_INS}.items():
        (file := folder / "Containerfile").write_text(text)
        engine.build(tag, file, folder)
