"""Knows the outside world: each part implements one port and speaks to one outside thing."""
