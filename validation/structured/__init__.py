"""Networks and data with structure, simulated with true features, against theory."""
