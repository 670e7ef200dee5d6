"""DNS as values: records, the answers to a question, and lookups that follow CNAMEs. Nothing here asks anybody.

- `records`: TXT, MX, address and other RDATA, and how a zone file and a person read them.
- `answers`: questions, answers, who gave them, and the snapshot that a check stores.
- `zone_text`: what a reader of zone text could not take as it stands.
- `lookup`: the records that were seen of a name, CNAMEs followed.
"""
