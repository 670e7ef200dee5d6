"""How a server is loaded and what it costs meanwhile, whatever the server."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.rigs.processes import program

SCRIPT = """\
local keys = {}
for line in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = line end
math.randomseed(tonumber(os.getenv("SEED")))
request = function()
  local key, tag = keys[math.random(#keys)]:match("([^\\t]*)\\t?(.*)")
  local known = tag ~= "" and tag or nil
  return wrk.format("GET", os.getenv("ASKED"), {["Authorization"] = "Bearer " .. key, ["If-None-Match"] = known})
end
done = function(s, l, r)
  local wrong = s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout
  io.write(string.format("FIGURES {\\"each\\":%.1f,\\"p50\\":%.4f,\\"p99\\":%.4f,\\"wrong\\":%d}\\n",
    s.requests / s.duration * 1e6, l:percentile(50) / 1e3, l:percentile(99) / 1e3, wrong))
end
"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a load gave: requests per second, latencies in ms, answers that were none, CPU in µs per request."""

    each: float
    p50: float
    p99: float
    wrong: int
    cpu: float = 0.0


def loaded(
    port: int, keys: Path, *, pid: int, seconds: int = 3, connections: int = 16, seed: int = 7, asked: str = "/domains"
) -> Load:  # fmt: skip
    """Ask for the list with random keys from a file (key, or key and ETag with a tab between)."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, f"http://127.0.0.1:{port}/"]
        environment = {**os.environ, "KEYS": str(keys), "SEED": str(seed), "ASKED": asked}
        before = cpu_of(pid)
        told = subprocess.run(
            [program("taskset"), "-c", other_core(), program("wrk"), *command[1:]],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    used = cpu_of(pid) - before
    figures = json.loads(next(line for line in told.splitlines() if line.startswith("FIGURES")).removeprefix("FIGURES"))
    load = msgspec.convert(figures, Load)
    if load.wrong:
        raise RuntimeError(f"{load.wrong} answers were wrong:\n{told}")
    return msgspec.structs.replace(load, cpu=used * 1e6 / (load.each * seconds))


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process used so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """Return a process's resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pinned(pid: int, core: str) -> None:
    """Keep a process, with all its threads, on one core."""
    subprocess.run([program("taskset"), "-a", "-p", "-c", core, str(pid)], check=True, capture_output=True)


def core() -> str:
    """Name the core that what is measured runs on."""
    return str(min(os.sched_getaffinity(0)))


def other_core() -> str:
    """Name the core for load and database; the same where there is only one."""
    return str(max(os.sched_getaffinity(0)))


@contextmanager
def listed(lines: Sequence[str]) -> Iterator[Path]:
    """Write lines into a file for as long as the context lasts."""
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        yield Path(file.name)


Side = Callable[[], float]
