"""Sizes, shapes and intensities of objects, in physical units."""
