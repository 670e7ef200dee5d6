"""The image of the Containerfile, built and run by podman; and compose.yaml, run as it stands by podman-compose."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import compose_spec
import httpx2
import pytest
import yaml  # type: ignore[import-untyped]

from tests.docs.commands import blocks_of
from tests.docs.markdown import shown
from tests.install.main_job import run_main_job, wait_for_first_answer
from tests.rigs import containers, smtp
from tests.rigs.containers import COMMIT, IMAGE, Engine
from tests.rigs.dns_lab import NS1, RESOLVER, DnsLab
from tests.rigs.locking import network
from tests.rigs.processes import Server, free_port, is_free, program
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(900)  # the first of them has the image built

ROOT = Path(__file__).parents[2]
COMPOSE, PAGE = ROOT / "compose.yaml", ROOT / "docs" / "install" / "container.md"
TOOLS = Path(sys.executable).parent
CONFINED = ("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
SERVERS = ("serve-1", "serve-2", "worker-1", "worker-2", "relay")
GATEWAY = "10.25.80.1"  # the host, in the network of compose.yaml
MOST_OCTETS = 160_000_000
USER = 65532
# The lab's servers are on the host's loopback: a second resolver carries questions from the containers' network there.
FORWARDER = """
server:
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  interface: 0.0.0.0@{port}
  access-control: 0.0.0.0/0 allow
  do-not-query-localhost: no
  module-config: "iterator"
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  do-ip6: no
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: {resolver}
remote-control:
  control-enable: no
"""


@pytest.fixture(autouse=True)
def changed_network() -> Iterator[None]:
    """Let no browser run meanwhile: containers bring addresses to the machine, and take them away."""
    with network(changes=True):
        yield


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Set podman up."""
    with containers.running() as engine:
        yield engine


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image: all of it in a fresh clone, else what has changed."""
    with containers.alone():
        began = time.monotonic()
        containers.make_image(engine, tmp_path_factory.mktemp("image"))
        print(f"the image was built in {time.monotonic() - began:.0f} s")
    return IMAGE


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    """Return the name of an empty volume."""
    name = f"letterhead-{secrets.token_hex(4)}"
    yield name
    engine.try_run("podman", "volume", "rm", "--force", name)


def settings_for(lab: DnsLab, port: int) -> list[str]:
    """Return the options that set the service up on the host's network, with the lab as its DNS."""
    settings = {
        "BIND": f"127.0.0.1:{port}", "ALLOW_SPECIAL_USE": "true",
        "DNS_RESOLVERS": f"{RESOLVER}:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
    }  # fmt: skip
    return [word for name, value in settings.items() for word in ("--env", f"LETTERHEAD_{name}={value}")]


def test_the_containerfile_is_clean() -> None:
    """hadolint finds nothing."""
    done = subprocess.run(
        [TOOLS / "hadolint", "--failure-threshold", "style", ROOT / "Containerfile"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_holds_no_shell(engine: Engine, image: str) -> None:
    """Nor a package manager, a program that takes another user's rights, or a file that its user may change."""
    named = engine.run("buildah", "from", "--pull-never", image)
    try:
        root = Path(engine.run("buildah", "mount", named))
        listed = engine.run("find", root, "-xdev", "-printf", r"%m %U %y %P\n").splitlines()
    finally:
        engine.run("buildah", "rm", named)
    files = [line.split(" ", 3) for line in listed]
    programs = {path.rpartition("/")[2] for mode, _, kind, path in files if kind in "fl" and int(mode, 8) & 0o111}
    assert not programs & {"sh", "bash", "dash", "busybox", "perl", "apt", "apt-get", "dpkg", "pip", "curl", "gcc"}
    assert {path for _, _, kind, path in files if path.startswith(("usr/bin/", "usr/sbin/", "bin/"))} == {
        "usr/bin/python3", "usr/bin/python3.13",
    }  # fmt: skip
    assert [path for mode, _, kind, path in files if int(mode, 8) & 0o6000] == []
    theirs = [path for mode, owner, kind, path in files if kind != "l" and (int(owner) == USER or int(mode, 8) & 0o002)]
    assert sorted(theirs) == ["tmp", "var/lib/letterhead", "var/tmp"]
    assert "machine.crt" not in "\n".join(listed)
    packages = {path.rpartition("/")[2] for *_, path in files if path.startswith("var/lib/dpkg/status.d/")}
    assert {"libc6", "libsqlite3-0", "python3.13-minimal"} <= packages  # what a scanner reads


def test_the_image_says_what_it_is(engine: Engine, image: str) -> None:
    """A user of its own, one volume, a health check without a shell, SIGTERM; and no setting that is a secret."""
    (said,) = json.loads(engine.run("podman", "image", "inspect", image))
    config = said["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert list(config["Volumes"]) == ["/var/lib/letterhead"]
    assert (config["Entrypoint"], config["Cmd"], config["StopSignal"]) == (["letterhead"], ["run"], "SIGTERM")
    assert said["Healthcheck"]["Test"] == ["CMD", "letterhead", "health"]
    assert {line.partition("=")[0] for line in config["Env"] if line.startswith("LETTERHEAD_")} == {
        "LETTERHEAD_BIND", "LETTERHEAD_DATA_DIR",
    }  # fmt: skip
    print(f"the image has {said['Size'] / 1e6:.0f} MB")
    assert said["Size"] <= MOST_OCTETS


def test_it_does_the_main_job(engine: Engine, image: str, volume: str, lab: DnsLab, zone: str) -> None:
    """From an empty volume to a verified domain; stopped amid a request, which is answered; then started again."""
    port = free_port("127.0.0.1")
    url, options = (
        f"http://127.0.0.1:{port}",
        [*CONFINED, "--network", "host", "--volume", f"{volume}:/var/lib/letterhead"],
    )
    began = time.monotonic()
    with engine.container(*options, *settings_for(lab, port), image) as name:
        answered = wait_for_first_answer(url, began)
        key = inside(engine, name, "print(open('/var/lib/letterhead/first-key').read())")
        verified = run_main_job(url, key, lab, zone)
        print(f"first answer {answered:.1f} s after nothing, SUCCESS {verified:.1f} s after the domain was added")
        assert engine.try_run("podman", "healthcheck", "run", name).returncode == 0
        assert inside(engine, name, "import os; print(os.getuid(), os.getpid() != 1)") == f"{USER} True"
        refused = engine.try_run("podman", "exec", name, "python3", "-c", "open('/opt/letterhead/x', 'w')")
        assert "Read-only file system" in refused.stderr
        with unfinished_request(port, key) as finish:
            stopping = threading.Thread(target=engine.run, args=("podman", "stop", "--time", "60", name))
            began = time.monotonic()
            stopping.start()
            until(lambda: is_closed(port))
            assert b" 200 OK\r\n" in finish()
            stopping.join()
        assert time.monotonic() - began < 15
        assert engine.exit_code(name) == 0
    with engine.container(*options, *settings_for(lab, port), image):
        wait_for_first_answer(url, time.monotonic())
        kept = httpx2.get(f"{url}/domains/{zone}", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        assert kept.json()["status"] == "SUCCESS"


def inside(engine: Engine, name: str, code: str) -> str:
    """Run Python within a container: it has nothing else to run."""
    return engine.run("podman", "exec", name, "python3", "-c", code)


@contextmanager
def unfinished_request(port: int, key: str) -> Iterator[Callable[[], bytes]]:
    """Send a request but for its last octets; what is yielded sends them, and returns the response.

    The server asks for the body (RFC 9110 10.1.1): it has the head, and the request is under way.
    """
    body = b'{"sender": "later.test"}'
    head = f"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    head += "Expect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=40) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body[:-5])

        def finish() -> bytes:
            connection.sendall(body[-5:])
            return connection.recv(65_536)

        yield finish


def is_closed(port: int) -> bool:
    """Whether nobody takes connections at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_image_says_its_commit(engine: Engine, image: str) -> None:
    """A container of it names the commit that the build was given."""
    assert f"(commit {COMMIT}, schema " in engine.run("podman", "run", "--rm", *CONFINED, image, "--version")


def test_migrations_are_a_command_of_their_own(engine: Engine, image: str, volume: str) -> None:
    """`migrate` makes the schema, and says that it is there the second time."""
    words = ["podman", "run", "--rm", *CONFINED, "--volume", f"{volume}:/var/lib/letterhead", image, "migrate"]
    assert engine.run(*words) == "The schema was empty; it is current."
    assert engine.run(*words) == "The schema is current already."


def test_a_stop_at_once_is_heard(engine: Engine, image: str) -> None:
    """The first process of a container gets no signal that it does not handle: ours does long before it serves."""
    with engine.container(*CONFINED, image) as name:
        pid = engine.run("podman", "inspect", "--format", "{{.State.Pid}}", name)
        until(lambda: handles_sigterm(pid))
        began = time.monotonic()
        engine.run("podman", "stop", "--time", "60", name)
        assert time.monotonic() - began < 20
        assert engine.exit_code(name) in (0, 128 + 15)


def handles_sigterm(pid: str) -> bool:
    """Whether a process catches SIGTERM (proc(5), SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def test_compose_is_valid_and_confines_all(engine: Engine) -> None:
    """It keeps to the Compose Specification; every service is confined, its health is asked for, no secret is in it."""
    text = engine.run(TOOLS / "podman-compose", "--profile", "relay", "config")  # with its variables put in
    compose_spec.PyCompose.from_yaml(text).to_spec()
    services = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    assert set(services) == {
        "postgres", "migrate", "serve-1", "serve-2", "worker-1", "worker-2", "relay", "caddy",
    }  # fmt: skip
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert name in ("migrate", "caddy") or service["healthcheck"]["test"][0] == "CMD", name
        for variable in service.get("environment", {}):
            assert variable.endswith("_FILE") or not any(w in variable for w in ("PASSWORD", "TOKEN", "KEYS")), variable


class Composed:
    """compose.yaml as a project of its own: its folder has the secrets, the environment the ports."""

    def __init__(self, engine: Engine, folder: Path, **more: str) -> None:
        self._engine, self._folder = engine, folder
        self.name = f"lh{secrets.token_hex(3)}"
        self._more = {"PATH": f"{TOOLS}:{engine.environment['PATH']}", **more}

    def run(self, *words: str) -> str:
        """Run a command of podman-compose."""
        command = ["podman-compose", "--in-pod", "false", "--project-name", self.name, "--profile", "relay"]
        files = ("--file", "compose.yaml", "--file", "tests.yaml")
        return self._engine.run(*command, *files, *words, folder=self._folder, more=self._more)

    def start(self) -> None:
        """Start all services in the order of `depends_on`, whose conditions podman knows from 4.6 on."""
        self.run("up", "--detach", "--no-deps", "postgres")
        until(lambda: self.is_healthy("postgres"))
        self.run("up", "--detach", "--no-deps", "migrate")
        until(lambda: self._state("migrate") == "exited 0")
        self.run("up", "--detach", "--no-deps", *SERVERS, "caddy")

    def stop(self) -> None:
        """Remove all that was started."""
        self.run("down", "--volumes", "--timeout", "1")
        self._engine.remove_redirections(f"{self.name}_default")

    def _state(self, service: str) -> str:
        form = "{{.State.Status}} {{.State.ExitCode}}"
        return self._engine.run("podman", "inspect", "--format", form, self.container(service))

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{self.name}_{service}_1"

    def is_healthy(self, service: str) -> bool:
        """Ask for a service's health, as systemd's timers do where there is systemd."""
        return self._engine.try_run("podman", "healthcheck", "run", self.container(service)).returncode == 0


def lead_to_lab(engine: Engine, project: Composed, lab: DnsLab) -> Callable[[], None]:
    """Lead what the workers send to the lab's name server, on the host's loopback, there; return the undoing."""
    port = str(lab.authoritative_port)
    inside = "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; iptables -t nat -A POSTROUTING -s 127.0.0.0/8"
    inside += f" -d {GATEWAY} -j MASQUERADE; for way in udp tcp; do iptables -t nat -A OUTPUT -d {NS1} -p $way"
    inside += f" --dport {port} -j DNAT --to-destination {GATEWAY}; done"
    for worker in ("worker-1", "worker-2"):
        pid = engine.run("podman", "inspect", "--format", "{{.State.Pid}}", project.container(worker))
        engine.run("nsenter", f"--net=/proc/{pid}/ns/net", "sh", "-euc", inside)
    rules = [
        ["PREROUTING", "-s", "10.25.80.0/24", "-d", GATEWAY, "-p", way, "--dport", port, "-j", "DNAT",
         "--to-destination", NS1] for way in ("udp", "tcp")
    ]  # fmt: skip
    for rule in rules:
        engine.run("iptables", "-t", "nat", "-I", *rule)

    def undo() -> None:
        for rule in rules:
            engine.run("iptables", "-t", "nat", "-D", *rule)

    return undo


def lay_out(folder: Path, settings: dict[str, str]) -> None:
    """Make the secrets by the commands of the page as they stand there, and the settings of the tests."""
    (folder / "deploy").mkdir()
    for path in ("compose.yaml", "deploy/compose.Caddyfile"):
        (folder / path).write_text((ROOT / path).read_text("utf-8"), "utf-8")
    blocks = blocks_of(shown(PAGE), PAGE.read_text("utf-8"))
    (commands,) = (block.commands for block in blocks if "mkdir -m 700 secrets" in block.commands)
    shown_by_relay = smtp.certificate(folder, "relay.letterhead.test")
    subprocess.run(["sh", "-euc", commands], cwd=folder, check=True)
    files = {"relay-certificate": shown_by_relay.chain, "relay-certificate-key": shown_by_relay.key}
    for name, file in files.items():
        shutil.copy(file, folder / "secrets" / name)
        os.chown(folder / "secrets" / name, USER, USER)
    ours = {name: {"environment": settings} for name in SERVERS}
    (folder / "tests.yaml").write_text(yaml.safe_dump({"services": ours}))


def test_compose_does_the_main_job(engine: Engine, image: str, lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """PostgreSQL, two servers, two workers, the relay, Caddy: a verified domain over TLS, and rolling restarts."""
    with containers.alone():
        containers.make_stand_ins(engine, tmp_path)
    with ExitStack() as stack:
        dns = free_port("0.0.0.0")
        configuration = tmp_path / "unbound.conf"
        resolver = f"{RESOLVER}@{lab.resolver_port}"
        configuration.write_text(FORWARDER.format(folder=tmp_path, port=dns, resolver=resolver))
        forwarder = Server([program("unbound"), "-d", "-c", configuration], tmp_path / "unbound.log")
        stack.callback(forwarder.stop)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="letterhead-")))
        place.chmod(0o755)
        settings = {
            "LETTERHEAD_ALLOW_SPECIAL_USE": "true", "LETTERHEAD_DNS_RESOLVERS": f"{GATEWAY}:{dns}",
            "LETTERHEAD_DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        }  # fmt: skip
        lay_out(place, settings)
        ports = {name: free_port("0.0.0.0") for name in ("HTTP", "HTTPS", "RELAY")}
        variables = {f"LETTERHEAD_{name}_PORT": str(port) for name, port in ports.items()}
        project = Composed(engine, place, LETTERHEAD_RELAY_SMARTHOST="smtp://smart.letterhead.test", **variables)
        began = time.monotonic()
        stack.callback(project.stop)
        project.start()
        stack.callback(lead_to_lab(engine, project, lab))
        url = f"https://localhost:{ports['HTTPS']}"
        trusted = caddy_authority(engine, project)
        answered = wait_for_first_answer(url, began, trusted)
        words = ("letterhead", "accounts", "create", "--name", "Acme", "--email", "it@acme.example")
        # Caddy's first answer may be the other server's.
        until(
            lambda: (
                engine.try_run("podman", "exec", project.container("serve-1"), "letterhead", "health").returncode == 0
            )
        )
        created = engine.run("podman", "exec", project.container("serve-1"), *words)
        (key,) = re.findall(r"lh_live_\w+", created)
        verified = run_main_job(url, key, lab, zone, trusted)
        print(f"first answer {answered:.1f} s after nothing, SUCCESS {verified:.1f} s after the domain was added")
        for service in SERVERS:
            until(partial(project.is_healthy, service))
        with asking(url, key, zone, trusted) as failures:
            for service in ("serve-1", "serve-2"):
                engine.run("podman", "restart", "--time", "60", project.container(service))
                until(partial(project.is_healthy, service))
                until(lambda: len(ready_servers(engine, project)) == 2)
        assert failures == []
    assert engine.redirections(f"{project.name}_default") == []


def test_a_port_that_leads_elsewhere_is_not_free(engine: Engine) -> None:
    """As a run that was killed leaves one: servers of later tests would listen there, and hear nothing."""
    port = free_port("127.0.0.1")
    rule = ("OUTPUT", "-d", "127.0.0.1", "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", GATEWAY)
    engine.run("iptables", "-t", "nat", "-I", *rule)
    try:
        assert not is_free("127.0.0.1", port)
    finally:
        engine.run("iptables", "-t", "nat", "-D", *rule)
    assert is_free("127.0.0.1", port)


def caddy_authority(engine: Engine, project: Composed) -> ssl.SSLContext:
    """Return a context that trusts the authority that Caddy makes for localhost."""
    path = "/data/caddy/pki/authorities/local/root.crt"
    name = project.container("caddy")
    until(lambda: engine.try_run("podman", "exec", name, "test", "-s", path).returncode == 0, 120)
    return ssl.create_default_context(cadata=engine.run("podman", "exec", name, "cat", path))


def ready_servers(engine: Engine, project: Composed) -> list[str]:
    """List the servers that Caddy can reach."""
    code = "import urllib.request as u, sys; u.urlopen(f'http://{sys.argv[1]}:8025/readyz', timeout=2)"
    return [
        name
        for name in ("serve-1", "serve-2")
        if engine.try_run("podman", "exec", project.container("worker-1"), "python3", "-c", code, name).returncode == 0
    ]


@contextmanager
def asking(url: str, key: str, zone: str, trusted: ssl.SSLContext) -> Iterator[list[str]]:
    """Ask for a domain again and again until the end of the block; the list gets whatever is not a good response."""
    stop, failures = threading.Event(), []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=url, verify=trusted, trust_env=False, timeout=30, headers=headers) as client:
            while not stop.wait(0.05):
                try:
                    found = client.get(f"/domains/{zone}")
                    failures.extend([found.text] if found.status_code != 200 else [])
                except httpx2.HTTPError as error:
                    failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()
