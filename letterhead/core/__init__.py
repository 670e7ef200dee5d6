"""Knows mail and DNS and does nothing: no waiting, no clock, no chance, no logging, no network, no disk."""
