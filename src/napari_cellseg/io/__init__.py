"""Files to values and back. May import `core`."""
