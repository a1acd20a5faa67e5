"""Segmentation elsewhere: what travels, and who is asked."""
