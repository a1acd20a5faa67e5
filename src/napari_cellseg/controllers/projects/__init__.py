"""The project of the window, and what of it is not on the disk yet."""
