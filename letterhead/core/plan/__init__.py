"""The records that a customer must publish, and what DNS says of them.

- `plan`: `PlannedRecord`, `Plan`, and `judge()`, the verdict on one record over several servers.
- `dns_hosts`: how the form of each DNS host wants names and values typed.
- `cname_answers`: what one answer that followed a CNAME says of the CNAME and of its target.
"""
