"""When to check, to retry and to remind, and how late checks start."""
