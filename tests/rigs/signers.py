"""Run the signing programs of Debian (OpenDKIM, dkimpy-milter, Rspamd, Exim), each for one message at a time."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.rigs import milter
from tests.rigs.processes import DEBIAN, UNPRIVILEGED, Server, free_port, program
from tests.rigs.smtp import Ledger

OPENDKIM = """\
Mode s
Syslog no
KeyTable {exported}/KeyTable
SigningTable refile:{exported}/SigningTable
Canonicalization relaxed/simple
# It trusts no file below a folder that others may write to, such as /tmp.
RequireSafeKeys no
"""

DKIMPY = """\
Mode s
Syslog no
UserID {user}
PidFile {work}/dkimpy.pid
Socket inet:{port}@127.0.0.1
KeyTable file:{exported}/KeyTable
SigningTable file:{exported}/SigningTable
{second}
"""

RSPAMD = """\
options {{ url_tld = "{work}/suffixes"; pidfile = "{work}/pid"; filters = "dkim"; temp_dir = "{work}"; dns {{
  nameserver = ["127.0.0.1:{closed}:1"]; }} cache_file = "{work}/cache"; local_addrs = "127.0.0.0/8"; }}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
metric "default" {{ actions {{ reject = 999; }} }}
dkim {{ }}
dkim_signing {{
  sign_local = true; use_domain = "header"; allow_hdrfrom_mismatch = true; use_redis = false; try_fallback = false;
  .include "{exported}/dkim_signing.conf"
}}
modules {{ path = "{share}/plugins/"; }}
lua = "{share}/rules/rspamd.lua";
"""

EXIM = """\
spool_directory = {work}/spool
log_file_path = {work}/%slog
primary_hostname = sender.test
never_users =
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
tls_advertise_hosts =
"""
EXIM_HANDS_ON = """\
begin routers
out:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  port = {sink}
  allow_localhost
"""
EXIM_SIGNS = "  .include {exported}/transport.conf\n"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the exported files lie and where a program may write; both open to the user nobody."""

    exported: Path
    work: Path

    def write(self, name: str, text: str, **places: object) -> Path:
        """Write a configuration."""
        path = self.work / name
        path.write_text(text.format(exported=self.exported, work=self.work, **places), "ascii")
        return path


def with_opendkim(bench: Bench, text: bytes) -> bytes:
    """Sign by OpenDKIM's test mode, which tells the header field that it would insert."""
    configuration, message = bench.write("opendkim.conf", OPENDKIM), bench.work / "message"
    message.write_bytes(text)
    run = subprocess.run(
        [program("opendkim"), "-x", configuration, "-t", message, "-vvv"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    field = re.search(r"hname='DKIM-Signature' hvalue='(.*?)'", run.stdout + run.stderr, re.DOTALL)
    assert field, run.stdout + run.stderr
    return _headed(field[1], text)


def with_dkimpy(bench: Bench, *texts: bytes) -> list[bytes]:
    """Sign by a running dkimpy-milter, as Postfix asks it; KeyTableEd25519 is set up where it was exported."""
    table = bench.exported / "KeyTableEd25519"
    second = f"KeyTableEd25519 file:{table}" if table.exists() else ""
    port = free_port("127.0.0.1")
    configuration = bench.write("dkimpy.conf", DKIMPY, port=port, second=second, user=_unprivileged())
    command = [program("dkimpy-milter"), str(configuration)]
    server = Server(command, bench.work / "dkimpy.log", unprivileged=True)
    try:
        server.wait_until(lambda: _accepts(port))
        return [milter.sign(port, text) for text in texts]
    finally:
        server.stop()


def _unprivileged() -> str:
    """Name user and group that the milter runs as: nobody where we are root, else our own."""
    if os.geteuid() == 0:
        return "nobody:nogroup"
    return f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def with_rspamd(bench: Bench, text: bytes) -> bytes:
    """Sign by a running Rspamd, which tells the header field in its answer."""
    (bench.work / "suffixes").write_text("test\n", "ascii")
    port, share = free_port("127.0.0.1"), DEBIAN.parent / "usr/share/rspamd"
    if not share.is_dir():
        share = Path("/usr/share/rspamd")
    configuration = bench.write("rspamd.conf", RSPAMD, port=port, closed=free_port("127.0.0.1"), share=share)
    folders = {"RULESDIR": share / "rules", "LUALIBDIR": share / "lualib", "PLUGINSDIR": share / "plugins"}
    folders |= {"SHAREDIR": share, "CONFDIR": bench.work, "LOCAL_CONFDIR": bench.work, "DBDIR": bench.work}
    variables = [f"--var={name}={folder}" for name, folder in (folders | {"RUNDIR": bench.work}).items()]
    server = Server([program("rspamd"), "-f", "-i", "-c", configuration, *variables], bench.work / "rspamd.log")
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(trust_env=False, timeout=10) as client:
            server.wait_until(lambda: _answers(client, url), 40)
            answer = client.post(f"{url}/checkv2", content=text, headers={"IP": "127.0.0.1"}).json()
    finally:
        server.signal(signal.SIGTERM)  # killed, it would leave its workers behind
        server.ended()
    assert "dkim-signature" in answer, answer
    fields = answer["dkim-signature"]
    for field in fields if isinstance(fields, list) else [fields]:
        text = _headed(field, text)
    return text


def _answers(client: httpx2.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/ping").status_code == 200
    except httpx2.HTTPError:
        return False


def with_exim(bench: Bench, text: bytes, sink: Ledger) -> bytes:
    """Sign by Exim, which hands the message to a mail server."""
    configuration = bench.write("exim.conf", EXIM + EXIM_HANDS_ON + EXIM_SIGNS, sink=sink.port)
    (bench.work / "spool").mkdir(exist_ok=True)
    (bench.work / "spool").chmod(0o777)
    run = subprocess.run(
        [
            *_as_nobody(), "env", *(f"{name}={value}" for name, value in exim_environment(bench).items()),
            program("exim4"), "-C", configuration, "-odf", "somebody@receiver.test",
        ],
        input=text, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert sink.taken, (run.stderr, [path.read_text("utf-8") for path in bench.work.glob("*log")])
    return sink.taken[-1].octets


def _as_nobody() -> list[str]:
    return [program("setpriv"), *UNPRIVILEGED] if os.geteuid() == 0 else []


def exim_environment(bench: Bench) -> Mapping[str, str]:
    """Let Exim find the user that Debian compiles into it, whoever we are."""
    uid, gid = (65534, 65534) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    (bench.work / "passwd").write_text(f"Debian-exim:x:{uid}:{gid}::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n", "ascii")
    (bench.work / "group").write_text(f"Debian-exim:x:{gid}:\nroot:x:0:\nmail:x:8:\n", "ascii")
    wrapper = next(iter([*DEBIAN.parent.glob("usr/lib/*/libnss_wrapper.so"), Path("libnss_wrapper.so")]))
    names = {"NSS_WRAPPER_PASSWD": str(bench.work / "passwd"), "NSS_WRAPPER_GROUP": str(bench.work / "group")}
    return {"LD_PRELOAD": str(wrapper), **names}


def _headed(field: str, text: bytes) -> bytes:
    unix = field.replace("\r\n", "\n").strip()
    return b"DKIM-Signature: " + unix.replace("\n", "\r\n").encode() + b"\r\n" + text


def bench_in(folder: Path, exported: Path) -> Bench:
    """Make a place to work in that the user nobody reaches."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    work.chmod(0o777)
    return Bench(exported, work)
