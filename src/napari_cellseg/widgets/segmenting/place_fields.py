"""What is filled in for a lab server, and for an endpoint of SageMaker."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.core.run_place import RunPlace, server_of
from napari_cellseg.widgets.basics.options_form import may_be_narrow

#: Beside a menu it would push the fields out of a dock of the usual width.
LIST_WIDTH_PX = 44
USUAL_PROFILE = "(the usual one)"
USUAL_REGION = "(of the profile)"


class ServerFields(QWidget):
    """Address and token of a lab server."""

    entered = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.address = QLineEdit()
        self.address.setPlaceholderText("http://lab-gpu:8080")
        self.address.setToolTip("Address and port of the server.")
        self.token = QLineEdit()
        self.token.setPlaceholderText("token")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        self.token.setToolTip(
            "Ask who started the server; empty if it has none. It is kept for this address "
            "only."
        )
        self._tokens: dict[str, str] = {}
        #: Whose the token is that stands in the field; "" until that is settled.
        self._owner = ""
        self.address.textChanged.connect(self._on_address_changed)
        self.token.textEdited.connect(self._on_token_edited)
        self.address.returnPressed.connect(self.entered)
        self.token.returnPressed.connect(self.entered)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.address, 3)
        row.addWidget(self.token, 1)

    def place(self) -> RunPlace:
        """Return the server as it is filled in; the token is its own from now on."""
        self._owner = server_of(self._full_address())
        return RunPlace(self._full_address(), self.token.text())

    def _full_address(self) -> str:
        address = self.address.text().strip()
        return f"http://{address}" if address and "://" not in address else address

    def _on_address_changed(self, _text: str) -> None:
        """Put a token away with its server; another server must never see it."""
        server = server_of(self._full_address())
        if self._owner and self._owner != server:
            self._tokens[self._owner] = self.token.text()
            self._owner = ""
            self.token.clear()
        if server in self._tokens and not self.token.text():
            self._owner = server
            self.token.setText(self._tokens[server])

    def _on_token_edited(self, _text: str) -> None:
        self._owner = server_of(self._full_address())


class EndpointFields(QWidget):
    """Profile, region and name of an endpoint; never a key."""

    entered = Signal()
    list_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.profile = QComboBox()
        self.profile.setToolTip(
            "Profile in ~/.aws that signs you in; 'aws configure sso' makes one. Keys are "
            "never asked for or kept here."
        )
        self.region = QComboBox()
        self.region.setEditable(True)
        self.region.setToolTip("Where your endpoint is, such as eu-central-1.")
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setToolTip("Name of the endpoint; 'cellseg cloud deploy' makes one.")
        for menu in (self.profile, self.region, self.name):
            may_be_narrow(menu)
            menu.setMinimumContentsLength(5)
        edit = self.name.lineEdit()
        if edit is not None:
            edit.setPlaceholderText("my-cells")
            edit.returnPressed.connect(self.entered)
        self.list_button = QPushButton("List")
        self.list_button.setMaximumWidth(LIST_WIDTH_PX)
        self.list_button.setToolTip("Look which endpoints there are.")
        self.list_button.clicked.connect(self.list_wanted)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, (title, menu) in enumerate(
            (
                ("Profile", self.profile),
                ("Region", self.region),
                ("Endpoint", self.name),
            )
        ):
            grid.addWidget(QLabel(title), row, 0)
            grid.addWidget(menu, row, 1, 1, 1 if menu is self.name else 2)
        grid.addWidget(self.list_button, 2, 2)
        self.offer([], [], [])

    def offer(
        self, profiles: Sequence[str], regions: Sequence[str], names: Sequence[str]
    ) -> None:
        """Offer what there is; what is filled in stays."""
        _offer(self.profile, [USUAL_PROFILE, *profiles])
        _offer(self.region, [USUAL_REGION, *regions])
        _offer(self.name, list(names))

    def place(self) -> RunPlace:
        """Return the endpoint as it is filled in."""
        profile, region = self.profile.currentText(), self.region.currentText().strip()
        return RunPlace(
            endpoint=self.name.currentText().strip(),
            profile="" if profile == USUAL_PROFILE else profile,
            region="" if region == USUAL_REGION else region,
        )


def _offer(menu: QComboBox, entries: list[str]) -> None:
    """Show other entries, and keep what is chosen or typed."""
    if [menu.itemText(index) for index in range(menu.count())] == entries:
        return
    text = menu.currentText()
    with signals_blocked(menu):
        menu.clear()
        menu.addItems(entries)
        if text:
            menu.setCurrentText(text)
        edit = menu.lineEdit()
        if edit is not None:
            # The beginning of a long name says more than its end.
            edit.setCursorPosition(0)
