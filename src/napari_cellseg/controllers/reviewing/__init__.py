"""What to look at first: doubtful cells, and places where one may be missing."""
