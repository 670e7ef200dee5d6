"""A pooler in transaction mode is found, by what it does, and no statement is prepared by name behind it."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog

from letterhead.adapters.storage import open_store
from tests.contracts.samples import Shop
from tests.rigs.postgres import Postgres


@pytest.fixture
def pooled_url(migrated: dict[str, str], postgres: Postgres, pooler_port: int) -> Iterator[str]:
    """Return the address of a database with the schema, behind PgBouncer."""
    with postgres.database(migrated["postgresql"]) as url:
        yield url.replace(f":{postgres.port}/", f":{pooler_port}/")


def prepared(postgres: Postgres, pooled_url: str) -> int:
    """Count the statements that are prepared by name in the server connection that the pooler uses now."""
    with_name = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
    port = int(pooled_url.rpartition(":")[2].partition("/")[0])
    return int(postgres.run(with_name, pooled_url.rpartition("/")[2], port=port))


async def test_a_pooler_is_found_and_said(postgres: Postgres, pooled_url: str) -> None:
    """Where no setting says so, the process that answers gives the pooler away; the log names the setting."""
    with structlog.testing.capture_logs() as logged:
        async with open_store(pooled_url) as store:
            made = await Shop(store).account()
            assert await store.accounts() == [made]
            assert prepared(postgres, pooled_url) == 0
    assert [line["event"] for line in logged] == ["database.pooler"]
    assert "LETTERHEAD_DATABASE_PREPARED=false" in logged[0]["fix"]


async def test_a_setting_says_it(postgres: Postgres, pooled_url: str) -> None:
    """With the setting, or `pgbouncer=true` in the URL, nothing is said and nothing is prepared."""
    with structlog.testing.capture_logs() as logged:
        for url, setting in ((pooled_url, False), (f"{pooled_url}?pgbouncer=true", None)):
            async with open_store(url, prepared=setting) as store:
                await store.accounts()
                assert prepared(postgres, pooled_url) == 0
    assert logged == []


async def test_a_wrong_setting_is_got_over(pooled_url: str) -> None:
    """Statements that are prepared in spite of a pooler meet others of the same name: then they no longer are."""
    with structlog.testing.capture_logs() as logged:
        async with open_store(pooled_url, prepared=True) as one, open_store(pooled_url, prepared=True) as other:
            made = await Shop(one).account()
            for number in range(3):
                reads = [store.accounts() for store in (one, other) for _ in range(20)]
                assert all(found == [made] for found in await asyncio.gather(*reads))
                await Shop(one).domain(made.id, f"d{number}.example")
    assert {line["event"] for line in logged} == {"database.pooler"}


async def test_no_pooler_is_found_where_none_is(migrated: dict[str, str], postgres: Postgres) -> None:
    """A server that answers itself keeps prepared statements, and hears what to do about clients that are gone."""
    with postgres.database(migrated["postgresql"]) as url, structlog.testing.capture_logs() as logged:
        async with open_store(url) as store:
            await store.accounts()
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'letterhead'"
            assert int(postgres.run(waiting, url.rpartition("/")[2])) > 0
    assert logged == []
