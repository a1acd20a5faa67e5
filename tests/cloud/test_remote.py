"""Remote runs on our own server: whole, in tiles, through SageMaker's runtime API."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.servers import TOKEN, free_port, serving

from napari_cellseg.cloud.client import tiles
from napari_cellseg.cloud.client.kept import kept_folder
from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.client.line import About
from napari_cellseg.cloud.client.remote import RemoteSegmenter
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.errors import ModelError, OptionsError, RemoteError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.engines import open_segmenter

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tiles in a folder of the test."""
    monkeypatch.setattr(tiles, "kept_folder", lambda: tmp_path / "tiles")
    monkeypatch.setattr(
        "napari_cellseg.cloud.client.kept.kept_folder", lambda: tmp_path / "tiles"
    )


@pytest.fixture(scope="module")
def large() -> CellImage:
    """Return an image of two by two tiles, its last ones narrow."""
    plane = random_scene(13, (1100, 1410)).image.plane()
    return CellImage(np.clip(plane * 100, 0, 65535).astype(np.uint16))


class Watched:
    """A line that counts, and breaks where it is told to."""

    def __init__(self, line: LabLine, breaks_after: int | None = None) -> None:
        self._line = line
        self.name = line.name
        self.max_bytes = 500_000
        self.n_sent = 0
        self.breaks_after = breaks_after

    def about(self) -> About:
        return self._line.about()

    def ask(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        self.n_sent += 1
        if self.breaks_after is not None and self.n_sent > self.breaks_after:
            raise CloudError("The connection broke.", "ConnectionClosedError")
        return self._line.ask(message, accept, on_progress)

    def close(self) -> None:
        self._line.close()


def local(image: CellImage, options: SegmentOptions) -> SegmentationResult:
    return run(open_segmenter("local", device="cpu").segment(image, options))


@pytest.mark.parametrize(
    "options",
    [
        SegmentOptions(),
        SegmentOptions(diameter_px=95.0, keep_maps=True),
        SegmentOptions(preset="fast", decoder="flow", min_area_px=20),
    ],
    ids=["size is looked for", "shown smaller", "fast"],
)
def test_labels_in_tiles_are_those_of_the_image_in_one_piece(
    server: str, large: CellImage, options: SegmentOptions
) -> None:
    line = Watched(LabLine(server, TOKEN))
    remote = run(RemoteSegmenter(line).segment(large, options))
    whole = local(large, options)
    assert line.n_sent >= (1 if options.diameter_px else 4)
    np.testing.assert_array_equal(remote.labels, whole.labels)
    np.testing.assert_array_equal(remote.confidence, whole.confidence)
    assert remote.labels.max() > 20
    assert remote.options == whole.options
    assert remote.model_digest == whole.model_digest
    assert len(remote.maps) == int(options.keep_maps)


@pytest.mark.parametrize("edge", [96, 300])
def test_what_the_network_saw_comes_with_the_labels_in_one_request(
    server: str, edge: int
) -> None:
    plane = random_scene(13, (edge, edge + 20)).image.plane()
    image = CellImage(np.clip(plane, 0, 255).astype(np.uint8))
    options = SegmentOptions(keep_maps=True)
    line = Watched(LabLine(server, TOKEN))
    line.max_bytes = 2**28
    remote = run(RemoteSegmenter(line).segment(image, options))
    here = local(image, options)
    assert line.n_sent == 1
    np.testing.assert_array_equal(remote.labels, here.labels)
    np.testing.assert_array_equal(remote.maps[0].maps, here.maps[0].maps)
    assert remote.maps[0].shape_yx == here.maps[0].shape_yx
    assert remote.options.keep_maps
    assert remote.device == line.about().device


def test_an_answer_too_large_for_the_endpoint_is_asked_for_in_tiles(
    server: str,
) -> None:
    plane = random_scene(13, (300, 320)).image.plane()
    image = CellImage(np.clip(plane, 0, 255).astype(np.uint8))
    line = Watched(LabLine(server, TOKEN))
    line.max_bytes = 10 * 300 * 320 - 1
    run(RemoteSegmenter(line).segment(image, SegmentOptions(keep_maps=True)))
    assert line.n_sent > 1


def test_a_colour_stack_goes_in_tiles_as_well(server: str, large: CellImage) -> None:
    plane = large.plane()[:, :300, :400]
    colour = np.stack([plane[0], plane[0][::-1], plane[0] // 2])
    stack = CellImage(np.stack([colour, colour[:, ::-1]], axis=1), "CZYX", is_rgb=True)
    options = SegmentOptions()
    line = Watched(LabLine(server, TOKEN))
    line.max_bytes = 100
    remote = run(RemoteSegmenter(line).segment(stack, options))
    np.testing.assert_array_equal(remote.labels, local(stack, options).labels)


def test_a_stack_that_begins_empty_is_shown_at_one_zoom_here_and_there(
    server: str, large: CellImage
) -> None:
    plane = np.kron(large.plane()[:, :150, :150], np.ones((1, 4, 4), np.uint16))
    stack = CellImage(np.stack([plane * 0, plane, plane], axis=1), "CZYX")
    remote = run(
        RemoteSegmenter(Watched(LabLine(server, TOKEN))).segment(
            stack, SegmentOptions()
        )
    )
    here = local(stack, SegmentOptions())
    np.testing.assert_array_equal(remote.labels, here.labels)
    assert remote.options == here.options
    assert here.options.diameter_px is not None


def test_what_has_arrived_is_not_asked_for_again(server: str, large: CellImage) -> None:
    options = SegmentOptions(preset="fast")
    broken = Watched(LabLine(server, TOKEN), breaks_after=2)
    with pytest.raises(RemoteError, match=r"2 of 4 tiles have arrived and are kept"):
        run(RemoteSegmenter(broken).segment(large, options))
    assert len(list(tiles.kept_folder().rglob("*.zip"))) == 2

    again = Watched(LabLine(server, TOKEN))
    remote = run(RemoteSegmenter(again).segment(large, options))
    assert again.n_sent == 2
    np.testing.assert_array_equal(remote.labels, local(large, options).labels)
    assert not list(tiles.kept_folder().rglob("*.zip"))


class _Call:
    """A call that has come to its end."""

    def __init__(self, end: Message | CloudError) -> None:
        self._end = end

    def poll(self, _seconds: float) -> Message:
        if isinstance(self._end, CloudError):
            raise self._end
        return self._end


def test_a_tile_that_arrives_together_with_a_failure_is_kept() -> None:
    first, second = tiles.plan_tiles((300, 2000))[:2]
    pending = tiles._Pending(None, deque())
    message = Message(b"maps", "application/zip")
    pending._calls = {
        first: _Call(message),
        second: _Call(CloudError("Broken.", "ConnectionClosedError")),
    }
    with pytest.raises(CloudError):
        pending._arrivals()
    assert pending.last_arrivals() == [(first, message)]


def test_a_damaged_tile_is_asked_for_again(server: str, large: CellImage) -> None:
    options = SegmentOptions(preset="fast")
    broken = Watched(LabLine(server, TOKEN), breaks_after=2)
    with pytest.raises(RemoteError):
        run(RemoteSegmenter(broken).segment(large, options))
    next(tiles.kept_folder().rglob("*.zip")).write_bytes(b"PK damaged")
    again = Watched(LabLine(server, TOKEN))
    run(RemoteSegmenter(again).segment(large, options))
    assert again.n_sent == 3


def test_a_cancel_leaves_the_server_free_for_others(
    server: str, large: CellImage
) -> None:
    segmenter = open_segmenter(server, token=TOKEN)
    job = segmenter.segment(large, SegmentOptions(preset="accurate"))
    words = []
    for progress in job:
        words.append(progress.message)
        if progress.message.startswith("tile"):
            break
    job.close()
    small = CellImage(large.plane()[:, :200, :200])
    result = run(segmenter.segment(small, SegmentOptions()))
    assert result.labels.shape == (200, 200)
    assert any(text.startswith("sending") for text in words)


def test_the_runtime_api_gives_the_same_with_progress(
    server: str, large: CellImage
) -> None:
    settings_of = pytest.importorskip("napari_cellseg.cloud.settings")
    pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
    cloud = settings_of.CloudSettings(runtime_url=server, token=TOKEN)
    segmenter = open_segmenter("sagemaker:my-cells", cloud=cloud)
    told: list[str] = []
    remote = run(
        segmenter.segment(large, SegmentOptions()),
        lambda step: told.append(step.message),
    )
    np.testing.assert_array_equal(remote.labels, local(large, SegmentOptions()).labels)
    assert segmenter.device == "my-cells · CPU"
    assert told


def test_an_endpoint_without_streams_gives_the_same(
    server: str, large: CellImage
) -> None:
    endpoint = pytest.importorskip("napari_cellseg.cloud.client.endpoint")
    settings_of = pytest.importorskip("napari_cellseg.cloud.settings")
    pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
    cloud = settings_of.CloudSettings(runtime_url=server, token=TOKEN)
    line = endpoint.EndpointLine("my-cells", cloud, "serverless")
    line._streams = False
    small = CellImage(large.plane()[:, :300, :300])
    remote = run(RemoteSegmenter(line).segment(small, SegmentOptions()))
    np.testing.assert_array_equal(remote.labels, local(small, SegmentOptions()).labels)
    assert line.max_bytes == 4_000_000


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 64, "a/../b", "ä"])
def test_what_is_no_name_of_an_endpoint_is_told_of(name: str) -> None:
    pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
    with pytest.raises(RemoteError, match="no name of an endpoint"):
        open_segmenter(f"sagemaker:{name}")


def test_a_model_or_device_that_a_server_does_not_run_is_refused(server: str) -> None:
    name = open_segmenter(server, token=TOKEN).spec.name
    assert open_segmenter(server, name, token=TOKEN).spec.name == name
    with pytest.raises(ModelError, match=f"runs the model '{name}', not 'mine'"):
        open_segmenter(server, "mine", token=TOKEN)
    with pytest.raises(OptionsError, match="chooses its own"):
        open_segmenter(server, device="cuda", token=TOKEN)


def test_a_server_that_is_off_is_told_of_at_once() -> None:
    settings_of = pytest.importorskip("napari_cellseg.cloud.settings")
    pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
    cloud = settings_of.CloudSettings(runtime_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(RemoteError, match="cannot be reached"):
        open_segmenter("sagemaker:cells", cloud=cloud)


def test_the_usual_folder_of_kept_tiles_is_in_the_cache_of_the_user() -> None:
    assert kept_folder().name == "tiles"
