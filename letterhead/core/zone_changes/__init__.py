"""What to change in a zone, so that the planned records stand in it and all that others have there stays.

- `changes`: one planned record as it is and as it will be, and one RRset to write.
- `plan_changes`: the changes for a plan, what drifted since, and what undoes them.
- `dns_plan`: a plan of changes as it is kept, and its states.
- `owed_records`: what is written by itself where a credential is kept for it.
- `record_rules`: the rule for each planned record.
- `zone_state`: the zone as our own check sees it.
- `zone_answers`: the zone's records as its nameservers answer with them.
"""
