"""The protocols through which the operations reach the outside world, one file a port, without implementations."""
