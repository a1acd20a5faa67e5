"""What another segmentation program offers, told without importing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import Labels

#: Between the program and its model, as in ``cellpose:cyto3``.
MARK = ":"


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """One model of another program.

    Attributes
    ----------
    name : str
        As its program calls it.
    description : str
        What it is for, in one sentence.
    licence : str
        Of the weights; "" if that of the program.
    diameter_px : float
        Cell diameter that suits it best.
    """

    name: str
    description: str
    licence: str = ""
    diameter_px: float = 30.0


class ForeignProgram(Protocol):
    """A program with a model loaded."""

    @property
    def device(self) -> str:
        """Where it runs, in words such as "CPU"."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, or "" if it keeps them in no file."""
        ...

    def segment_plane(
        self, plane: NDArray[np.generic], options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return (y, x) labels with ids 1..n and n confidences of a (c, y, x) plane."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A program whose models can stand in the model menu.

    Attributes
    ----------
    key : str
        First part of the names of its models.
    title : str
        Its name in the menu.
    module, distribution : str
        What is imported, and what the package is called where it is installed from.
    install : str
        The command that installs it.
    licence : str
        Of the program.
    models : callable
        Gets the version of the program and returns its models, the best known first.
    load : callable
        Gets a model's name and a device; imports the program, returns it with the model.
    """

    key: str
    title: str
    module: str
    distribution: str
    install: str
    licence: str
    models: Callable[[str], tuple[ForeignModel, ...]]
    load: Callable[[str, str], ForeignProgram]

    @property
    def version(self) -> str:
        """Version that is installed, or "" if it is not."""
        found = find_spec(self.module)
        # A mere folder of that name in the working directory has no origin.
        if found is None or found.origin is None:
            return ""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return ""

    def specs(self) -> list[ModelSpec]:
        """Return what each of its models is; none where it is not installed."""
        here = self.version
        return [self._spec(model, here) for model in self.models(here)] if here else []

    def spec_of(self, name: str) -> ModelSpec:
        """Return what one of its models is; a name that is not listed is a file's."""
        for spec in self.specs():
            if spec.name == f"{self.key}{MARK}{name}":
                return spec
        model = ForeignModel(name, f"A model of {self.title} from your own files.")
        return self._spec(model, self.version)

    def _spec(self, model: ForeignModel, here: str) -> ModelSpec:
        """Return a model of the installed version as the menu shows it."""
        licence = f"program: {self.licence}"
        return ModelSpec(
            name=f"{self.key}{MARK}{model.name}",
            title=f"{self.title}: {model.name}",
            description=f"{model.description} Run by {self.title} {here} as it is "
            "installed here, which fetches the weights itself when they are first used.",
            architecture=self.title,
            widths=(),
            diameter_px=model.diameter_px,
            weights_sha256="",
            licence=f"{licence}; weights: {model.licence}"
            if model.licence
            else licence,
        )
