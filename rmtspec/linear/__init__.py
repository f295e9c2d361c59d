"""Linear denoisers: losses, divergences, learning curves and the sampled law."""
