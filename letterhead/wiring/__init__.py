"""The composition root: it alone names adapters, and gives each face what it needs."""
