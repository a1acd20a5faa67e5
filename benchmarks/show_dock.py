"""Open napari with the dock in this fresh process and print the seconds of each step."""

from __future__ import annotations

import time

started = time.perf_counter()

import napari  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402


def main() -> None:
    """Show the viewer, then the dock, and wait until each is drawn."""
    viewer = napari.Viewer(show=True)
    QApplication.processEvents()
    with_viewer = time.perf_counter()
    from napari_cellseg.widgets.main import CellSegmentationWidget

    imported = time.perf_counter()
    dock = CellSegmentationWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Cell segmentation", area="right")
    while not dock.isVisible():
        QApplication.processEvents()
    QApplication.processEvents()
    shown = time.perf_counter()
    print(f"napari without the dock: {with_viewer - started:.3f}")
    print(f"importing the dock: {imported - with_viewer:.3f}")
    print(f"showing the dock: {shown - imported:.3f}")
    viewer.close()


if __name__ == "__main__":
    main()
