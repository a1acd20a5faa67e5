"""The tab "Train"."""
