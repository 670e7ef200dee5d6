"""Measure Letterhead against a floor and against peers, in one run on one machine: `./dev bench`."""
