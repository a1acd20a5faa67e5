"""Stand-ins for engines and runners."""

import numpy as np
from scipy import ndimage

from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.segmentation.join_planes import join_stack
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import Comparison, TrainingOutcome, TrainProgress
from napari_cellseg.core.types import PlaneMaps, SegmentationResult

FAKE_SPEC = ModelSpec(
    name="fake",
    title="Fake cells",
    description="Everything brighter than the middle is a cell.",
    architecture="none",
    widths=(1,),
    diameter_px=10.0,
    weights_sha256="f" * 64,
    training_data="nothing",
    licence="BSD-3-Clause",
)


def cells_above(plane, share=0.5):
    """Return labels of what is brighter than a share of the range."""
    values = np.nan_to_num(np.asarray(plane, np.float32))
    low, high = float(values.min()), float(values.max())
    bright = values > low + share * (high - low)
    return ndimage.label(bright & (high > low))[0].astype(np.int32)


class FakeSegmenter:
    """Labels what is bright, one plane a step."""

    spec = FAKE_SPEC
    device = "CPU"

    def __init__(self):
        self.n_runs = 0
        self.is_closed = False
        self.n_unfinished = 0

    def segment(self, image, options):
        self.n_runs += 1
        self.n_unfinished += 1
        share = options.foreground_threshold or 0.5
        try:
            planes = []
            for step, index in enumerate(image.plane_indices()):
                yield Progress(step, image.n_planes, f"plane {step + 1}")
                planes.append(
                    cells_above(image.plane(index)[options.channel or 0], share)
                )
            labels = np.zeros(image.labels_shape, np.int32)
            n_cells = 0
            for index, plane in zip(image.plane_indices(), planes, strict=True):
                labels[index] = np.where(plane > 0, plane + n_cells, 0)
                n_cells += int(plane.max(initial=0))
        finally:
            self.n_unfinished -= 1
        maps = tuple(PlaneMaps(np.zeros((5, 1, 1), np.uint8), p.shape) for p in planes)
        sure = np.full(n_cells, 0.9, np.float32)
        labels, sure = join_stack(labels, sure, image.labels_axes, options)
        return SegmentationResult(
            labels,
            sure,
            "fake",
            "f" * 64,
            options,
            device="CPU",
            seconds=0.5,
            maps=maps,
            axes=image.labels_axes,
        )

    def close(self):
        self.is_closed = True


class FakeEngine:
    """One model, one segmenter; re-decoding moves one corner pixel."""

    def __init__(self, segmenter=None):
        self.segmenter = segmenter or FakeSegmenter()
        self.decoded = []

    def list_models(self):
        return [FAKE_SPEC]

    def missing_programs(self):
        return []

    def open_segmenter(self, model):
        return self.segmenter

    def use_place(self, place):
        if place.address == "http://off":
            raise RemoteError("http://off cannot be reached.")
        self.place = place

    def check_place(self, place):
        yield Progress(0, 1, "asking")
        if place.address == "http://off":
            raise RemoteError("http://off cannot be reached.")
        return [f"Runs 'Fake cells' at {place.title}", "Costs about $1 an hour."]

    def compare_with_here(self, place, image, options):
        yield Progress(0, 1, "comparing")
        return f"The same: {place.title}"

    def account_names(self):
        return ["core", "lab"], ["eu-central-1", "us-east-1"]

    def endpoint_names(self, place):
        return [f"cells-{place.profile or 'default'}"]

    def decode(self, result, options):
        self.decoded.append(options)
        labels = result.labels.copy()
        labels[labels == labels.max(initial=0)] = 0
        return SegmentationResult(
            labels,
            result.confidence,
            result.model_name,
            result.model_digest,
            options,
            device=result.device,
            maps=result.maps,
        )


class NowStarter:
    """Runs each job at once, or when told so."""

    def __init__(self, *, is_held=False):
        self.is_held = is_held
        self.held = []

    def __call__(self, job, listener):
        run = NowJob(job, listener)
        if self.is_held:
            self.held.append(run)
        else:
            run.finish()
        return run

    def release(self):
        held, self.held = self.held, []
        for run in held:
            run.finish()


class NowJob:
    """A job that runs when `finish` is called."""

    def __init__(self, job, listener):
        self.job = job
        self.listener = listener
        self.is_cancelled = False

    def cancel(self):
        self.is_cancelled = True

    def finish(self):
        from napari_cellseg.controllers.task import failure_from

        while not self.is_cancelled:
            try:
                self.listener.on_job_progress(next(self.job))
            except StopIteration as stop:
                self.listener.on_job_result(stop.value)
                return
            except Exception as error:  # noqa: BLE001
                self.listener.on_job_failed(failure_from(error, repr(error)))
                return
        self.job.close()
        self.listener.on_job_cancelled()


class FakeTrainer:
    """Three steps, then a model that is better or not."""

    def __init__(self, folder, *, is_better=True):
        self.folder = folder
        self.is_better = is_better
        self.items = []
        self.was_stopped = False
        self.was_left_alone = False
        self.gone_on_with = None

    def train(self, items, options, out):
        self.items = list(items)
        return (yield from self.go_on(out))

    def go_on(self, out):
        self.gone_on_with = out
        for step in (1, 2, 3):
            point = CurvePoint(step, 1.0 / step, 0.5 + step / 10)
            yield TrainProgress(step, 3, f"step {step} of 3", (point,))
        gain = 0.1 if self.is_better else -0.1
        held = Comparison(20, 0.8, 0.8 + gain, 0.5, 0.5 + gain, 0.1, 0.1, 2, 0)
        base = Comparison(90, 0.7, 0.7, 0.4, 0.4, 0.1, 0.1, 0, 0)
        reason = "Better." if self.is_better else "Keep the old one."
        return TrainingOutcome(self.folder, held, base, self.is_better, reason, 3, 1.0)

    def stop(self):
        self.was_stopped = True

    def leave_alone(self):
        self.was_left_alone = True
        return True
