"""What others see of a domain.

- `representation`: a domain, its records and its changes as JSON, for the API and for webhooks.
- `webhooks`: the URL of an endpoint, the signature of a message, and what follows from the response to it.
"""
