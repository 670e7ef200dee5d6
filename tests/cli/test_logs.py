"""Log lines: what a program can read, and what never stands in one."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from letterhead.cli.logs import write_logs
from letterhead.config import LogFormat
write_logs(LogFormat({form!r}))
log = structlog.get_logger()
def broken():
    api_key = "lh_live_secret"
    raise ValueError("a bug")
try:
    broken()
except ValueError:
    log.exception("thing.broke", host="evil\\x1b[2J\\x9b", domain="acme.dev")
import logging
logging.getLogger("library").warning("said %s", "something")
log.debug("too.much")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_values(form: str) -> None:
    """A bug is logged with its traceback, without the values of variables, and nothing moves the terminal."""
    err = written(form)
    assert "thing.broke" in err
    assert "a bug" in err
    assert "broken" in err
    assert "lh_live_secret" not in err.replace('api_key = "lh_live_secret"', "")
    assert "\x1b[2J" not in err
    assert "\x9b" not in err
    assert "said something" in err
    assert "too.much" not in err


def test_json_lines_are_json() -> None:
    """Each line is one JSON object with event, level and time."""
    lines = written("json").splitlines()
    assert len(lines) >= 2
    for line in lines:
        assert {"event", "level", "timestamp"} <= json.loads(line).keys()


def written(form: str) -> str:
    """Run a process that logs, and return what it wrote."""
    script = SCRIPT.format(form=form)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
