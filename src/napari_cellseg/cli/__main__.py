"""``python -m napari_cellseg.cli``, the same as ``cellseg``."""

from napari_cellseg.cli.main import main

main()
