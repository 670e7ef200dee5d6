"""The MX record of the MAIL FROM domain (RFC 5321 5.1), to which bounces are sent.

The public face is `topic`.

- `topic`: the planned MX, whether it is there, and the rules that recognise each way of getting it wrong
- `diagnoses`: the text of each diagnosis, `mail-from.mx-…` and `mail-from.in-use`
"""
