"""Eigenvalues of drawn matrices against means, variances and edges that the package predicts."""
