"""Sender Policy Framework (SPF, RFC 7208): the record of the MAIL FROM domain, its evaluation, and what it costs.

The public face is `topic` for checks and `check_host` for messages.

- `record`: an SPF record parsed into terms, and what is wrong with it, each with its place in the text (RFC 7208 12)
- `macros`: macro expansion for one message (RFC 7208 7)
- `lookups`: the tree of includes and redirects below a record, and the lookups that it costs (RFC 7208 4.6.4)
- `passing_terms`: what a record lets pass, its includes and redirects followed (RFC 7208 5.2 and 6.1)
- `corrections`: an observed record with one thing mended
- `check_host`: the evaluation of a record for one client (check_host(), RFC 7208 4)
- `topic`: the planned record, and the rules that recognise each way of getting it wrong
- `spf_text`: the TXT records of one name, for `topic` and `advice`
- `advice`: what is wrong or unwise about the SPF record of any one name
- `diagnoses`: the text of each diagnosis, `spf.…` and `mail-from.spf-…`
"""
