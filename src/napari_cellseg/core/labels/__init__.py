"""Labels as arrays: boxes, pieces, outlines, runs."""
