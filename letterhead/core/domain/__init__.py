"""A sender domain: its state and the table that moves it, the health of its records, claims, the provider identity."""
