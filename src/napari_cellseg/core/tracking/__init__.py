"""Cells through time."""
