"""Numerics shared by all ensembles: they know equations, not physics."""
