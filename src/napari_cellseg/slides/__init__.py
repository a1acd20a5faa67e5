"""Whole slides: cut into tiles that any number of processes work on, and put together.

`plan` settles what all tiles share; `tile` finds the cells of one and `tile_file` keeps
them; `joining` takes each cell from one tile and numbers it; `painting` writes the labels;
`workers` lets Dask do the tiles. Nothing here knows a network: a segmenter is handed in.
"""
