"""Numerics shared by all ensembles: they know equations, not physics."""

REORDERED = {"reassoc", "contract", "nsz"}
"""Fast-math flags of a kernel that only sums: without reordering its loop is not vectorised.

NaN and infinity keep their meaning.  A difference that must be formed in a given order, to lose no
digits, belongs into a function of its own without these flags.
"""
