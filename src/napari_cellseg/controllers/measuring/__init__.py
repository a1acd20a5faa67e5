"""The table of cells: its numbers, its rows, gates on its columns."""
