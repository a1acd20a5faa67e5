"""Runs of a model, and what comes of them."""
