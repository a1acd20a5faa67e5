"""Opening files and samples from the dock: errors stand where the person looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.errors import CellsegError, ImageReadError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.io.reading.paths import list_images
from napari_cellseg.io.s3.address import SCHEME, is_s3_address
from napari_cellseg.io.sniff import IMAGE_SUFFIXES, ZARR_FILES, sniff
from napari_cellseg.project.store import SUFFIX as PROJECT_SUFFIX
from napari_cellseg.widgets.basics.buttons import more_button
from napari_cellseg.widgets.canvas.layer_images import light_up
from napari_cellseg.widgets.canvas.stand_in import StandIn
from napari_cellseg.widgets.contributions import (
    LayerData,
    read_layers,
    sample_nuclei,
)

#: napari takes about half a second for a layer, and lays them all on top of each other.
MOST_UNASKED = 20


class FileOpener(QObject):
    """Reads files off the main thread and shows them.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layers.
    task : TaskController
        Reads, and does nothing else: the next image must not stop a file that is being
        written. What goes wrong is its failure.
    parent : QWidget
        The dock.

    Signals
    -------
    opening : list of str
        What is opened now; "" is the sample.
    many_found : list of str
        More images than are opened unasked.
    project_found : str
        A project was to be opened as if it were an image.
    shown
        What was opened has its layers.
    """

    opening = Signal(list)
    many_found = Signal(list)
    project_found = Signal(str)
    shown = Signal()

    def __init__(self, viewer: Any, task: TaskController, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._dock = parent
        self.task = task
        self._being_read: list[str] = []
        self.buttons = QWidget()
        row = QHBoxLayout(self.buttons)
        row.setContentsMargins(0, 0, 0, 0)
        self.open_button = QPushButton("Open image…")
        self.open_button.setToolTip(
            "TIFF, PNG, JPEG, LSM, SVS; of an OME-Zarr the zarr.json in its folder. Or drop "
            "files or folders here."
        )
        self.more_button = self._more_button()
        self.sample_button = QPushButton("Sample")
        self.sample_button.setToolTip("Open an image of nuclei to try everything on.")
        self.project_button = QPushButton("Open project…")
        self.project_button.setToolTip("Go on with images and cells that were saved.")
        buttons = (self.open_button, self.sample_button, self.project_button)
        for button in (*buttons, self.more_button):
            button.setMinimumHeight(2 * button.fontMetrics().height())
            row.addWidget(button, 1 if button in buttons else 0)
        self.open_button.clicked.connect(self.ask)
        self.sample_button.clicked.connect(self.open_sample)

    def _more_button(self) -> QPushButton:
        """Return the button for what lies elsewhere."""
        menu = QMenu(self._dock)
        self.folder_action = QAction("Open folder…", menu)
        self.folder_action.triggered.connect(self.ask_folder)
        self.address_action = QAction("Open an address in S3…", menu)
        self.address_action.triggered.connect(self.ask_address)
        self.watch_action = QAction("Watch a folder or bucket…", menu)
        menu.addActions([self.folder_action, self.address_action, self.watch_action])
        return more_button(
            menu, "A folder, images in S3, and results of a folder or bucket."
        )

    def ask_address(self) -> None:
        """Ask for an address in S3 and open it."""
        address, is_given = QInputDialog.getText(
            self._dock,
            "Open an image in S3",
            "Address, such as s3://bucket/folder/image.tif:",
            text=SCHEME,
        )
        if is_given and address.strip() not in ("", SCHEME):
            self.open([address.strip()])

    def ask_folder(self) -> None:
        """Ask for a folder of images, or one that is an image, and open it."""
        folder = QFileDialog.getExistingDirectory(
            self._dock, "Open a folder of images, or an OME-Zarr"
        )
        if folder:
            self.open([folder])

    def ask(self) -> None:
        """Ask for files and open them."""
        # Qt chooses files or folders, never both: an OME-Zarr is chosen by a file in it.
        kinds = " ".join([*(f"*{one}" for one in IMAGE_SUFFIXES), *ZARR_FILES])
        paths, _ = QFileDialog.getOpenFileNames(
            self._dock, "Open images of cells", "", f"Images ({kinds});;All files (*)"
        )
        if paths:
            self.open(paths)

    def open(self, paths: list[str]) -> None:
        """Open files, and those in folders; many are asked about first."""
        if len(paths) == 1 and Path(paths[0]).suffix == PROJECT_SUFFIX:
            self.project_found.emit(paths[0])
            return
        paths = [one for path in paths for one in _files_of(path)]
        if len(paths) > MOST_UNASKED:
            self.many_found.emit(paths)
        else:
            self.open_all(paths)

    def open_all(self, paths: list[str]) -> None:
        """Open files; one that cannot be read is told of, and the others open."""
        self.opening.emit(paths)
        # A task forgets what it was at: files that are not shown yet are read again.
        waiting = self._being_read if self.task.is_running else []
        paths = self._being_read = [*waiting, *paths]
        self.task.start("Opening", _read_job(paths), self._show_read)

    def open_kept(
        self, address: str, stand_in: StandIn | None, make_room: Callable[[], None]
    ) -> None:
        """Open an image of a project; if it cannot be had, what stands in for it.

        What is shown stays until it is read: only then `make_room` takes it away.
        """
        self.opening.emit([address])
        show = partial(self._show_instead, make_room)
        self.task.start("Opening", _kept_job(address, stand_in), show)

    def _show_instead(
        self, make_room: Callable[[], None], layers: list[LayerData]
    ) -> None:
        make_room()
        self._show(layers)

    def work(self, name: str, job: Job[Any], on_done: Callable[[Any], None]) -> None:
        """Do something with files off the main thread; what goes wrong is told of."""
        self.task.start(name, job, on_done)

    def open_sample(self) -> None:
        """Open the sample."""
        self.opening.emit([""])
        self.task.start("Opening", _sample_job(), self._show)

    def _show_read(self, read: tuple[list[LayerData], list[str]]) -> None:
        """Show what could be read, then say what could not."""
        layers, problems = read
        self._being_read = []
        if layers:
            self._show(layers)
        if problems:
            n_more = len(problems) - 1
            more = f" {n_more} more could not be opened either." if n_more else ""
            raise ImageReadError(problems[0] + more)

    def _show(self, layers: list[LayerData]) -> None:
        for data, values, kind in layers:
            layer = Layer.create(data, values, kind)
            light_up(layer)
            self._viewer.add_layer(layer)
        self.shown.emit()


def _files_of(path: str) -> list[str]:
    """Return the images in a folder, the OME-Zarr around a file of it, or the path itself."""
    if Path(path).name in ZARR_FILES and not is_s3_address(path):
        return [str(Path(path).parent)]
    folder = Path(path)
    if folder.suffix.lower() == ".zarr" or not folder.is_dir():
        return [path]
    try:
        sniff(folder)
    except ImageReadError:
        return _images_in(folder)
    return [path]


def _images_in(folder: Path) -> list[str]:
    """Return the images in a folder, or the folder where it holds none."""
    try:
        return [str(one) for one in list_images([folder])]
    except ImageReadError:
        return [str(folder)]


def _read_job(paths: list[str]) -> Job[tuple[list[LayerData], list[str]]]:
    """Read each file; return the layers, and why others could not be read."""
    layers: list[LayerData] = []
    problems: list[str] = []
    for index, path in enumerate(paths):
        yield Progress(index, len(paths), f"opening {Path(path).name}")
        try:
            layers.extend(read_layers(path))
        except CellsegError as error:
            problems.append(str(error))
    _give_sizes(layers)
    return layers, problems


def _give_sizes(layers: list[LayerData]) -> None:
    """Give an image whose file knows no pixel size that of the labels that came with it.

    Who segmented it may have been told; else the cells would not lie over the image.
    """
    sized = {
        data.shape: values
        for data, values, kind in layers
        if kind == "labels" and "units" in values and not isinstance(data, list)
    }
    for data, values, kind in layers:
        known = sized.get(getattr(data, "shape", None))
        if kind == "image" and "units" not in values and known is not None:
            values.update(scale=known["scale"], units=known["units"])


def _kept_job(address: str, stand_in: StandIn | None) -> Job[list[LayerData]]:
    """Read a file or an object in S3; what stands in for it where that cannot be."""
    yield Progress(0, 0, f"opening {Path(address).name}")
    try:
        return read_layers(address)
    except CellsegError as error:
        if stand_in is None:
            raise
        return [stand_in.layer(str(error))]


def _sample_job() -> Job[list[LayerData]]:
    """Draw the sample."""
    yield Progress(0, 0, "drawing the sample")
    return sample_nuclei()


def dropped_paths(data: Any) -> list[str]:
    """Return the local files and addresses in S3 that are being dropped, if any."""
    if data is None:
        return []
    text = data.text().strip() if data.hasText() else ""
    if is_s3_address(text) and "\n" not in text:
        return [text]
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
