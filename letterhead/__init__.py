"""Letterhead manages sender domains: the names that an application, or each of its customers, sends mail from."""

__version__ = "0.1.0"
