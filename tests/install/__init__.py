"""Every form in which Letterhead is installed: each from nothing, each to a verified domain."""
