"""The records that a customer must publish, how each DNS host wants them typed, and what an alias means for them."""
