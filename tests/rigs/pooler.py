"""Run a real PgBouncer in transaction mode before a PostgreSQL: each transaction may meet another connection."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rigs.postgres import Postgres
from tests.rigs.processes import Server, free_port, program

SERVER_CONNECTIONS = 4  # for each database: few, so that clients meet each other's


@contextmanager
def running(postgres: Postgres) -> Iterator[int]:
    """Run a pooler until the block ends; return its port."""
    with tempfile.TemporaryDirectory(prefix="pooler-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = free_port("127.0.0.1")
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nmax_client_conn = 500\n"
            "server_login_retry = 1\nadmin_users = postgres\n"
        )
        server = Server([program("pgbouncer"), settings], folder / "log", unprivileged=True)
        server.wait_until(lambda: "process up" in server.log.read_text("utf-8", "replace"))
        try:
            yield port
        finally:
            server.stop()
