"""Theory of rmtspec against high precision, sampled matrices and trained networks.

``python -m validation`` runs from a checkout: single programs that print a table and exit with
status 1 when a figure is worse than promised, and experiments (``run``, ``list``, ``report``) with
resumable records and one page for all of them. Nothing here is installed with the package.
"""

import os

# Before NumPy is imported: the matrices here are so small that threads mostly wait for one another,
# and results must not depend on how many there are.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
