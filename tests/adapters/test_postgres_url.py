"""URLs of PostgreSQL as people paste them: each key is kept or refused by its name, and no password is shown."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from letterhead.adapters.storage import migrate, open_store
from letterhead.adapters.storage.postgres_files import find_password, system_context
from letterhead.adapters.storage.postgres_servers import PostgresServers
from letterhead.adapters.storage.postgres_url import PostgresUrlError, read_postgres_url, server_settings
from letterhead.errors import Fault, Kind
from tests.rigs.postgres import Postgres
from tests.rigs.processes import DEBIAN, free_port

KEPT = [
    ("postgresql://u:p@h1:5433,h2:5434/db", {"host": "h1,h2", "port": "5433,5434", "user": "u", "dbname": "db"}),
    ("postgres://h1,h2:5434/db", {"host": "h1,h2", "port": ",5434"}),
    ("postgresql://[::1]:5433,h/db", {"host": "::1,h", "port": "5433,"}),
    ("postgresql://%2Frun%2Fpostgresql/db", {"host": "/run/postgresql"}),
    ("postgresql:///db?host=/run/postgresql&port=5433", {"host": "/run/postgresql", "port": "5433"}),
    ("postgresql://u:p%40%2F%3Fs%25@h/db", {"password": "p@/?s%"}),
    ("postgresql://u:p@ss@h/db", {"password": "p@ss", "host": "h"}),
    ("postgresql://h/db?user=u&password=p%26q&database=other", {"user": "u", "password": "p&q", "dbname": "other"}),
    ("postgresql://h/db?sslmode=verify-full&sslrootcert=system", {"sslrootcert": "system"}),
    ("postgresql://h/db?channel_binding=prefer&gssencmode=disable", {"channel_binding": "prefer"}),
    (
        "postgresql://h/db?connect_timeout=15&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3",
        {"connect_timeout": "15", "keepalives_idle": "30"},
    ),
    ("postgresql://h/db?tcp_user_timeout=5000&target_session_attrs=read-write", {"tcp_user_timeout": "5000"}),
    ("postgresql://h/db?pgbouncer=true&connection_limit=5", {"statement_cache_size": "0", "connection_limit": "5"}),
    ("postgresql://h/db?pgbouncer=false", {}),
    ("postgresql://h/db?prepared_statements=false", {"statement_cache_size": "0"}),
    ("postgresql://h/db?prepareThreshold=0&currentSchema=mail", {"statement_cache_size": "0", "search_path": "mail"}),
    ("postgresql://h/db?hostaddr=10.0.0.1&passfile=/p&service=s", {"hostaddr": "10.0.0.1", "service": "s"}),
]


@pytest.mark.parametrize(("url", "kept"), KEPT)
def test_what_people_paste_is_kept(url: str, kept: dict[str, str]) -> None:
    """Each key has the meaning that it has in libpq, or in the client that it comes from."""
    found = read_postgres_url(url)
    assert kept.items() <= found.items()


REFUSED = [
    ("channel_binding=require", "channel_binding='require'", "sslrootcert=system"),
    ("gssencmode=require", "gssencmode='require'", "TLS"),
    ("sslmode=verify_full", "sslmode='verify_full'", "verify-full"),
    ("sslmode=no-verify", "sslmode='no-verify'", "sslmode=require encrypts"),
    ("ssl=true", "ssl, which", "sslmode=verify-full"),
    ("ssl_mode=require", "'ssl_mode'", "Did you mean sslmode?"),
    ("sslrootcert=system&sslmode=require", "weaker sslmode=require", "verify-full"),
    ("require_auth=scram-sha-256", "require_auth", "Take require_auth away"),
    ("requirepeer=postgres", "requirepeer", "Take"),
    ("sslaccept=strict", "sslaccept", "sslmode=verify-full"),
    ("connect_timeout=soon", "connect_timeout", "whole number"),
    ("keepalives_idle=-5", "keepalives_idle", "whole number"),
    ("target_session_attrs=master", "target_session_attrs", "read-write"),
    ("load_balance_hosts=random", "load_balance_hosts", "disable"),
    ("sslnegotiation=direct", "insist on TLS", "sslmode=require"),
    ("hostaddr=10.0.0.1,10.0.0.2", "hostaddr", "one hostaddr for each host"),
    ("port=5432,5433", "of port", "one port for each host"),
    ("port=many", "a port", "number from 1"),
    ("sslmode", "a parameter without a value", "key=value"),
    ("password=50%", "two hexadecimal digits", "%25"),
]


@pytest.mark.parametrize(("query", "problem", "fix"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(query: str, problem: str, fix: str) -> None:
    """A demand is never ignored: the refusal names the key and what to write instead, and shows no password."""
    with pytest.raises(PostgresUrlError) as caught:
        read_postgres_url(f"postgresql://u:geheim@h/db?{query}")
    assert problem in str(caught.value)
    assert fix in caught.value.fix
    assert "geheim" not in f"{caught.value} {caught.value.fix}"


def test_what_is_no_key_of_the_client_is_a_setting_of_the_server() -> None:
    """`search_path` goes to the server, beside the name that its administrator sees."""
    found = read_postgres_url("postgresql://h/db?search_path=mail&statement_timeout=9000&sslmode=disable")
    assert server_settings(found) == {
        "application_name": "letterhead",
        "search_path": "mail",
        "statement_timeout": "9000",
    }


def refusal(url: str, environ: dict[str, str]) -> Fault:
    """Return the fault of a URL that is refused before anybody is asked."""
    with pytest.raises(Fault) as caught:
        PostgresServers(url, environ)
    assert caught.value.kind is Kind.CONFIG_INVALID
    assert "geheim" not in f"{caught.value.detail} {caught.value.fix}"
    return caught.value


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    """A file that is not there, and no file at all where one is needed, are one sentence each."""
    home = {"HOME": str(tmp_path)}
    missing = refusal(f"postgresql://u:geheim@h/d?sslmode=require&sslrootcert={tmp_path}/no.crt", home)
    assert f"{tmp_path}/no.crt by sslrootcert" in missing.detail
    none = refusal("postgresql://u:geheim@h/d?sslmode=verify-full", home)
    assert "sslrootcert=system" in str(none.fix)
    wrong = refusal("postgresql://u:geheim@h/d", {**home, "PGSSLMODE": "verify_ca"})
    assert "verify_ca" in wrong.detail


def test_a_service_is_read(tmp_path: Path) -> None:
    """The service file adds what the URL does not say, signs of per cent and all; a missing service is named."""
    file = tmp_path / "services"
    file.write_text("[mail]\nhost=db1,db2\nport=5433\nuser=u\npassword=100%geheim\n")
    environ = {"HOME": str(tmp_path), "PGSERVICEFILE": str(file)}
    servers = PostgresServers("postgresql:///d?service=mail&user=other", environ)
    assert servers._keys["host"] == "db1,db2"
    assert (servers._keys["user"], servers._keys["password"]) == ("other", "100%geheim")
    assert "'post'" in refusal("postgresql:///d?service=post", environ).detail
    assert str(tmp_path) in refusal("postgresql:///d?service=post", {"HOME": str(tmp_path)}).detail


def test_a_password_file_is_read(tmp_path: Path) -> None:
    """The first line that fits counts, with its escapes; a file that others may read does not."""
    file = tmp_path / ".pgpass"
    file.write_text("# ours\nh1:5433:*:u:first\n*:*:d:u:p\\:a\\\\ss\n")
    file.chmod(0o600)
    keys, environ = {"user": "u", "dbname": "d"}, {"HOME": str(tmp_path)}
    assert find_password(keys, "h1", 5433, environ) == "first"
    assert find_password(keys, "h2", 5432, environ) == "p:a\\ss"
    assert find_password({**keys, "dbname": "other"}, "h2", 5432, environ) is None
    file.chmod(0o644)
    assert find_password(keys, "h1", 5433, environ) is None


def test_the_authorities_of_the_system_prove_the_name() -> None:
    """`sslrootcert=system` compares the certificate with the host's name."""
    context = system_context({"ssl_min_protocol_version": "TLSv1.3"})
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


async def test_the_server_may_differ_from_the_first_host(postgres: Postgres) -> None:
    """A host that refuses is passed over, an address may be given apart from the name, and sockets are watched."""
    dead = free_port("127.0.0.1")
    options = "connect_timeout=2&keepalives_idle=7&tcp_user_timeout=1500&application_name=tried"
    for where in (f"127.0.0.1:{dead},127.0.0.1:{postgres.port}", f"db.test:{postgres.port}"):
        more = "&hostaddr=127.0.0.1" if where.startswith("db") else ""
        connection = await PostgresServers(f"postgresql://postgres@{where}/postgres?{options}{more}").connect()
        assert await connection.fetchval("SHOW application_name") == "tried"
        assert connection.address.port == postgres.port
        await connection.close()


TWICE = """
import asyncio, sys
from pathlib import Path
from letterhead.adapters.storage.postgres_servers import PostgresServers

async def main(url, hosts):
    servers = PostgresServers(url)
    await (await servers.connect()).close()
    Path(hosts).write_text("")
    await (await servers.connect()).close()

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_name_that_is_not_resolved_for_a_moment(postgres: Postgres, tmp_path: Path) -> None:
    """The addresses that the name had go on: the name server of a container network is away at each of its changes."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 db.test\n")
    wrapper = next(iter([*DEBIAN.parent.glob("usr/lib/*/libnss_wrapper.so"), Path("libnss_wrapper.so")]))
    words = [sys.executable, "-c", TWICE, f"postgresql://postgres@db.test:{postgres.port}/postgres", str(hosts)]
    variables = os.environ | {"LD_PRELOAD": str(wrapper), "NSS_WRAPPER_HOSTS": str(hosts)}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


SENTENCES = [
    ("postgresql://postgres@{where}/nowhere", Kind.STORAGE_UNAVAILABLE, '"nowhere" does not exist', "createdb"),
    ("postgresql://nobody7:geheim@{where}/postgres", Kind.STORAGE_UNAVAILABLE, '"nobody7"', "CREATE ROLE"),
    ("postgresql://postgres:geheim@{where}/postgres?jti=on", Kind.CONFIG_INVALID, '"jti"', "Take that key out"),
    ("postgresql://postgres:geheim@127.0.0.1:1/postgres", Kind.STORAGE_UNAVAILABLE, "127.0.0.1:1: Connection", "runs"),
    ("postgresql://postgres:geheim@{where}/postgres?sslmode=require", Kind.STORAGE_UNAVAILABLE, "SSL", "runs"),
    (
        "postgresql://postgres:geheim@{where}/postgres?target_session_attrs=standby",
        Kind.STORAGE_UNAVAILABLE,
        "not standby",
        "runs",
    ),
]


@pytest.mark.parametrize(("url", "kind", "detail", "fix"), SENTENCES)
async def test_a_server_that_refuses_is_one_sentence(
    url: str, kind: Kind, detail: str, fix: str, postgres: Postgres
) -> None:
    """What the server refuses is a Fault with what to do, and never shows the password."""
    with pytest.raises(Fault) as caught:
        await migrate(url.format(where=f"127.0.0.1:{postgres.port}"))
    assert caught.value.kind is kind
    assert detail in caught.value.detail
    assert fix in str(caught.value.fix)
    assert "geheim" not in f"{caught.value.detail} {caught.value.fix}"


async def test_a_role_without_rights_is_one_sentence(postgres: Postgres, postgres_url: str) -> None:
    """Since PostgreSQL 15 a new role may not create tables in `public`: the refusal says which grant it needs."""
    connection = await PostgresServers(postgres_url).connect()
    await connection.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN")
    url = postgres_url.replace("postgres@", "plain@")
    try:
        with pytest.raises(Fault) as caught:
            await migrate(url)
        assert "permission denied for schema public" in caught.value.detail
        assert "GRANT USAGE, CREATE ON SCHEMA public" in str(caught.value.fix)
        await migrate(postgres_url)
        with pytest.raises(Fault, match="permission denied") as caught:
            async with open_store(url):
                pass
        assert "GRANT SELECT" in str(caught.value.fix)
    finally:
        await connection.execute("DROP ROLE plain")
        await connection.close()
