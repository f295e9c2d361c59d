"""Compiled parts, in one folder: each is compiled anew when another changes."""
