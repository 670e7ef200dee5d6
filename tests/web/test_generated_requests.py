"""Throws generated requests at the running server: whatever comes, the answer is one that the document states."""

import asyncio
import sys
from pathlib import Path

import pytest

from letterhead.core.accounts.accounts import Scope
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection"
)
REJECTED = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 431]  # the last for a text that is far too long


async def generated(folder: Path, house: Installation, key: str, *which: str) -> bool:
    """Run schemathesis in a process and a folder of its own; tell whether all was well."""
    (folder / "schemathesis.toml").write_text(f"[checks.negative_data_rejection]\nexpected-statuses = {REJECTED}\n")
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "run", f"{house.url}/openapi.json",
        "-H", f"Authorization: Bearer {key}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
        "--max-examples", "15", "--seed", "1", "--generation-database", "none", "--no-color", *which,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    print(said.decode())  # pytest shows it where the test fails
    return process.returncode == 0


async def change_all_the_time(house: Installation) -> None:
    """Change the account's domain every second, so that no request waits long for a change of it."""
    async with house.client(house.keys["acme"]) as acme:
        while True:
            await acme.post("/domains/acme.dev/start-verification")
            await asyncio.sleep(1)


@pytest.mark.timeout(600)
async def test_no_undocumented_answer(tmp_path: Path) -> None:
    """No 5xx, no status, media type, header or shape that the document does not state, for account and operator."""
    async with running(tmp_path, rate=1e6, burst=10**6, failure_rate=1e6, failure_burst=10**6) as house:
        async with house.client(house.keys["acme"]) as acme:
            await acme.post("/domains", json={"sender": "acme.dev"})
        changing = asyncio.create_task(change_all_the_time(house))
        spare = await house.make_key("acme", Scope.FULL)  # which the run may well revoke
        assert await generated(
            tmp_path, house, house.keys["acme"], "--exclude-path-regex", "^/(accounts|audit|metrics|keys/)"
        )
        assert await generated(tmp_path, house, spare, "--include-path-regex", "^/keys/")
        assert await generated(tmp_path, house, OPERATOR_TOKEN, "--include-path-regex", "^/(accounts|audit|metrics)")
        changing.cancel()
