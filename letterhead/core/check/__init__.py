"""The whole of one check: which questions to ask, what the answers mean; preflight; authentication of a message."""
