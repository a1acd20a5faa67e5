"""The command line: ``cellseg segment | measure | evaluate | train | doctor | app``.

Importing it loads neither torch nor tables nor images; each command loads what it needs.
"""

from napari_cellseg.cli.main import app, main

__all__ = ["app", "main"]
