"""Which image is worked on: opened, dropped, described in the head of the dock."""
