"""The whole of one check, and the other judgements that take all topics together.

- `check`: the plan of a domain, what to ask next, and the findings.
- `fingerprint`: when two checks have the same findings, so that the second need not be judged.
- `check_memory`: what the last full checks asked and concluded.
- `catalogue`: all diagnoses, and the page of each.
- `translated`: the findings of a check in another language.
- `preflight`: what is in DNS before anything is added to it.
- `record_export`: which planned records a DNS tool may write.
- `message_authentication`: DKIM, SPF and DMARC of one message, as a receiver judges them.
- `dmarc_verdict`: the verdict of DMARC on one message, and what to do.
- `cover_dmarc`: what DMARC says of mail from a name that a name above it signs.
- `auth_report`: the input and the results of authenticating one message.
"""
