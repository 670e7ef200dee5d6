"""Other people's test suites, fetched when they are run."""
