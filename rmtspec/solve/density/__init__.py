"""A density on bulks as polynomials: placed, integrated, inverted."""
