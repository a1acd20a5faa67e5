"""Segment, correct and measure cells in microscopy images."""

__version__ = "0.1.0"
