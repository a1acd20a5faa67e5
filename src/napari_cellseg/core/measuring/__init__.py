"""From labels to the table of cells, and where its numbers come from."""
