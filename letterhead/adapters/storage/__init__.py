"""Storage in SQLite or PostgreSQL: SQL statements by name, the schema, and the conversion of rows to core values.

It contains no rule of a domain's lifecycle: it stores what operations decided, each time in one transaction that waits
for nothing but SQL. Wiring needs `open_store`, `migrate`, `schema_state`, `read_tables` and `write_tables`.

`store` is made of one module for each protocol of the port or a part of it: `accounts` (with `audit_log`), `domains`,
`bound_domains`, `profiles`, `account_imports`, `dns_plans`, `dns_credentials`, `check_contexts`, `selectors`, `leases`,
`members`, `reminders`, `alerts`, `webhooks`, `pages` (sessions and statistics), `secrets`, `histograms`, `heartbeats`,
`retention`, `quotas`, `subdomain_covers`. They run named `statements` (`sql/`) on an `engine`, `sqlite` or `postgres`,
and convert `rows` and `key_rows`; `postgres_url` and `postgres_files` read where a server is, `postgres_servers` opens
connections to it and `postgres_pool` keeps them, and `postgres_replica` reads lists elsewhere. `tables` are those of
each revision, which `sqlite_tables` and `postgres_tables` read and write whole, for backups and moves to another
database. `write_batcher` joins writes, `uuid7` makes ids. `schema` and `migrations` are of the tables,
`postgres_schema` runs them beside other work.
"""

from letterhead.adapters.storage.schema import HEAD, SchemaState
from letterhead.adapters.storage.store import (
    migrate,
    open_store,
    read_tables,
    schema_revision,
    schema_state,
    write_tables,
)

__all__ = [
    "HEAD",
    "SchemaState",
    "migrate",
    "open_store",
    "read_tables",
    "schema_revision",
    "schema_state",
    "write_tables",
]
