"""Accounts, API keys, quotas and set-up links."""
