"""Projects: images by reference, labels, and every correction as it was made.

A folder ``NAME.cellseg/``: ``project.db`` (SQLite), ``labels/`` (one OME-Zarr an image),
``models/``. Images stay where they are and are never written.
"""
