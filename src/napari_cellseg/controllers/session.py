"""What one window works on, handed to each tab."""

from __future__ import annotations

from psygnal import Signal

from napari_cellseg.core.types import CellImage, PixelSize, SegmentationResult

#: From below the finest of electron microscopes to above what a camera's lens sees.
LIKELY_UM = (0.0001, 10_000.0)


class Session:
    """The image of one window, and what is known of it.

    Attributes
    ----------
    image : CellImage or None
        None until one is chosen whose axes are known.
    problem : str
        Why the chosen layer is no image to work on, or "".
    result : SegmentationResult or None
        The last run on this image, with its maps.
    """

    image_changed = Signal()
    pixel_size_changed = Signal()

    def __init__(self) -> None:
        self.image: CellImage | None = None
        self.problem = ""
        self.result: SegmentationResult | None = None

    def show_image(self, image: CellImage | None) -> None:
        """Work on another image, or on none; the last result is forgotten."""
        self.image = image
        self.problem = ""
        self.result = None
        self.image_changed.emit()

    def refuse_image(self, problem: str) -> None:
        """Work on no image, and say why."""
        self.image = None
        self.problem = problem
        self.result = None
        self.image_changed.emit()

    def set_pixel_size(self, pixel_size: PixelSize | None) -> None:
        """Set the pixel size of the image by hand."""
        if self.image is not None:
            self.image = self.image.with_pixel_size(pixel_size)
            self.pixel_size_changed.emit()

    def shows(self, image: CellImage) -> bool:
        """Say whether this is the image that is worked on, maybe read a second time."""
        mine = self.image
        if mine is None or mine.data is image.data:
            return mine is not None
        is_file = bool(image.source) and mine.source == image.source
        same_name = (mine.name, mine.axes, mine.shape) == (
            image.name, image.axes, image.shape,
        )  # fmt: skip
        return is_file and same_name

    @property
    def pixel_size(self) -> PixelSize | None:
        """Pixel size of the image, None if unknown."""
        return None if self.image is None else self.image.pixel_size


def describe_image(image: CellImage) -> str:
    """Return the line of facts, such as ``"2048 × 2048 · 2 channels · 0.325 µm/px"``."""
    height, width = image.labels_shape[-2:]
    parts = [f"{width} × {height}"]
    sizes = dict(zip(image.axes, image.shape, strict=True))
    if sizes.get("T", 1) > 1:
        parts.append(f"{sizes['T']} time points")
    if sizes.get("Z", 1) > 1:
        parts.append(f"{sizes['Z']} planes")
    if image.is_rgb:
        parts.append("colour")
    elif image.n_channels > 1:
        parts.append(f"{image.n_channels} channels")
    return " · ".join(parts)


def is_likely(pixel_size: PixelSize) -> bool:
    """Say whether a microscope may have pixels of a size: files state others, too."""
    low, high = LIKELY_UM
    return all(low <= side <= high for side in (pixel_size.y_um, pixel_size.x_um))


def describe_pixel_size(pixel_size: PixelSize | None) -> str:
    """Return ``"0.325 µm/px"``, ``"0.3 × 0.5 µm/px"`` (y × x), or "" if unknown."""
    if pixel_size is None:
        return ""
    y_um, x_um = pixel_size.y_um, pixel_size.x_um
    size = (
        f"{x_um:.4g}" if abs(y_um - x_um) < 1e-6 * x_um else f"{y_um:.4g} × {x_um:.4g}"
    )
    return f"{size} µm/px"
