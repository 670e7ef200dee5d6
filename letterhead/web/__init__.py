"""Knows HTTP and pages: translates requests into operations and what comes back into JSON. Decides nothing."""
