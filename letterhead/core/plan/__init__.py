"""The records that a customer must publish, and what DNS says of them.

- `plan`: `PlannedRecord`, `Plan`, and `judge()`, the verdict on one record over several servers.
- `dns_hosts`: how the form of each DNS host wants names and values typed.
- `record_formats`: the planned records as files for the tools that write DNS.
- `cname_answers`: what one answer that followed a CNAME says of the CNAME and of its target.
"""
