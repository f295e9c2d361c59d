"""Programs that set the theory of rmtspec against high precision and against sampled matrices.

They run from a checkout as ``python -m validation certify | law | simulate``; each prints a table
and exits with status 1 when a figure is worse than promised. Nothing here is installed with the
package.
"""
