"""From Postal and mailcow to Letterhead: MariaDB and Redis with their schemas, the pages' commands, real DNS."""

import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.core.domain.health import HealthState
from tests.rigs.canary import Canary
from tests.rigs.dns_lab import DnsLab
from tests.rigs.import_sources import run_as_printed, running_mariadb, running_redis
from tests.rigs.importing import importing, publish_key
from tests.rigs.signing import OWN, Pair

SHORT, OTHER = Pair.of_bits(1024), Pair.of_bits(2049)
POSTAL = """
CREATE DATABASE postal; USE postal;
CREATE TABLE domains (id INT AUTO_INCREMENT PRIMARY KEY, server_id INT, uuid VARCHAR(255), name VARCHAR(255),
  verified_at DATETIME, dkim_private_key TEXT, outgoing BOOLEAN DEFAULT 1, incoming BOOLEAN DEFAULT 1,
  owner_type VARCHAR(255), owner_id INT, dkim_identifier_string VARCHAR(255), use_for_any BOOLEAN);
"""
MAILCOW = """
CREATE DATABASE mailcow; USE mailcow;
CREATE TABLE domain (domain VARCHAR(255) NOT NULL PRIMARY KEY, description VARCHAR(255), active TINYINT DEFAULT 1);
CREATE TABLE alias_domain (alias_domain VARCHAR(255) NOT NULL PRIMARY KEY, target_domain VARCHAR(255) NOT NULL,
  active TINYINT DEFAULT 1);
"""


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    """Run a MariaDB."""
    folder = tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True)
    with folder as name, running_mariadb(Path(name)) as client:
        yield client


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """Run a Redis."""
    folder = tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True)
    with folder as name, running_redis(Path(name)) as client:
        yield client


def write(client: str, sql: str) -> None:
    """Has the server execute statements."""
    subprocess.run(shlex.split(client), input=sql, text=True, check=True, timeout=60)


async def test_postal_by_the_commands_of_its_page(lab: DnsLab, tmp_path: Path, mariadb: str) -> None:
    """Keys of 1024 bits come along and verify at the first check; a stale one does not; --mail-from psrp is refused."""
    first, second = lab.zone("first-po.test"), lab.zone("second-po.test")
    for name, pair in ((first, SHORT), (second, OWN)):
        publish_key(lab, name, "postal-abcdef", pair)
    rows = ", ".join(
        f"('{name}', NOW(), '{pair.pem.decode()}', {outgoing}, 'ABCDEF')"
        for name, pair, outgoing in ((first, SHORT, 1), (second, OTHER, 1), ("inbound-po.test", OTHER, 0))
    )
    columns = "name, verified_at, dkim_private_key, outgoing, dkim_identifier_string"
    write(mariadb, f"{POSTAL} INSERT INTO domains ({columns}) VALUES {rows};")
    async with importing(lab, tmp_path / "data", tmp_path) as imports:
        results = await imports.run_page("postal.md", {"acme.dev": first}, {"mariadb": f'exec {mariadb} "$@"'})
        assert [each.code for each in results] == [0, 2, 0, 0, 0], [each.err for each in results]
        assert "inbound-po.test" in results[1].out
        assert "1024 bits are few" in " ".join(results[1].out.split())
        assert Canary([SHORT.key, OTHER.key]).hits("".join(each.out + each.err for each in results).encode()) == 0
        assert not (tmp_path / "postal.tsv").exists()
        domain = await imports.world.look(first)
        assert (domain.selector, domain.dkim.state) == ("postal-abcdef", HealthState.VERIFIED)
        assert (await imports.world.domain(second)).selector != "postal-abcdef"
        third = lab.zone("third-po.test")
        write(mariadb, f"USE postal; INSERT INTO domains (name, outgoing) VALUES ('{third}', 1);")
        (tmp_path / "rows").write_text(
            f"name\tverified_at\toutgoing\tdkim_identifier_string\tdkim_private_key\n{third}\tNULL\t1\tNULL\tNULL\n"
        )
        refused = await imports.call("import", "postal", "rows", "--mail-from", "psrp")
        assert (refused.code, "takes the source's bounces" in " ".join(refused.out.split())) == (1, True), refused.out
        (tmp_path / "rows").write_text("name\nx.test\n")
        wrong = await imports.call("import", "postal", "rows")
        assert (wrong.code, "SELECT name" in wrong.err) == (2, True)


async def test_mailcow_by_the_commands_of_its_page(lab: DnsLab, tmp_path: Path, mariadb: str, redis: str) -> None:
    """Domains and alias domains, keys by the selector that mailcow names, and one without a key."""
    first, alias = lab.zone("first-mc.test"), lab.zone("alias-mc.test")
    publish_key(lab, first, "dkim", OWN)
    publish_key(lab, alias, "dkim", OWN)
    write(
        mariadb,
        f"{MAILCOW} INSERT INTO domain (domain, active) VALUES ('{first}', 1), ('bare-mc.test', 1), ('off-mc.test', 0);"
        f"INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('{alias}', '{first}');",
    )
    for command in (
        f"HSET DKIM_PRIV_KEYS dkim.{first} '{OWN.pem.decode().strip()}' dkim.{alias} '{OWN.pem.decode().strip()}'",
        f"HSET DKIM_SELECTORS {first} dkim {alias} dkim",
    ):
        assert run_as_printed(f"{redis} {command}", tmp_path, {}).code == 0
    (tmp_path / "mailcow.conf").write_text("DBUSER=u\nDBPASS=p\nDBNAME=mailcow\nREDISPASS=r\n")
    docker = f"""
for program in "$@"; do case $program in
  mysql) while [ "$1" != --batch ]; do shift; done; exec {mariadb} "$@" ;;
  redis-cli) while [ "$1" != --json ]; do shift; done; exec {redis} "$@" ;;
esac; done; exit 64"""
    async with importing(lab, tmp_path / "data", tmp_path) as imports:
        places = {". ./mailcow.conf": "true", "docker compose": ". ./mailcow.conf; docker compose"}
        results = await imports.run_page("mailcow.md", places, {"docker": docker})
        assert [each.code for each in results] == [0, 0, 0, 0, 2, 0, 0], [each.err for each in results]
        assert "off-mc.test" in results[4].out
        assert Canary([OWN.key]).hits("".join(each.out + each.err for each in results).encode()) == 0
        for name in (first, alias):
            domain = await imports.world.look(name)
            assert (domain.selector, domain.dkim.state) == ("dkim", HealthState.VERIFIED)
        assert (await imports.world.domain("bare-mc.test")).selector != "dkim"
