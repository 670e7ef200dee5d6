"""Knows DNS: real servers (resolver) and zone text (zonefile) behind the same port."""
