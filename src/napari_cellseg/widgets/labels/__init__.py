"""The labels layer: which one is corrected, how it looks, the tools that work on it."""
