"""Corrections: each an `Edit` that can be undone, and what goes with it."""
