"""Random-matrix theory of diffusion models: spectra, edges, outliers and training times."""
