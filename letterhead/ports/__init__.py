"""What the operations need of the outside world, as protocols: one file a port, and no implementation of any."""
