"""Do what the documents say, as they say it."""
