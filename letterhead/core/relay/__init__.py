"""The mail relay's rules for a submitted message.

- `submission`: what a message must be like, and what is added to it and taken away.
- `queue`: what becomes of a queued message after each attempt.
- `dsn`: the delivery status notification for a failure.
- `proxy_protocol`: the client's address that a TCP proxy names.
"""
