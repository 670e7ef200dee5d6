"""What others see of a domain: its representation in the API, and webhook payloads."""
