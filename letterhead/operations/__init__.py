"""Knows what a person or a clock can want: one async function each, which asks the core and acts through the ports."""
