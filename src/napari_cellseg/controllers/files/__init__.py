"""From the window to files, and back."""
