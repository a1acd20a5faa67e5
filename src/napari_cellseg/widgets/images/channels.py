"""Which channel shows the cells, and which their nuclei: two rows of a form."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel
from superqt.utils import signals_blocked

from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.core.options import SegmentOptions, range_of
from napari_cellseg.widgets.basics.options_form import may_be_narrow

NO_NUCLEI = "no channel"


class ChannelRows:
    """Shown for images with several channels only.

    Parameters
    ----------
    segment : SegmentController
        Holds the options.
    form : QFormLayout
        Gets the rows at its end.
    """

    def __init__(self, segment: SegmentController, form: QFormLayout) -> None:
        self._segment = segment
        self.cells, self.nuclei = QComboBox(), QComboBox()
        self.cells.setPlaceholderText("choose…")
        self.cells.setToolTip("The channel that shows the cells.")
        self.nuclei.setToolTip(range_of(SegmentOptions, "nuclei_channel").help)
        self._titles = QLabel("Cells in"), QLabel("Nuclei in")
        for title, menu in zip(self._titles, (self.cells, self.nuclei), strict=True):
            may_be_narrow(menu)
            form.addRow(title, menu)
        self.cells.currentIndexChanged.connect(self._on_cells_chosen)
        self.nuclei.currentIndexChanged.connect(self._on_nuclei_chosen)

    def refresh(self) -> None:
        """Show what the controller holds."""
        image = self._segment.session.image
        is_needed = image is not None and image.n_channels > 1 and not image.is_rgb
        names = list(image.channel_names) if image is not None and is_needed else []
        options = self._segment.options
        cells, nuclei = options.channel, options.nuclei_channel
        _show(self.cells, names, -1 if cells is None else cells)
        _show(self.nuclei, [NO_NUCLEI, *names], 0 if nuclei is None else nuclei + 1)
        for widget in (*self._titles, self.cells, self.nuclei):
            widget.setVisible(is_needed)
        # There is nothing to tell apart before the cells are known.
        self.nuclei.setEnabled(cells is not None)

    def _on_cells_chosen(self, index: int) -> None:
        if index == self._segment.options.nuclei_channel:
            self._segment.set_option("nuclei_channel", None)
        self._segment.set_option("channel", index if index >= 0 else None)

    def _on_nuclei_chosen(self, index: int) -> None:
        nuclei = index - 1 if index > 0 else None
        if nuclei == self._segment.options.channel:
            nuclei = None
        self._segment.set_option("nuclei_channel", nuclei)
        self.refresh()


def _show(menu: QComboBox, names: Sequence[str], index: int) -> None:
    """Show names in a menu, and which one is chosen; nobody is told."""
    with signals_blocked(menu):
        if list(names) != [menu.itemText(i) for i in range(menu.count())]:
            menu.clear()
            menu.addItems(names)
        menu.setCurrentIndex(index)
