"""Several images in one viewer: the one that is chosen is brought into sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from napari.layers import Image, Labels, Layer

from napari_cellseg.widgets.canvas.layer_images import ImageChoice

#: Laid over each other so, both images are seen; that is left as it is. The channels of
#: one image always lie so: that says nothing of another image.
MIXING = ("additive", "minimum", "multiplicative")


def uncover(
    chosen: ImageChoice,
    choices: Iterable[ImageChoice],
    labels_of: Callable[[Image], Labels | None],
) -> None:
    """Show an image with its cells, and hide what lies over it: other images and theirs.

    Parameters
    ----------
    chosen : ImageChoice
        Of its channels those stay hidden that were, unless all are.
    choices : iterable of ImageChoice
        All that there are.
    labels_of : callable
        Returns the layer with the cells of an image.
    """
    for each in choices:
        labels = labels_of(each.layers[0])
        layers = each.layers if labels is None else (*each.layers, labels)
        if each.is_same(chosen):
            if not any(layer.visible for layer in each.layers):
                _show(layers, is_visible=True)
        elif len(each.layers) > 1 or each.layers[0].blending not in MIXING:
            _show(layers, is_visible=False)


def _show(layers: Iterable[Layer], *, is_visible: bool) -> None:
    for layer in layers:
        layer.visible = is_visible
