"""Implementations of the ports, each for one thing outside; wiring alone names them."""
