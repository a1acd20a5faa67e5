"""Every error that the project raises on purpose.

::

    CellsegError
    ├── ImageReadError      a file cannot be turned into an image
    │   └── AmbiguousAxesError  the axes must be named by the person
    ├── LimitError          something is larger than it may be
    ├── ImageError          an image cannot be used (empty, wrong type, wrong channel)
    ├── LabelsError         labels do not fit the image, or are no labels
    ├── EditError           a correction cannot be made where it was asked for
    ├── ModelError          a model folder is missing, corrupt or of another kind
    ├── ProjectError        a project cannot be opened, or not be written to
    │   └── ReadOnlyProjectError  it can be opened to read only
    ├── RemoteError         a server cannot be reached, or does not do what it was asked
    ├── OptionsError        an option is out of its range (is a ValueError as well)
    ├── SaveError           something could not be written; what was there is untouched
    │   └── DiskFullError       nothing more can be written there until space is made
    ├── SegmentationError   the segmentation stopped (out of memory, process killed)
    │   └── OutOfMemoryError    the device has too little memory left
    ├── TrackingError       cells cannot be linked through time
    └── TrainingError       training cannot start or had to stop

A message says what was seen, what was expected and what to do next, in one sentence or
two; the dock, the command line and the batch report show it as it is.
"""

from __future__ import annotations


class CellsegError(Exception):
    """Base of every error that a person can do something about."""


class ImageReadError(CellsegError):
    """A file cannot be turned into an image."""


class AmbiguousAxesError(ImageReadError):
    """The meaning of an axis is not in the file; it has to be named by the person.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array in the file.
    known_axes : str
        One letter an axis; ``?`` stands for what is not known, such as ``"?YX"``.
    """

    def __init__(self, message: str, shape: tuple[int, ...], known_axes: str) -> None:
        super().__init__(message)
        self.shape = shape
        self.known_axes = known_axes


class LimitError(CellsegError):
    """Something is larger than it may be."""


class ImageError(CellsegError):
    """An image cannot be used as it is."""


class LabelsError(CellsegError):
    """Labels do not fit the image, or are no labels."""


class EditError(CellsegError):
    """A correction cannot be made where it was asked for."""


class ModelError(CellsegError):
    """A model folder is missing, corrupt or of another kind."""


class ProjectError(CellsegError):
    """A project cannot be opened, or not be written to."""


class ReadOnlyProjectError(ProjectError):
    """A project cannot be written to from here; it can be opened to read only."""


class RemoteError(CellsegError):
    """A server cannot be reached, or does not do what it was asked."""


class OptionsError(CellsegError, ValueError):
    """An option is out of its range."""


class SaveError(CellsegError):
    """Something could not be written; what was there before is untouched."""


class DiskFullError(SaveError):
    """There is no room left; whatever is written next will fail as well."""


class SegmentationError(CellsegError):
    """The segmentation had to stop."""


class OutOfMemoryError(SegmentationError):
    """There is too little memory left; a smaller image may still fit."""


class TrackingError(CellsegError):
    """Cells cannot be linked through time."""


class TrainingError(CellsegError):
    """Training cannot start or had to stop."""
