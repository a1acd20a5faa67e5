"""The dock "Cell segmentation"."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_cellseg.controllers.engine import Engine, LocalEngine
from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.reviewing.missing import MissingController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.controllers.segmenting.find import FindController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import JobStarter, TaskController
from napari_cellseg.controllers.training.train import TrainController, TrainerOpener
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.engines import open_trainer
from napari_cellseg.io.models.store import promoted
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.basics.footer import Footer
from napari_cellseg.widgets.basics.jobs import start_job
from napari_cellseg.widgets.basics.pages import scrolling
from napari_cellseg.widgets.canvas.canvas import free_layers_where_drawn
from napari_cellseg.widgets.canvas.gestures import GestureCapture
from napari_cellseg.widgets.canvas.layer_images import plain, set_pixel_size
from napari_cellseg.widgets.canvas.small_screen import SmallScreen
from napari_cellseg.widgets.closing.left_endpoints import LeftEndpoints
from napari_cellseg.widgets.closing.left_training import ClosingGuard
from napari_cellseg.widgets.correcting.areas import AreasView
from napari_cellseg.widgets.correcting.classes import ClassLink
from napari_cellseg.widgets.correcting.correct_link import CorrectLink
from napari_cellseg.widgets.correcting.proofread import CorrectTab
from napari_cellseg.widgets.correcting.time import TimeLink
from napari_cellseg.widgets.images.canvas_drops import CanvasDrops
from napari_cellseg.widgets.images.image_header import ImageHeader
from napari_cellseg.widgets.images.many_images import ManyImages
from napari_cellseg.widgets.images.opening import FileOpener, dropped_paths
from napari_cellseg.widgets.labels.exchange import CellExchange
from napari_cellseg.widgets.labels.first_use import use_once
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper
from napari_cellseg.widgets.labels.tools import CanvasTools
from napari_cellseg.widgets.measuring.cell_colours import CellColours
from napari_cellseg.widgets.measuring.measure import MeasureTab
from napari_cellseg.widgets.measuring.results import ResultWriter
from napari_cellseg.widgets.pinned_button import PinnedButton
from napari_cellseg.widgets.projects.project_link import ProjectLink
from napari_cellseg.widgets.projects.project_run import ProjectRunLink
from napari_cellseg.widgets.projects.watch import WatchLink
from napari_cellseg.widgets.segmenting.difference import DifferenceLink
from napari_cellseg.widgets.segmenting.question import HandWorkQuestion
from napari_cellseg.widgets.segmenting.run_link import RunLink
from napari_cellseg.widgets.segmenting.segment import SegmentTab
from napari_cellseg.widgets.segmenting.segment_link import SegmentLink
from napari_cellseg.widgets.telling import Teller
from napari_cellseg.widgets.training.train import TrainTab

#: The dock's width, with the frame that napari puts around it, stays below 360 px.
NARROWEST_PX = 344
TAB_NAMES = ("Segment", "Correct", "Train", "Measure")


class CellSegmentationWidget(QWidget):
    """Segment, correct and measure cells of the images in one viewer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer; napari passes it by this name.
    engine : Engine, optional
        None runs models on this computer.
    starter : JobStarter
        Runs jobs off the main thread.
    trainer : TrainerOpener
        Trains models; the default does so on this computer.
    """

    def __init__(
        self,
        napari_viewer: Any,
        engine: Engine | None = None,
        starter: JobStarter = start_job,
        trainer: TrainerOpener = open_trainer,
    ) -> None:
        super().__init__()
        self.viewer = plain(napari_viewer)
        self._cleanup = Cleanup()
        self.destroyed.connect(self._cleanup.run)
        free_layers_where_drawn(self.viewer, self._cleanup)
        self.task = TaskController(starter)
        self.session = Session()
        self.proofread = ProofreadController()
        self.measure = MeasureController(
            self.session, self.proofread, TaskController(starter)
        )
        tasks = (
            self.task, TaskController(starter), TaskController(starter),
            TaskController(starter),
        )  # fmt: skip
        self.segment = SegmentController(
            self.session, engine or LocalEngine(), self.proofread, tasks
        )
        self.review = ReviewController(self.proofread, self.measure)
        self.missing = MissingController(self.proofread)
        self.projects = ProjectController()
        self.train = TrainController(
            self.session, self.segment, self.projects, TaskController(starter), trainer
        )
        self.gestures = GestureCapture(self.viewer, self)
        self.finder = FindController(
            self.segment, self.proofread, TaskController(starter)
        )
        self.tools = CanvasTools(
            self.gestures, CellTools(self.proofread), self.finder, self.measure, self
        )
        self.keeper = LabelsKeeper(self.viewer, self.proofread, self.tools, self)
        self._was_docked = False
        self.files = TaskController(starter)
        self.opener = FileOpener(self.viewer, TaskController(starter), self)
        self._build()
        self.areas = AreasView(self.viewer, self.proofread, self.keeper, self)
        self.link = ProjectLink(self, self)
        self._layout.insertWidget(0, self.link.bar)
        self._layout.insertWidget(self._layout.count() - 1, self.link.preparing.box)
        self.runs = RunLink(self)
        self.results = ResultWriter(self, self.files, self.footer)
        self.teller = Teller(
            self.footer,
            self.segment,
            self.measure,
            self.train,
            (self.files, self.opener.task),
            self,
        )
        self.exchange = CellExchange(self)
        self.starting = SegmentLink(self, self.question, self._cleanup)
        self.pinned = PinnedButton(self)
        self._link(starter)
        self._connect()
        self._load_models()
        self._on_image_chosen()
        endpoints = LeftEndpoints(self.segment_tab.place.known_cloud, self.footer)
        self.guard = ClosingGuard(
            self.train, self.footer, self, self.link.unsaved, endpoints
        )
        self._cleanup.add(self.guard.release)

    # ------------------------------------------------------------------- building
    def _link(self, starter: JobStarter) -> None:
        """Join what is done in the background to the tabs that show it."""
        self.watch = WatchLink(self, TaskController(starter))
        self.through_time = TimeLink(self, TaskController(starter), self._cleanup)
        self.correcting = CorrectLink(self, self._cleanup)
        self.by_class = ClassLink(self, self._cleanup)
        self.colours = CellColours(self.measure, self.keeper)
        self.colours.failed.connect(self.teller.show_error)
        self.measure_tab.colours_wanted.connect(self.colours.by_column)
        self._cleanup.add(self.colours.release)
        self.rerun = DifferenceLink(self, TaskController(starter), self._cleanup)
        self.many = ManyImages(self, TaskController(starter), self._cleanup)
        self._layout.insertWidget(2, self.many.question)
        self.whole = ProjectRunLink(self, TaskController(starter), self._cleanup)
        for progress in (self.many.progress, self.whole.progress):
            self._layout.insertWidget(self._layout.count() - 1, progress)
        self._drops = CanvasDrops(self.viewer, self.opener.open, self)
        self._screen = SmallScreen(self.viewer, self)
        self._cleanup.add(self._drops.release)
        self._cleanup.add(self._screen.release)

    def _build(self) -> None:
        self.setAcceptDrops(True)
        self.header = ImageHeader(self.viewer, self.session)
        self.segment_tab = SegmentTab(self.segment)
        self.correct_tab = CorrectTab(
            self.proofread, self.tools, self.review, self.missing
        )
        self.train_tab = TrainTab(self.train)
        self.measure_tab = MeasureTab(self.measure)
        self.tabs = QTabWidget()
        pages = (self.segment_tab, self.correct_tab, self.train_tab, self.measure_tab)
        for page, name in zip(pages, TAB_NAMES, strict=True):
            self.tabs.addTab(scrolling(page), name)
        self.footer = Footer(self.viewer, self.task)
        self.question = HandWorkQuestion()
        self.setMinimumWidth(NARROWEST_PX)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(8, 8, 8, 8)
        self._layout.addWidget(self.header)
        self._layout.addWidget(self.opener.buttons)
        self._layout.addWidget(self.tabs, 1)
        self._layout.addWidget(self.question)
        self._layout.addWidget(self.footer)

    def _connect(self) -> None:
        self.header.chosen.connect(self._on_image_chosen)
        self.header.labels_of = self.keeper.layer_of_image
        self.opener.shown.connect(self.header.show_chosen)
        self.segment.first_use = use_once
        self.opener.project_button.clicked.connect(self.link.bar.open_wanted)
        self.tabs.currentChanged.connect(self._on_tab_changed)
        self.keeper.failed.connect(self.teller.show_error)
        self.keeper.copied.connect(self.teller.show_note)
        self.keeper.clicked.connect(self.measure.select)
        self.measure_tab.table_wanted.connect(self.results.open_table)
        self.session.pixel_size_changed.connect(self._on_pixel_size_changed)
        self.measure.selected.connect(self.keeper.select)
        self.review.shown.connect(self._on_review_shown)
        self.train_tab.failed.connect(self.teller.show_error)
        for action in (
            self.areas.release, self.link.release, self.teller.release,
            self.watch.release, self.exchange.release,
            self.files.abandon, self.opener.task.abandon, self.runs.release,
            self.segment.close, self.segment_tab.place.release,
            self.train.close, self.measure.task.abandon, self.gestures.stop,
            self.keeper.release,
            self.header.release,
        ):  # fmt: skip
            self._cleanup.add(action)
        self._cleanup.add(self._forget)
        self.keeper.refresh_layers()

    def _forget(self) -> None:
        """Drop the arrays: napari keeps the widget for a while after its dock."""
        for signal in (
            self.session.image_changed, self.session.pixel_size_changed,
            self.proofread.opened, self.proofread.edited, self.proofread.noticed,
            self.proofread.reviewed, self.proofread.exchanged,
            self.review.changed, self.review.shown,
            self.missing.changed, self.missing.shown,
            self.segment.changed, self.segment.finished, self.segment.redecoded,
            self.measure.changed, self.measure.behind, self.measure.selected,
            self.measure.task.changed,
            self.train.changed, self.train.promoted, self.train.task.changed,
            self.task.changed, self.segment.live_task.changed,
            self.segment.place_task.changed, self.files.changed,
            self.segment.arrived, self.opener.task.changed,
            self.segment.place.changed, self.segment.place.moved,
        ):  # fmt: skip
            signal.disconnect()
        self.session.image = self.session.result = None
        self.segment.run = None
        self.measure.table = None
        self.proofread.cells = None
        self.header.choice = None

    def _load_models(self) -> None:
        try:
            self.segment.load_models()
            self.segment.choose_model(promoted())
        except CellsegError as error:
            self.segment.model_problem = str(error)

    def release(self) -> None:
        """Stop all work and let go of the viewer; safe to call twice."""
        self.results.close_table()
        self._cleanup.run()

    def event(self, event: QEvent | None) -> bool:
        """Let go when napari takes the widget out of its dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._was_docked:
                self.release()
                self.deleteLater()
            self._was_docked = self.parent() is not None
            if self._was_docked:
                self._screen.fit_soon()
        return super().event(event)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files that are dragged in."""
        if event is not None and dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open files that are dropped."""
        if event is not None and (paths := dropped_paths(event.mimeData())):
            self.opener.open(paths)
            event.acceptProposedAction()

    def _on_review_shown(self, cell: int) -> None:
        """Bring the cell that is looked at to the middle, large enough to judge."""
        self.measure.select(cell)
        place = self.measure.place_of(cell)
        if place is not None:
            self.keeper.look_at(place, self.measure.shown_diameter_of(cell))

    # ------------------------------------------------------------------- the image
    def _on_image_chosen(self) -> None:
        choice = self.header.choice
        self.question.hide()
        self.opener.buttons.setVisible(choice is None)
        self.tools.leave()
        self.gestures.drop_gone()
        self.keeper.follow_image(None if choice is None else choice.layers[0])
        if self.session.image is not None:
            self.segment.wake()
        self.footer.tell("")
        self.link.on_image_chosen()
        self.pinned.offer()

    def _on_pixel_size_changed(self) -> None:
        """Give the labels the pixel size that was set on their image."""
        size, layer = self.session.pixel_size, self.keeper.layer
        if size is not None and layer is not None:
            set_pixel_size([layer], size)

    # ------------------------------------------------------------------ segmenting
    def start(self) -> None:
        """Segment, after asking where there is work by hand."""
        self.starting.start()

    def _on_tab_changed(self, index: int) -> None:
        self.tools.leave()
        if index == TAB_NAMES.index("Train"):
            self.train.count()
        self.pinned.offer()
