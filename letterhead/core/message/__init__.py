"""An Internet message (RFC 5322) and the result of authenticating it (RFC 8601).

The public face is both modules.

- `message`: a message parsed from octets, the addresses in its fields, and the hops of its Received fields
- `auth_result`: a result of SPF, DKIM or DMARC by its name in RFC 8601 2.7, the reason for it, and the fix
"""
