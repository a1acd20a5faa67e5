"""The window "AWS": what of ours runs there and what it costs; deploy, stop, check."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.cloud.account.place import EXAMPLES, VARIABLE
from napari_cellseg.cloud.sagemaker.deploy_plan import NO_SCHEDULER
from napari_cellseg.controllers.aws.cloud import TRAINING, CloudController, Preview
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.cloud_options import AccountOptions, PlaceOptions
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.options import range_of
from napari_cellseg.widgets.aws.cloud_deploy import DeployFields, ask_person
from napari_cellseg.widgets.aws.cloud_train import TrainFields
from napari_cellseg.widgets.aws.log_window import LogWindow
from napari_cellseg.widgets.aws.price_window import PriceWindow
from napari_cellseg.widgets.basics.buttons import dialog_button
from napari_cellseg.widgets.basics.jobs import start_job
from napari_cellseg.widgets.basics.pages import scrolling
from napari_cellseg.widgets.basics.words import line_label

TITLE = "Endpoints at AWS"
SIZE = (640, 740)
LIST_HEIGHT = 90
#: Three lines; a longer report scrolls.
REPORT_HEIGHT = 48
LOOK_MILLISECONDS = 60_000


class CloudWindow(QDialog):
    """Shows what runs, and makes and deletes endpoints.

    Parameters
    ----------
    cloud : CloudController
        Does it.
    parent : QWidget, optional
        The window closes with it.
    """

    def __init__(self, cloud: CloudController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cloud = cloud
        self.log_window: LogWindow | None = None
        self._shown: list[str] = []
        self.ask: Callable[[QWidget, str, Preview], bool] = ask_person
        self.setWindowTitle(TITLE)
        self.resize(*SIZE)
        layout = QVBoxLayout(self)
        self.pages = QTabWidget()
        self.pages.addTab(self._deploy_page(), "New endpoint")
        self.pages.addTab(self._train_page(), "Train")
        for part in (self._account_box(), self._running_box(), self.pages):
            layout.addWidget(part)
        layout.addLayout(self._common_buttons())
        self.report = line_label()
        self.report.setAlignment(Qt.AlignmentFlag.AlignTop)
        page = scrolling(self.report)
        page.setMinimumHeight(REPORT_HEIGHT)
        layout.addWidget(page, 1)
        cloud.changed.connect(self.refresh)
        cloud.model_arrived.connect(self._on_model_arrived)
        self._offer_models()
        self.refresh()

    # ------------------------------------------------------------------------ building
    def _account_box(self) -> QGroupBox:
        box = QGroupBox("Account")
        self.profile, self.region = QLineEdit(), QLineEdit()
        self.profile.setPlaceholderText("(the usual one)")
        self.profile.setToolTip(range_of(AccountOptions, "profile").help)
        self.region.setPlaceholderText("(of the profile)")
        self.region.setToolTip(range_of(AccountOptions, "region").help)
        self.list_button = dialog_button(
            "Show what runs", "Ask AWS what of ours runs in this region."
        )
        self.list_button.clicked.connect(self._on_list_clicked)
        row = QHBoxLayout()
        for title, part in (("Profile", self.profile), ("Region", self.region)):
            row.addWidget(QLabel(title))
            row.addWidget(part)
        row.addWidget(self.list_button)
        form = QFormLayout(box)
        form.addRow(row)
        self.image, self.role, self.bucket = QLineEdit(), QLineEdit(), QLineEdit()
        for name, part in (
            ("image", self.image),
            ("role", self.role),
            ("bucket", self.bucket),
        ):
            part.setToolTip(range_of(PlaceOptions, name).help)
            variable = VARIABLE.format(name.upper())
            example = f"such as {EXAMPLES[name]}"
            part.setPlaceholderText(os.environ.get(variable) or example)
            form.addRow(name.capitalize(), part)
        return box

    def _running_box(self) -> QGroupBox:
        box = QGroupBox("Running, and costing money")
        self.running = QListWidget()
        self.running.setWordWrap(True)
        self.running.setFixedHeight(LIST_HEIGHT)
        self.running.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.running.itemSelectionChanged.connect(self.refresh_buttons)
        self.total = QLabel()
        self.total.setWordWrap(True)
        self.stop_button = dialog_button("Stop and delete", "")
        self.stop_button.clicked.connect(self._on_stop_clicked)
        self.prices_button = dialog_button(
            "Prices…", "Look at the prices that count, and correct them."
        )
        self.prices_button.clicked.connect(self._on_prices_clicked)
        self.log_button = dialog_button(
            "Log…", "What an endpoint or a job has printed."
        )
        self.log_button.clicked.connect(self._on_log_clicked)
        self.overdue = QCheckBox("Stop what is over its time while this is open")
        self.overdue.setChecked(True)
        self.overdue.setToolTip(
            "Looks once a minute at what is listed above. With this window closed, AWS "
            f"deletes an endpoint at its time only if told to: {NO_SCHEDULER}."
        )
        self._clock = QTimer(self)
        self._clock.setInterval(LOOK_MILLISECONDS)
        self._clock.timeout.connect(self._on_minute_passed)
        self._clock.start()
        row = QHBoxLayout()
        row.addWidget(self.stop_button)
        row.addWidget(self.overdue)
        row.addStretch()
        row.addWidget(self.log_button)
        row.addWidget(self.prices_button)
        layout = QVBoxLayout(box)
        layout.addWidget(self.running)
        layout.addWidget(self.total)
        layout.addLayout(row)
        return box

    def _deploy_page(self) -> QWidget:
        self.deploying = DeployFields()
        self.deploying.changed.connect(self._on_wish_changed)
        self.deploying.button.clicked.connect(self._on_deploy_clicked)
        return self.deploying

    def _train_page(self) -> QWidget:
        self.training = TrainFields()
        self.training.changed.connect(self._on_wish_changed)
        self.training.button.clicked.connect(self._on_train_clicked)
        return self.training

    def _common_buttons(self) -> QHBoxLayout:
        self.check_button = dialog_button(
            "Check the account",
            "Look whether sign-in, bucket, role, image and quota are ready.",
        )
        self.check_button.clicked.connect(self._on_check_clicked)
        self.cancel_button = dialog_button(
            "Cancel", "An endpoint that is being made is deleted; a training goes on."
        )
        self.cancel_button.clicked.connect(self._cloud.task.cancel)
        row = QHBoxLayout()
        row.addWidget(self.check_button)
        row.addWidget(self.cancel_button)
        return row

    # --------------------------------------------------------------------- what it says
    def account(self) -> AccountOptions:
        """Return the account as it is filled in."""
        return AccountOptions(self.profile.text().strip(), self.region.text().strip())

    def place(self) -> PlaceOptions:
        """Return image, role and bucket as they are filled in."""
        return PlaceOptions(
            self.image.text().strip(),
            self.role.text().strip(),
            self.bucket.text().strip(),
        )

    # ------------------------------------------------------------------- from the view
    def _on_list_clicked(self) -> None:
        self._cloud.list_running(self.account())

    def _on_stop_clicked(self) -> None:
        if name := self._chosen():
            self._cloud.stop(self.account(), name)

    def _on_minute_passed(self) -> None:
        if self.isVisible() and self.overdue.isChecked():
            self._cloud.stop_overdue()

    def _on_prices_clicked(self) -> None:
        wanted = (
            self.deploying.computer.text().strip(),
            self.training.computer.text().strip(),
        )
        PriceWindow(self._cloud.prices_changed, wanted, self).open()

    def _on_log_clicked(self) -> None:
        if self.log_window is None:
            self.log_window = LogWindow(
                self._cloud.new_log(TaskController(start_job)), self
            )
        self.log_window.open_log(self.account(), self._chosen() or self._cloud.last)

    def _on_check_clicked(self) -> None:
        try:
            computer = self.deploying.options().instance_type
            self._cloud.check(self.account(), self.place(), computer)
        except CellsegError as error:
            self._cloud.say(error)

    def _on_deploy_clicked(self) -> None:
        try:
            wish = self.deploying.wish(self.place())
            if self.ask(self, wish.name, self._cloud.preview(wish)):
                self._cloud.deploy(self.account(), wish)
        except CellsegError as error:
            self._cloud.say(error)

    def _on_train_clicked(self) -> None:
        fields = self.training
        try:
            self._cloud.train(
                self.account(),
                fields.wish(),
                self.place(),
                fields.options(),
                fields.machine(),
            )
        except CellsegError as error:
            self._cloud.say(error)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Offer the models that were made since."""
        self._offer_models()
        super().showEvent(event)

    def _offer_models(self) -> None:
        models = self._cloud.models()
        self.deploying.offer(models)
        self.training.offer(models)

    def _on_model_arrived(self, name: str) -> None:
        """Have the new model ready to be deployed."""
        self._offer_models()
        self.deploying.model.setCurrentText(name)

    def _on_wish_changed(self, *_values: Any) -> None:
        try:
            self.deploying.price.setText(self._cloud.price(self.deploying.options()))
        except CellsegError as error:
            self.deploying.price.setText(str(error))
        try:
            words = self._cloud.train_price(self.training.machine())
        except CellsegError as error:
            words = str(error)
        self.training.price.setText(words)

    # ------------------------------------------------------------- from the controller
    def refresh(self) -> None:
        """Follow the controller."""
        try:
            self._show_running()
        except CellsegError as error:  # a price table that cannot be read
            self.total.setText(str(error))
        self._on_wish_changed()
        self._show_report()
        self.training.show_curve(
            self._cloud.curve,
            self._cloud.task.progress.total,
            is_training=self._cloud.is_training,
        )
        self.refresh_buttons()

    def _show_running(self) -> None:
        sentences = self._cloud.sentences()
        if sentences != self._shown:
            self._shown = sentences
            self.running.clear()
            self.running.addItems(sentences)
        # Its room is for the report while there is nothing to list.
        self.running.setVisible(bool(sentences))
        self.total.setText(self._cloud.total())
        self.total.setToolTip(self._cloud.origin())

    def _show_report(self) -> None:
        task = self._cloud.task
        text = "\n".join(self._cloud.lines)
        if task.is_running:
            text = f"{task.name}: {task.progress.message or '…'}"
        elif task.state == "failed" and task.failure is not None and not text:
            text = f"✕ {task.failure.message}"
        elif task.state == "cancelled" and not text:
            text = "Cancelled."
            if task.name == TRAINING:
                text = (
                    "No longer followed; the job goes on if it had begun. Show what runs, "
                    "to stop it; cellseg cloud fetch gets its model."
                )
        self.report.setText(escape(text).replace("\n", "<br>"))

    def refresh_buttons(self) -> None:
        """Say what can be done now."""
        is_busy = self._cloud.task.is_running
        name = self._chosen()
        self.stop_button.setEnabled(bool(name) and not is_busy)
        self.stop_button.setToolTip(
            f"Delete '{name}' with all that hangs on it; results in S3 stay."
            if name
            else "Choose one in the list first."
        )
        for button in (
            self.list_button,
            self.check_button,
            self.deploying.button,
            self.training.button,
        ):
            button.setEnabled(not is_busy)
        self.deploying.button.setToolTip(
            "Something else is under way."
            if is_busy
            else "Shows what will be made and what it costs; asks before it is made."
        )
        self.cancel_button.setEnabled(is_busy)

    def _chosen(self) -> str:
        """Return the name of what is chosen in the list, or ""."""
        row = self.running.currentRow()
        there = self._cloud.there or ()
        has_one = bool(self.running.selectedItems()) and 0 <= row < len(there)
        return there[row].name if has_one else ""


def open_cloud(on_model: Callable[[str], None]) -> CloudController:
    """Return what knows of endpoints, with its jobs on a thread of their own.

    Parameters
    ----------
    on_model : callable
        Hears the name of a model that was trained and fetched.
    """
    cloud = CloudController(TaskController(start_job))
    cloud.model_arrived.connect(on_model)
    return cloud
