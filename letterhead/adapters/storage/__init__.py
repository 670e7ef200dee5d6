"""Storage in SQLite or PostgreSQL: SQL statements by name, the schema, and the conversion of rows to core values.

It contains no rule of a domain's lifecycle: it stores what operations decided, each time in one transaction that waits
for nothing but SQL. `open_store`, `migrate` and `schema_state` are all that wiring and the command line need.

`store` is made of one module for each protocol of the port or a part of it: `accounts`, `domains`, `selectors`,
`leases`, `reminders`, `webhooks`, `pages` (sessions and statistics), `secrets`, `histograms`, `heartbeats`,
`retention`. They run named `statements` (`sql/`) on an `engine`, `sqlite` or `postgres`, and convert `rows`;
`write_batcher` joins writes, `uuid7` makes ids. `schema` and `migrations` are of the tables.
"""

from letterhead.adapters.storage.schema import SchemaState
from letterhead.adapters.storage.store import migrate, open_store, schema_revision, schema_state

__all__ = ["SchemaState", "migrate", "open_store", "schema_revision", "schema_state"]
