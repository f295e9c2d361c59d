"""Affine denoisers fitted to sampled data sets against averages in closed form."""
