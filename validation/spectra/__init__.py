"""Spectra of sampled feature matrices against theory."""
