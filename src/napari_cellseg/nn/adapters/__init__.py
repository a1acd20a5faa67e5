"""Other segmentation programs in the model menu, where they are installed.

Listing them imports none of them; their code runs in the segmentation process.
"""

from __future__ import annotations

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.nn.adapters.cellpose import CELLPOSE
from napari_cellseg.nn.adapters.instanseg import INSTANSEG
from napari_cellseg.nn.adapters.offers import MARK, Offer
from napari_cellseg.nn.adapters.stardist import STARDIST

OFFERS = (CELLPOSE, STARDIST, INSTANSEG)


def is_adapter(model: object) -> bool:
    """Return True for names such as ``cellpose:cyto3``."""
    return _parts(model)[0] is not None


def adapter_specs() -> list[ModelSpec]:
    """Return the models of every other program that is installed here."""
    return [spec for offer in OFFERS for spec in offer.specs()]


def missing_programs() -> list[tuple[str, str]]:
    """Return (title, command that installs it) of each program that is not here."""
    return [(offer.title, offer.install) for offer in OFFERS if not offer.version]


def adapter_spec(model: str) -> ModelSpec:
    """Return what a model of another program is.

    Raises
    ------
    ModelError
        If the program is not installed.
    """
    offer, name = _installed(model)
    return offer.spec_of(name)


def open_adapter(model: str, device: str = "auto") -> Segmenter:
    """Return a segmenter that runs another program in this process.

    Raises
    ------
    ModelError
        If it is not installed or its model cannot be loaded.
    """
    from napari_cellseg.nn.adapters.segmenter import AdapterSegmenter

    offer, name = _installed(model)
    return AdapterSegmenter(offer, name, device)


def _parts(model: object) -> tuple[Offer | None, str]:
    """Return the program and the model that a name stands for."""
    key, mark, name = str(model).partition(MARK)
    offer = next((offer for offer in OFFERS if mark and offer.key == key), None)
    return offer, name


def _installed(model: str) -> tuple[Offer, str]:
    """Return the program, which must be installed, and the model's own name."""
    offer, name = _parts(model)
    if offer is None:
        raise ModelError(f"'{model}' is no model of another program.")
    if not offer.version:
        raise ModelError(
            f"'{model}' needs {offer.title}, which is not installed here: {offer.install}"
        )
    return offer, name
