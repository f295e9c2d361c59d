"""Many points at once: a grid of parameters in, a labelled data set out.

====================  =========================================================================
`sweeps.grid`         the grid: axes, fixed arguments, and the blocks it is cut into
`sweeps.points`       one block: values, and why points failed
`sweeps.store`        results as a Zarr group, on disk or in memory
`sweeps.execution`    blocks to processes or to a Dask cluster (joblib and distributed schedule)
`sweeps.problems`     the sweeps known by name
`sweeps.sweep`        `rmtspec.sweep`
`sweeps.diagrams`     phase diagrams: a sweep with a grid of its own and what is worth drawing
====================  =========================================================================

Needs the extra ``rmtspec[sweep]``: xarray, zarr, dask, distributed, joblib.
"""
