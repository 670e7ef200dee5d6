"""Read From fields with other people's programs: rspamd's parser, npm's mailparser, and Python's two."""

import json
import subprocess
from collections.abc import Callable, Sequence
from email import policy
from email.utils import parseaddr
from pathlib import Path

from tests.rigs.npm import npm_packages
from tests.rigs.processes import program

Reader = Callable[[Sequence[str]], list[list[str]]]

LUA = """
local util, pool = require "rspamd_util", require("rspamd_mempool").create()
for line in io.lines("{path}") do
    local read = {{}}
    for _, each in ipairs(util.parse_mail_address(line, pool) or {{}}) do read[#read + 1] = each.addr or "" end
    print(table.concat(read, "\t"))
end
"""
JAVASCRIPT = """
const { simpleParser } = require("mailparser");
const read = async (field) => {
    const mail = await simpleParser(Buffer.from(`From: ${field}\\r\\nSubject: x\\r\\n\\r\\nx\\r\\n`));
    return mail.from ? mail.from.value.map((each) => each.address || "") : [];
};
Promise.all(JSON.parse(require("fs").readFileSync(0)).map(read)).then((all) => console.log(JSON.stringify(all)));
"""


def rspamd(folder: Path) -> Reader:
    """Read with rspamd, whose input and script lie in a folder; a tab is a space there."""

    def read(fields: Sequence[str]) -> list[list[str]]:
        (folder / "fields").write_text("".join(f"{field.replace(chr(9), ' ')}\n" for field in fields))
        (folder / "read.lua").write_text(LUA.format(path=folder / "fields"))
        lines = _run([program("rspamadm"), "lua", "-b", str(folder / "read.lua")], folder).split("\n")[:-1]
        return [line.split("\t") for line in lines]

    return read


def mailparser(fields: Sequence[str]) -> list[list[str]]:
    """Read with the parser that many help desks and mail programs in JavaScript use."""
    read = _run([program("node"), "-e", JAVASCRIPT], npm_packages("mailparser"), json.dumps(fields))
    found: list[list[str]] = json.loads(read)
    return found


def python(fields: Sequence[str]) -> list[list[str]]:
    """Read with Python's parser of today; a field that it raises for is one that it can't read at all."""
    return [_python(field) for field in fields]


def old_python(fields: Sequence[str]) -> list[list[str]]:
    """Read with Python's older parser."""
    return [[parseaddr(field)[1]] for field in fields]


def _python(field: str) -> list[str]:
    try:
        return [each.addr_spec for each in policy.default.header_factory("From", field).addresses]
    except (AttributeError, TypeError):  # its own fault: python/cpython has several of a dot in a display name
        return [parseaddr(field)[1]]


def _run(command: Sequence[str], folder: Path, given: str = "") -> str:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command[0]} failed: {done.stderr[-2000:]}"
    return done.stdout
