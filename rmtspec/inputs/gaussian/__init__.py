"""Gaussian moments of activations, closed or by quadrature."""
