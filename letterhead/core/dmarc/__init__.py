"""Domain-based Message Authentication, Reporting, and Conformance (DMARC, RFC 9989; reports to others: RFC 9990 4).

The public face is `topic` for checks and `tree_walk` for the policy that applies to a domain.

- `record`: a DMARC record parsed into tags, each with its place in the text (RFC 9989 4.7 and 4.8)
- `tree_walk`: the record that applies to a domain, and the organisational domain (RFC 9989 4.10)
- `rfc7489`: the verdict of receivers that still go by RFC 7489, where it is another one
- `topic`: the advised record, and the rules that recognise why a record is none that receivers use
- `advice`: rules for a record that receivers use, be it the domain's own or inherited
- `correction`: a text that was meant as a DMARC record, written as receivers use it
- `diagnoses`: the text of each diagnosis, `dmarc.…`; none is blocking
"""
