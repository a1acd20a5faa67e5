"""The three files of one image, and its row in the summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from napari_cellseg.batch.how_read import differences
from napari_cellseg.batch.names import remove_earlier
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.semantic import probability_map, semantic_mask
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.plain_files import known_json
from napari_cellseg.io.reading.paths import ImagePlace, address_key, full_address
from napari_cellseg.io.writing.finished import IS_FINISHED, LABELS_SUFFIX, says_finished
from napari_cellseg.io.writing.labels_file import write_labels, write_pixels
from napari_cellseg.io.writing.writers import write_cells_csv

RECORD_SUFFIX = "_cells.json"
#: Of a record; another program's JSON of the same name may hold anything there.
RECORD_PARTS = ("image", "model", "options", "requested_options", "summary", "reading")
#: In a record: the names of what was written beside labels and tables.
FURTHER_FILES = "further_files"

Row: TypeAlias = dict[str, Any]
#: Key of the address of a file, and which image of it where that was named.
OneImage: TypeAlias = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class ImageResults:
    """Where the results of one image lie.

    Attributes
    ----------
    folder : Path
        Folder of the results.
    name : str
        What the names of the files begin with.
    source : Path or S3Address
        The file of the image.
    scene : int or None
        Which image of the file, from 1, where it was named.
    """

    folder: Path
    name: str
    source: ImagePlace
    scene: int | None = None

    def read_by(self, batch: BatchOptions) -> BatchOptions:
        """Return the options that this image of the file is read with."""
        return replace(batch, scene=self.scene, all_scenes=False)

    @property
    def labels(self) -> Path:
        """The labels."""
        return self.folder / f"{self.name}{LABELS_SUFFIX}"

    @property
    def cells(self) -> Path:
        """The table of cells."""
        return self.folder / f"{self.name}_cells.csv"

    @property
    def cells_3d(self) -> Path:
        """The table with one row a cell; only of a stack with Z."""
        return self.folder / f"{self.name}_cells_3d.csv"

    @property
    def record(self) -> Path:
        """Where the numbers come from; whole only once all else is written."""
        return self.folder / f"{self.name}{RECORD_SUFFIX}"

    @property
    def mask(self) -> Path:
        """Where cells are, if it was asked for."""
        return self.folder / f"{self.name}_mask.tif"

    @property
    def probability(self) -> Path:
        """How likely each pixel is of a cell, if it was asked for."""
        return self.folder / f"{self.name}_probability.tif"

    def further_files(self, batch: BatchOptions) -> list[Path]:
        """Return what is to be written beside labels and tables."""
        asked = (
            (batch.save_mask, self.mask),
            (batch.save_probability, self.probability),
        )
        return [path for is_asked, path in asked if is_asked]

    @property
    def is_finished(self) -> bool:
        """True if an earlier run finished this image."""
        is_whole = says_finished(self.read_record())
        return is_whole and self.labels.exists() and self.cells.exists()

    def possible_files(self) -> list[Path]:
        """Return all that may be written but the record."""
        tables = (self.cells, self.cells_3d)
        return [self.labels, *tables, self.mask, self.probability]

    def has_all(self, batch: BatchOptions) -> bool:
        """Say whether a finished image has all that is asked for."""
        return all(path.exists() for path in self.further_files(batch))

    @property
    def is_of_another_image(self) -> bool:
        """True if files of this name belong to another image."""
        known = _image_of(self.read_record())
        return known is not None and known != self.image_key

    @property
    def image_key(self) -> OneImage:
        """What tells the image from all others."""
        return address_key(full_address(self.source)), self.scene

    def existing_files(self, batch: BatchOptions) -> list[Path]:
        """Return the files that would be replaced."""
        usual = (self.labels, self.cells, self.cells_3d, self.record)
        return [p for p in (*usual, *self.further_files(batch)) if p.exists()]

    def check_free(self, batch: BatchOptions) -> None:
        """Raise `SaveError` if a file is there that no earlier run is known to have left.

        Files of a run that was stopped half-way may be replaced: their record says so.
        """
        existing = self.existing_files(batch)
        if existing and not self.read_record():
            raise SaveError(
                f"'{existing[0]}' is there already and not known to come from this "
                "image. Move it, or use --overwrite."
            )

    def read_record(self) -> dict[str, Any]:
        """Return what the JSON beside the table holds, empty if there is none of ours."""
        values = known_json(self.record)
        if not isinstance(values, dict):
            return {}
        is_ours = all(isinstance(values.get(part, {}), dict) for part in RECORD_PARTS)
        return values if is_ours else {}

    def begin(
        self, image: CellImage, result: SegmentationResult, batch: BatchOptions
    ) -> None:
        """Say that the results are not finished, then write what the network sees.

        The record says so before anything is replaced; so what is left of a run that
        fails is never taken for a finished image. What an earlier run wrote beside labels
        and table is removed: it shows other cells.

        Raises
        ------
        SegmentationError
            If whoever segmented does not say what it sees.
        SaveError
            If something cannot be written or removed.
        """
        makers = {self.mask: semantic_mask, self.probability: probability_map}
        seen = {path: makers[path](result) for path in self.further_files(batch)}
        earlier = self.read_record()
        record = {
            "image": provenance(image)["image"],
            "reading": {"scene": self.scene},
            FURTHER_FILES: [path.name for path in seen],
        }
        with replacing(self.record) as new:
            new.write_bytes(unfinished(record))
        old = earlier.get(FURTHER_FILES) or ()
        further = [path for path in makers if path.name in old]
        for path in (*further, *([self.cells_3d] if earlier else ())):
            remove_earlier(path)
        for path, pixels in seen.items():
            axes, size = image.labels_axes, image.pixel_size
            write_pixels(path, pixels, axes=axes, pixel_size=size)

    def write(
        self,
        image: CellImage,
        result: SegmentationResult,
        table: MeasurementTable,
        requested: SegmentOptions,
        how: Mapping[str, Any] = MappingProxyType({}),
    ) -> Row:
        """Write labels, table and record after `begin`; return the row of the summary.

        Parameters
        ----------
        image, result, table
            The image, its cells and their numbers.
        requested : SegmentOptions
            What was asked for, before the model settled it.
        how : mapping
            See `batch.how_read.how_read`.

        Raises
        ------
        SaveError
            If one of them cannot be written.
        """
        begun = self.read_record().get(FURTHER_FILES, [])
        record = {
            **provenance(image, result, requested_options=requested),
            **how,
            "seconds": round(result.seconds, 3),
            FURTHER_FILES: begun,
        }
        write_labels(
            self.labels,
            result.labels,
            axes=image.labels_axes,
            pixel_size=image.pixel_size,
        )
        write_cells_csv(self.cells, table, record)
        return {**self._row("done"), **table.summary, **_facts(record)}

    def failed_row(self, error: BaseException) -> Row:
        """Return the row of an image that could not be done."""
        text = str(error) or type(error).__name__
        return {**self._row("failed"), "error": " ".join(text.split())}

    def finished_row(
        self, spec: ModelSpec, options: SegmentOptions, how: dict[str, Any]
    ) -> Row:
        """Return the row of an image that an earlier run finished.

        It is a failed one if that run had another model or other options, or the image
        was another one then: results of two kinds in one folder would be compared with
        each other by mistake.
        """
        record = self.read_record()
        if different := _differences(record, spec, options, how):
            return self.failed_row(
                SaveError(
                    f"'{self.labels}' was made with {different}. Use --overwrite to "
                    "replace it, or another folder."
                )
            )
        return {**self._row("skipped"), **record.get("summary", {}), **_facts(record)}

    def _row(self, status: str) -> Row:
        """Return the columns that every row has."""
        # In full: a later run from another folder must know its row again.
        file = full_address(self.source)
        scene = {} if self.scene is None else {"scene": self.scene}
        return {"file": file, **scene, "name": self.name, "status": status}


def _facts(record: Mapping[str, Any]) -> Row:
    """Return what the summary says of how an image was done."""
    image = record.get("image", {})
    size, notes = image.get("pixel_size_um") or {}, image.get("notes") or ()
    return {
        "pixel_size_x_um": size.get("x"),
        "pixel_size_y_um": size.get("y"),
        **({"z_step_um": size["z"]} if size.get("z") else {}),
        "seconds": record.get("seconds"),
        "device": record.get("device"),
        "model": record.get("model", {}).get("name"),
        "notes": "; ".join(map(str, notes)),
    }


def unfinished(record: Mapping[str, Any]) -> bytes:
    """Return the record that stands until all files of an image are written."""
    kept = ("image", "reading", FURTHER_FILES)
    values = {name: record[name] for name in kept if name in record}
    return json.dumps({**values, IS_FINISHED: False}).encode()


def _differences(
    record: dict[str, Any],
    spec: ModelSpec,
    options: SegmentOptions,
    how: dict[str, Any],
) -> str:
    """Return how an earlier run differs from this one, in words, or ``""``."""
    if record.get("model", {}).get("digest") != spec.weights_sha256:
        return f"the model {record.get('model', {}).get('name', 'of another kind')}"
    earlier = record.get("requested_options", record.get("options", {}))
    pairs = [
        f"{name} = {earlier.get(name)} instead of {value}"
        for name, value in options.to_dict().items()
        if name != "keep_maps" and earlier.get(name) != value
    ]
    return ", ".join([*pairs, *differences(record, how)])


def names_by_image(folder: Path) -> dict[OneImage, str]:
    """Return by file and scene what the results in a folder are called."""
    found: dict[OneImage, str] = {}
    for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
        name = path.name.removesuffix(RECORD_SUFFIX)
        if image := _image_of(ImageResults(folder, name, path).read_record()):
            found.setdefault(image, name)
    return found


def _image_of(record: Mapping[str, Any]) -> OneImage | None:
    """Return the image that a record is of, None if it does not say."""
    source = record.get("image", {}).get("source")
    scene = record.get("reading", {}).get("scene")
    return (address_key(source), scene) if isinstance(source, str) else None
