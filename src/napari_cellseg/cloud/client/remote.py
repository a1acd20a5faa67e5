"""A server as a `Segmenter`: the same call, on a better machine."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from napari_cellseg.cloud.client.line import About, Line, asked
from napari_cellseg.cloud.client.tiles import TiledRun
from napari_cellseg.cloud.wire.envelope import (
    ARRAYS_RESULT_TYPE,
    Message,
    decode_result,
    encode_request,
)
from napari_cellseg.cloud.wire.result_maps import WITH_MAPS, maps_of
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec, model_spec_from_json
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.core.segmentation.with_nuclei import segment_with_nuclei
from napari_cellseg.core.types import CellImage, SegmentationResult

#: More pixels than this go in tiles wherever the server can: each is answered within the
#: time that SageMaker gives, and what has arrived is kept.
WHOLE_PIXELS = 4096 * 4096
#: With what the network saw of it, at most so many go in one piece: 5 bytes a pixel come
#: back, or more where the image is enlarged, and less once they are packed.
MAPS_PIXELS = 2048 * 2048
MAPS_BYTES_A_PIXEL = 10
#: Shown until the model itself says what suits it.
USUAL_DIAMETER_PX = 30.0


class RemoteSegmenter:
    """Runs a model on a server; see `Segmenter`.

    Parameters
    ----------
    line : Line
        Reaches the server.

    Raises
    ------
    RemoteError
        If the server cannot be reached or is none of ours.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._about: About = line.about()
        self._spec = (
            model_spec_from_json(self._about.model, line.name)
            if self._about.model
            else _unknown_model(line.name)
        )

    @property
    def spec(self) -> ModelSpec:
        """The model that the server runs."""
        return self._spec

    @property
    def device(self) -> str:
        """Where it runs, such as ``"lab-gpu:8080 · CPU"``."""
        return self._about.device

    def close(self) -> None:
        """Close the connections."""
        self._line.close()

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Send `image`, whole or in tiles; closing the job drops it."""
        if options.nuclei_channel is not None:
            return (yield from segment_with_nuclei(self, image, options))
        yield Progress(0, 0, "packing the image")
        channels = choose_channels(image, options.channel)
        if self._goes_in_tiles(image, options):
            return (yield from self._in_tiles(image, channels, options))
        sent = replace(
            image,
            data=np.take(np.asarray(image.data), channels, axis=image.axes.index("C")),
            channel_names=(),
            is_rgb=image.is_rgb and len(channels) == 3,
        )
        request = encode_request(
            sent,
            replace(options, channel=None, keep_maps=False),
            as_arrays=self._about.answers_parts,
        )
        if len(request.body) <= self._line.max_bytes:
            return (yield from self._whole(request, image, options))
        if self._about.answers_parts:
            return (yield from self._in_tiles(image, channels, options))
        raise RemoteError(
            f"The image takes {len(request.body) / 2**20:.0f} MiB; {self._line.name} "
            f"accepts {self._line.max_bytes / 2**20:.0f}. Segment a region of it, or a "
            "plane at a time."
        )

    def _goes_in_tiles(self, image: CellImage, options: SegmentOptions) -> bool:
        """Say whether an image goes in tiles, before it is packed."""
        n_pixels = prod(image.labels_shape)
        if not self._about.answers_parts:
            return False
        if not options.keep_maps:
            return n_pixels > WHOLE_PIXELS
        is_small = n_pixels <= min(
            MAPS_PIXELS, self._line.max_bytes // MAPS_BYTES_A_PIXEL
        )
        return not (len(image.labels_shape) == 2 and is_small)

    def _whole(
        self, request: Message, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Send an image in one piece; what the network saw of it comes back with it."""
        wants_maps = options.keep_maps and self._about.answers_parts
        accept = WITH_MAPS if wants_maps else ARRAYS_RESULT_TYPE
        answer = yield from asked(self._line, request, accept)
        result = decode_result(answer, image, options)
        if self._about.model:
            result = replace(result, device=self.device)
        if not wants_maps or len(image.labels_shape) != 2:
            return result
        height, width = image.labels_shape
        kept = replace(result.options, keep_maps=True)
        return replace(result, maps=(maps_of(answer, (height, width)),), options=kept)

    def _in_tiles(
        self, image: CellImage, channels: tuple[int, ...], options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Send an image in tiles, and put their answers together here."""
        run = TiledRun(self._line, self._spec, options)
        result = yield from run.segment(image, channels)
        return replace(result, device=self.device)


def _unknown_model(name: str) -> ModelSpec:
    """Return what is said of a model whose server is at rest."""
    return ModelSpec(
        name="at-rest",
        title=f"Model of {name}",
        description="It is at rest; which model it runs is known after the first image.",
        architecture="",
        widths=(),
        diameter_px=USUAL_DIAMETER_PX,
        weights_sha256="",
    )
