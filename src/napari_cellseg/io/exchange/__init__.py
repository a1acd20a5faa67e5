"""Cells in the formats of other programs, a module each: pure functions on files."""
