"""``python -m napari_cellseg``, the same as ``cellseg``; torchrun starts it this way."""

from napari_cellseg.cli.main import main

main()
