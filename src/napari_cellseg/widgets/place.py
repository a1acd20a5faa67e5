"""Where the model runs: on this computer, or on a lab server."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.segment import SegmentController
from napari_cellseg.widgets.options_form import may_be_narrow

HERE, SERVER = 0, 1


class PlaceRow(QWidget):
    """Chooses the place, and asks for address and token of a server.

    Parameters
    ----------
    segment : SegmentController
        Is told.
    """

    def __init__(self, segment: SegmentController) -> None:
        super().__init__()
        self._segment = segment
        self.menu = QComboBox()
        self.menu.addItems(["This computer", "Lab server…"])
        self.menu.setToolTip(
            "A lab server is a computer on which 'cellseg serve' runs; images are sent "
            "to it, and it gives the same cells."
        )
        may_be_narrow(self.menu)
        self.menu.activated.connect(self._on_menu_activated)
        self.address = QLineEdit()
        self.address.setPlaceholderText("http://lab-gpu:8080")
        self.address.setToolTip("Address and port of the server.")
        self.token = QLineEdit()
        self.token.setPlaceholderText("token")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setToolTip("Ask who started the server; empty if it has none.")
        self.connect_button = QPushButton("Connect")
        self.connect_button.setToolTip("Ask the server which model it runs.")
        self.connect_button.clicked.connect(self._on_connect_clicked)
        self.address.returnPressed.connect(self._on_connect_clicked)
        self.token.returnPressed.connect(self._on_connect_clicked)
        self._fields = QWidget()
        row = QHBoxLayout(self._fields)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.address, 3)
        row.addWidget(self.token, 1)
        row.addWidget(self.connect_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.menu)
        layout.addWidget(self._fields)
        self._fields.hide()
        segment.changed.connect(self.refresh)
        segment.place_task.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Say where it runs now."""
        segment = self._segment
        device = f" · {segment.device}" if segment.device else ""
        is_remote = bool(segment.address)
        here = "This computer" + ("" if is_remote else device)
        # The device of a server begins with its name.
        server = segment.device or segment.address if is_remote else "Lab server…"
        with signals_blocked(self.menu):
            self.menu.setItemText(HERE, here)
            self.menu.setItemText(SERVER, server)
        is_asking = segment.place_task.is_running
        self.connect_button.setEnabled(not is_asking)
        self.connect_button.setText("Asking…" if is_asking else "Connect")

    def _on_menu_activated(self, index: int) -> None:
        self._fields.setVisible(index == SERVER)
        if index == HERE and self._segment.address:
            self._segment.use_server("")

    def _on_connect_clicked(self) -> None:
        address = self.address.text().strip()
        if address and "://" not in address:
            address = f"http://{address}"
        self._segment.use_server(address, self.token.text())
