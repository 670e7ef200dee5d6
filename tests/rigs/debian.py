"""Machines that run a release of Debian: made by mmdebstrap, booted by their own systemd, in namespaces of ours.

A machine has files and processes of its own, and the network of the tests: it reaches their servers on 127.0.0.0/8.
"""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.processes import DEBIAN, Missing, Server, program

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "debian-roots"
BASE = "systemd,python3-minimal"  # what is beyond the essential packages; all else is what apt brings for a package
# `umount` before the new root is entered: systemd must not see the tests' own files, nor write to their control groups.
BOOT = """
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
umount -l "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
cd "$root"
mkdir -p old
pivot_root . old
export container=test
exec chroot . sh -c 'umount -l /old
    exec /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=no'
"""
VARIABLES = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")


class DebianMachine:
    """A running machine: where its files lie, and how a command is run on it as root."""

    def __init__(self, root: Path, init: int) -> None:
        self.root, self._init = root, init

    def call(self, *words: str, timeout: float = 170) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with both outputs in one."""
        enter = [
            program("nsenter"),
            f"--target={self._init}",
            "--mount",
            "--pid",
            "--cgroup",
            "--uts",
            "--root",
            "--wd",
        ]
        return subprocess.run(
            [*enter, "/usr/bin/env", "-i", *VARIABLES, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.call(*words)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout


def archive_of(release: str) -> Path:
    """Return the archive of a bare machine of this release, made once: Debian's packages are fetched for it."""
    if os.geteuid() != 0:
        raise Missing("Only root can boot a machine of Debian in namespaces: run these tests as root.")
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"{release}.tar"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            new = archive.with_suffix(".new.tar")
            words = [
                "--mode=root",
                "--variant=minbase",
                f"--include={BASE}",
                "--skip=cleanup/apt/lists",
                release,
                str(new),
            ]
            made = subprocess.run([*mmdebstrap(), *words], capture_output=True, text=True, check=False)
            if made.returncode != 0:
                raise Missing(f"The tests need a machine of Debian {release}, which could not be made:\n{made.stderr}")
            new.rename(archive)
    return archive


def mmdebstrap() -> list[str | Path]:
    """Return the command: where ./dev unpacked it, without its wrapper, whose libraries are not for apt and dpkg."""
    unpacked = DEBIAN.parent / "usr" / "bin" / "mmdebstrap"
    return [program("perl"), unpacked] if unpacked.exists() else [program("mmdebstrap")]


@contextmanager
def booted(release: str, folder: Path) -> Iterator[DebianMachine]:
    """Boot a fresh machine of this release below a folder, for as long as the block lasts."""
    root = folder / release
    root.mkdir()
    subprocess.run([program("tar"), "--numeric-owner", "-xf", archive_of(release), "-C", root], check=True)
    words = ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--fork", "--kill-child", program("sh"), "-c", BOOT]
    server = Server([program(words[0]), *words[1:], "boot", root], folder / f"{release}.log")
    try:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        server.wait_until(lambda: children.read_text().strip() != "")
        machine = DebianMachine(root, int(children.read_text().split()[0]))
        server.wait_until(
            lambda: machine.call("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        )
        yield machine
    finally:
        server.stop()
