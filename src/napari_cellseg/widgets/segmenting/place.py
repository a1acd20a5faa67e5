"""Where the model runs: this computer, a lab server, an endpoint of SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.core.cloud_options import AccountOptions
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.run_place import HERE, RunPlace
from napari_cellseg.io.used_endpoints import used_endpoints
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.segmenting.place_fields import EndpointFields, ServerFields

if TYPE_CHECKING:
    from napari_cellseg.controllers.aws.cloud import CloudController
    from napari_cellseg.widgets.aws.cloud_window import CloudWindow

AT_HERE, AT_SERVER, AT_ENDPOINT = 0, 1, 2
#: The words on what runs count on so often, and AWS is asked again.
LOOK_MILLISECONDS = 60_000
ASK_MINUTES = 10
NAMES = ("This computer", "Lab server…", "SageMaker endpoint…")


class PlaceRow(QWidget):
    """Chooses the place, tries it, and says what it is.

    Parameters
    ----------
    segment : SegmentController
        Is told, and shows an image to compare by.
    """

    def __init__(self, segment: SegmentController) -> None:
        super().__init__()
        self._segment, self._place = segment, segment.place
        self.account: CloudWindow | None = None
        #: What knows of endpoints; None while nobody asked for any.
        self.cloud: CloudController | None = None
        self.menu = QComboBox()
        self.menu.addItems(list(NAMES))
        self.menu.setToolTip(
            "A lab server is a computer on which 'cellseg serve' runs; an endpoint is the "
            "same in your AWS account. Images are sent there, and the same cells come "
            "back. Choose the entry again to change it."
        )
        may_be_narrow(self.menu)
        self.menu.activated.connect(self._on_menu_activated)
        self.server = ServerFields()
        self.endpoint = EndpointFields()
        self.server.entered.connect(self._on_connect_clicked)
        self.endpoint.entered.connect(self._on_connect_clicked)
        self.endpoint.list_wanted.connect(self._on_list_wanted)
        self._build_buttons()
        self.report = _plain_label()
        #: What runs at AWS and costs money stands as long as it does.
        self.costs = _plain_label()
        self._clock = QTimer(self)
        self._clock.setInterval(LOOK_MILLISECONDS)
        self._clock.timeout.connect(self._on_minute_passed)
        self._n_minutes = 0
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.menu, self.server, self.endpoint, self.buttons, self.costs,
            self.account_button, self.report, self.compare_button,
        ):  # fmt: skip
            layout.addWidget(part)
        self._show_costs()
        self._show_fields(AT_HERE)
        segment.changed.connect(self.refresh)
        self._place.changed.connect(self.refresh)
        self._place.moved.connect(self._on_moved)
        segment.place_task.changed.connect(self.refresh)
        self.refresh()

    def _build_buttons(self) -> None:
        self.buttons = QWidget()
        row = QHBoxLayout(self.buttons)
        row.setContentsMargins(0, 0, 0, 0)
        self.test_button = QPushButton("Test")
        self.test_button.setToolTip(
            "Ask who you are there, what runs and what it costs; sends no image."
        )
        self.test_button.clicked.connect(self._on_test_clicked)
        self.connect_button = QPushButton("Connect")
        self.connect_button.setToolTip("Segment there from now on.")
        self.connect_button.clicked.connect(self._on_connect_clicked)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self._segment.place_task.cancel)
        for button in (self.test_button, self.connect_button, self.cancel_button):
            row.addWidget(button)
        self.compare_button = QPushButton("Compare with this computer")
        self.compare_button.setToolTip(
            "Segment the middle of the image there and here, and say whether the cells "
            "are the same."
        )
        self.compare_button.clicked.connect(self._on_compare_clicked)

        self.account_button = QPushButton("Deploy, stop, costs…")
        self.account_button.setToolTip(
            "What of ours runs in your AWS account, since when and at what cost; make an "
            "endpoint, or delete one."
        )
        self.account_button.clicked.connect(self._on_account_clicked)

    # ------------------------------------------------------------------ from the view
    def _on_account_clicked(self) -> None:
        if self.account is None:
            from napari_cellseg.widgets.aws.cloud_window import CloudWindow

            self.account = CloudWindow(self._opened_cloud(), self)
        place, left = self.endpoint.place(), used_endpoints()
        is_typed = bool(place.profile or place.region)
        where = left[0] if left and not is_typed else place
        self.account.profile.setText(where.profile)
        self.account.region.setText(where.region)
        self.account.show()
        self.account.raise_()
        if left:
            self.account.list_button.click()

    def known_cloud(self) -> CloudController | None:
        """Return what knows of endpoints; None while nobody asked for any."""
        return self.cloud

    def release(self) -> None:
        """Hear of AWS no more; what was begun there goes on."""
        self._clock.stop()
        if self.account is not None and self.account.log_window is not None:
            self.account.log_window.close()
        if self.cloud is not None:
            self.cloud.changed.disconnect()
            self.cloud.model_arrived.disconnect()

    def _opened_cloud(self) -> CloudController:
        if self.cloud is None:
            from napari_cellseg.widgets.aws.cloud_window import open_cloud

            self.cloud = open_cloud(self._on_model_arrived)
            self.cloud.changed.connect(self._show_costs)
        return self.cloud

    def _on_model_arrived(self, _name: str) -> None:
        """Offer a model that was trained at AWS; what is chosen stays."""
        chosen = self._segment.model
        self._segment.load_models()
        if chosen is not None:
            self._segment.choose_model(chosen.name)

    def _on_menu_activated(self, index: int) -> None:
        self._show_fields(index)
        self._show_state()
        if index == AT_ENDPOINT:
            self._place.ask_names()
        if index == AT_HERE and not self._place.current.is_here:
            self._place.use(HERE)

    def _on_test_clicked(self) -> None:
        if place := self._entered_place():
            self._place.test(place)

    def _on_connect_clicked(self) -> None:
        if place := self._entered_place():
            self._place.use(place)

    def _on_list_wanted(self) -> None:
        self._place.ask_endpoints(self.endpoint.place())

    def _on_compare_clicked(self) -> None:
        try:
            self._segment.compare_places()
        except CellsegError as error:
            self._say(str(error))

    def _entered_place(self) -> RunPlace | None:
        """Return the place as it stands in the fields; None, and why, if it does not."""
        is_endpoint = self.menu.currentIndex() == AT_ENDPOINT
        place = self.endpoint.place() if is_endpoint else self.server.place()
        if not place.is_here:
            return place
        missing = (
            "Choose or type the name of an endpoint first; List shows which there are."
            if is_endpoint
            else "Type the address of the server first, such as http://lab-gpu:8080."
        )
        self._say(missing)
        return None

    def _say(self, text: str) -> None:
        self.report.setText(text)
        self.report.setVisible(bool(text))

    def _show_fields(self, index: int) -> None:
        self.server.setVisible(index == AT_SERVER)
        self.endpoint.setVisible(index == AT_ENDPOINT)
        self.account_button.setVisible(index == AT_ENDPOINT or bool(self.costs.text()))
        self.buttons.setVisible(index != AT_HERE)

    # ------------------------------------------------------------- from the controller
    def _on_moved(self) -> None:
        """Fold away what was filled in; its entry in the menu brings it back."""
        self._show_fields(AT_HERE)
        place = self._place.current
        if place.endpoint:
            # Whoever closes the window over it is told what it costs.
            account = AccountOptions(place.profile, place.region)
            self._opened_cloud().note_used(account, place.endpoint)

    def refresh(self) -> None:
        """Say where it runs now, and what is known of that place."""
        segment, current = self._segment, self._place.current
        names = list(NAMES)
        device = segment.device
        if current.is_here and device:
            names[AT_HERE] = f"{NAMES[AT_HERE]} · {device}"
        elif not current.is_here:
            at = AT_ENDPOINT if current.endpoint else AT_SERVER
            # The device of a server begins with its name.
            names[at] = device or current.title
        with signals_blocked(self.menu):
            for index, name in enumerate(names):
                self.menu.setItemText(index, name)
        self.endpoint.offer(
            self._place.profiles, self._place.regions, self._place.endpoints
        )
        self._show_state()

    def _show_state(self) -> None:
        task = self._segment.place_task
        is_asking = task.is_running
        self.test_button.setEnabled(not is_asking)
        self.connect_button.setEnabled(not is_asking)
        self.cancel_button.setVisible(is_asking)
        self.compare_button.setVisible(
            not self._place.current.is_here and not self._is_filling_in()
        )
        self.compare_button.setEnabled(not is_asking and not self._segment.why_not())
        self.compare_button.setText(
            "Comparing…"
            if is_asking and task.name == "Comparing"
            else "Compare with this computer"
        )
        # Progress and failures stand in the footer, as everywhere.
        text = "" if is_asking else "\n".join(self._place.lines)
        if not text and not is_asking and self._is_filling_in():
            text = f"Until you connect, {self._place.current.title} segments."
        self._say(text)

    def _show_costs(self) -> None:
        """Say what runs at AWS that was made or used here; what was left behind, too."""
        try:
            words = (
                self.cloud.used.cost_words()
                if self.cloud is not None
                else [one.sentence for one in used_endpoints()]
            )
        except CellsegError as error:  # a price table that cannot be read
            words = [str(error)]
        self.costs.setText("\n".join(words))
        self.costs.setVisible(bool(words))
        self.account_button.setVisible(bool(words) or not self.endpoint.isHidden())
        if not words:
            self._clock.stop()
        elif not self._clock.isActive():
            self._clock.start()

    def _on_minute_passed(self) -> None:
        """Count on; ask AWS itself now and then, as somebody else may have stopped it."""
        self._n_minutes += 1
        if self.cloud is not None and self._n_minutes % ASK_MINUTES == 0:
            self.cloud.look_again()
        self._show_costs()

    def _is_filling_in(self) -> bool:
        """Say whether the fields of a place are open."""
        return not (self.server.isHidden() and self.endpoint.isHidden())


def _plain_label() -> QLabel:
    """Return a label for texts of any length; a long name must not widen the dock."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label
