"""Storage in SQLite or PostgreSQL: SQL statements by name, the schema, and the conversion of rows to core values.

It contains no rule of a domain's lifecycle: it stores what operations decided, each time in one transaction that waits
for nothing but SQL. `open_store`, `migrate` and `schema_state` are all that wiring and the command line need.
"""

from letterhead.adapters.storage.schema import SchemaState
from letterhead.adapters.storage.store import migrate, open_store, schema_state

__all__ = ["SchemaState", "migrate", "open_store", "schema_state"]
