"""Knows the outside world, one thing per module, each behind a port; wiring alone names any of it."""
