"""From pixels to cells: what the network sees, and how its maps become labels."""
