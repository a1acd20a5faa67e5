"""Which cells to look at first, and why."""
