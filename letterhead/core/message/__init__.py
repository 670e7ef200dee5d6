"""An Internet message (RFC 5322) and the result of authenticating it (RFC 8601).

The public face is every module.

- `message`: a message parsed from octets, and the addresses in its fields
- `copies`: what saving and copying does to a message, and how to undo it
- `envelope`: the client and the envelope sender, from Received, Return-Path and what the receiver wrote beside them
- `auth_result`: a result of SPF, DKIM or DMARC by its name in RFC 8601 2.7, the reason for it, and the fix
"""
