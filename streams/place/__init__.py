"""The place: the catalogue of codes and grids, coordinate systems, and the functions which find a place."""
