"""Letterhead manages sender domains: the names that an application, or each of its customers, sends mail from.

- `core`: the rules, without I/O: plans, checks, findings, names, messages.
- `operations`: what users and the worker do, on the ports.
- `ports`: the interfaces to everything outside the process.
- `adapters`: their implementations: DNS, databases, mail, providers, keys.
- `wiring`: the adapters that the settings choose.
- `config`: the settings.
- `web`: the HTTP API and the pages.
- `relay`: the signing SMTP relay.
- `worker`: the background process that does what is due.
- `cli`: the command `letterhead`.
- `data`: tables that are shipped as files.
- `errors`: `Fault`, the one exception for what can go wrong, and its kinds.
"""

__version__ = "0.1.0"
