"""Each command that opens the database says in a sentence what is wrong with its URL or its server, and no more."""

from pathlib import Path

import pytest

from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port

COMMANDS = ("migrate", "serve", "worker", "relay", "doctor")
WRONG = {
    "sslmode=verify_full": ("sslmode='verify_full'", "verify-full", 2),
    "dbname=nowhere": ('database "nowhere" does not exist', "createdb", 4),
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_url_is_a_sentence_in_every_command(query: str, tmp_path: Path, postgres: Postgres) -> None:
    """What happened and what to do, the exit code of its kind, no traceback and no password."""
    detail, fix, code = WRONG[query]
    installation = Installation(
        tmp_path,
        DATABASE_URL=f"postgresql://postgres:geheim@127.0.0.1:{postgres.port}/postgres?{query}",
        RELAY_SMARTHOST="smtp://127.0.0.1:1",
        RELAY_SMARTHOST_STARTTLS="never",
        RELAY_BIND=f"127.0.0.1:{free_port('127.0.0.1')}",
        BIND=f"127.0.0.1:{free_port('127.0.0.1')}",
        DNS_RESOLVERS="127.0.0.1:9",
    )
    for command in COMMANDS:
        ran = installation.run(command)
        said = " ".join(f"{ran.stdout} {ran.stderr}".split())
        assert detail in said, (command, said)
        assert fix in said, (command, said)
        assert "Traceback" not in said
        assert "geheim" not in said
        assert ran.returncode == (1 if command == "doctor" else code), (command, said)
