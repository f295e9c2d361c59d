"""Score networks of data and neurons with structure: mixtures, and networks of all times."""
