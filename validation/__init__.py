"""Programs that set the theory of rmtspec against high precision and against sampled matrices.

They run from a checkout as ``python -m validation COMMAND``; each prints a table and exits
with status 1 when a figure is worse than promised. Nothing here is installed with the
package.
"""

import os

# Before NumPy is imported: the matrices here are so small that threads mostly wait for one another,
# and results must not depend on how many there are.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
