"""Hold the tutorial: its blocks, run in order as printed against a real server; only the ports are the test's own."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.acceptance.test_readme import ADDRESS, DEV
from tests.rigs.command import environment, running
from tests.rigs.processes import free_port

TUTORIAL = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
RECEIVER = "127.0.0.1:9009"
PYTHON = f"PATH={Path(sys.executable).parent}:$PATH\n"  # where the reader has installed what the tutorial asks for


def test_three_customers(tmp_path: Path) -> None:
    """Three domains are added and handed on, each change arrives signed, and the one that leaves is gone."""
    assert shutil.which("curl"), "The tests need curl, which the tutorial asks with: apt-get install curl"
    port = free_port("127.0.0.1")
    (tmp_path / "dev").write_text(DEV)
    (tmp_path / "dev").chmod(0o755)
    (receiver,) = re.findall(r"^```python\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL)
    (tmp_path / "receiver.py").write_text(receiver)
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL))
    allowed = {"WEBHOOKS_ALLOW_HTTP": "true", "WEBHOOKS_ALLOW_PRIVATE": "true"}
    with running(tmp_path, PROVIDER="dns", ALLOW_SPECIAL_USE="false", **allowed) as service:
        script = script.replace(RECEIVER, f"127.0.0.1:{port}").replace("receiver.py 9009", f"receiver.py {port}")
        script = PYTHON + script.replace(ADDRESS, service.url.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env=environment(URL=service.url), stdout=subprocess.PIPE, text=True, timeout=100, check=True,
        )  # fmt: skip
        try:
            log = tmp_path / "events.log"
            while "domain.deleted crane.dev" not in log.read_text():  # pytest ends it where it never comes
                time.sleep(0.05)
        finally:
            subprocess.run(["kill", (tmp_path / "receiver.pid").read_text().strip()], check=True)
    events = log.read_text()
    assert all(f"domain.created {name}.dev" in events for name in ("acme", "bolt", "crane"))
    assert done.stdout.count("/setup/") == 3
    assert "._domainkey.bolt.dev. 3600 IN TXT" in done.stdout
    assert re.search(r"^0 of \d published: you can't send yet; ", done.stdout, re.MULTILINE)
    assert "crane.dev" in done.stdout.rpartition("domain.deleted")[0]
