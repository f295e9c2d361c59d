"""Numerics shared by all ensembles: they know equations, not physics."""

REORDERED = {"reassoc", "contract", "nsz"}
"""Fast-math flags of a kernel that only sums: without reordering its loop is not vectorised.

NaN and infinity keep their meaning.  A difference that must be formed in a given order, to lose no
digits, belongs into a function of its own without these flags.
"""

READS = {"_nrt": False}
"""Options of a kernel that makes no array and hands none on: it only reads those that it is given.

Otherwise every call, and every new name for an array, counts references to it by atomic operations,
which take as long as a dozen multiplications each.
The kernels that it calls inherit this, so that none of them may make an array either.
"""
