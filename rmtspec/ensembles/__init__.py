"""Random matrices, one a file: self-consistent equations, kernels and the exact inverse map."""
