"""Knows every SQL statement of the service, its schema, and how rows and core values turn into each other.

Knows no rule of the domain's life: it keeps what operations decided, each time in one transaction that waits for
nothing but SQL. `open_store`, `migrate` and `schema_state` are all that wiring and the command line need.
"""

from letterhead.adapters.storage.schema import SchemaState
from letterhead.adapters.storage.store import migrate, open_store, schema_state

__all__ = ["SchemaState", "migrate", "open_store", "schema_state"]
