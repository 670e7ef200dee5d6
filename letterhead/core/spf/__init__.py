"""SPF (RFC 7208): records, macros, check_host(), lookups, and what may be wrong with a planned record."""
