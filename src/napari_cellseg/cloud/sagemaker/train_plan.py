"""The requests of a training job and of a batch job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from napari_cellseg.cloud.account.place import (
    CloudPlace,
    checked_name,
    own_tags,
    stamped,
)
from napari_cellseg.cloud.account.requests import Call
from napari_cellseg.cloud.sagemaker.deploy_plan import SAGEMAKER
from napari_cellseg.cloud.sagemaker.metrics import metric_definitions
from napari_cellseg.core.cloud_options import FAST_FILE, FILE, TrainJobOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.io.datasets.on_s3 import MANIFEST_SUFFIX

CHECKPOINTS = "/opt/ml/checkpoints"
MAX_PAYLOAD_MB = 100
#: At most one image at a time in the network; a second is decoded meanwhile.
BATCH_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """What is to be trained where.

    Attributes
    ----------
    name : str
        Of the new model.
    title : str
        What the model menu will show.
    model : str
        Name of the model to start from, one that ships with our image.
    model_uri : str
        ``s3://…/`` of a folder with a ``model.tar.gz`` to start from; "" takes `model`.
    data_uri : str
        ``s3://…/`` of a folder with images/ and masks/, or of a manifest.
    channel : int or None
        Channel of the images that shows the cells.
    place : CloudPlace
        Image, role and bucket.
    options : FineTuneOptions
        How to learn.
    machine : TrainJobOptions
        On what.
    now : datetime
        When; part of the job's name.
    """

    name: str
    title: str
    model: str
    model_uri: str
    data_uri: str
    channel: int | None
    place: CloudPlace
    options: FineTuneOptions
    machine: TrainJobOptions
    now: datetime

    def __post_init__(self) -> None:
        checked_name(self.name)
        if self.is_manifest and self.machine.input_mode == FAST_FILE:
            raise OptionsError(
                f"'{self.data_uri}' is a manifest, which FastFile cannot read. Choose "
                "--input-mode File, or give a folder."
            )

    @property
    def is_manifest(self) -> bool:
        """True if the data are listed one by one."""
        return self.data_uri.endswith(MANIFEST_SUFFIX)

    @property
    def job_name(self) -> str:
        """Name of the job."""
        return stamped(self.name, self.now)

    @property
    def folder(self) -> str:
        """Address of what the job reads from us and writes."""
        return self.place.uri("training", self.job_name)

    def hyperparameters(self) -> dict[str, str]:
        """Return what the container is told; all values are text."""
        values: dict[str, Any] = {
            **self.options.to_dict(),
            "name": self.name,
            "title": self.title,
            "model": self.model,
            "channel": self.channel,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


def train_call(plan: TrainPlan) -> Call:
    """Return the request that starts a training job."""
    machine = plan.machine
    seconds = round(3600 * machine.max_hours)
    stopping = {"MaxRuntimeInSeconds": seconds}
    if machine.spot:
        wait = round(3600 * machine.wait_hours)
        stopping["MaxWaitTimeInSeconds"] = max(seconds, wait)
    name = plan.job_name
    parameters: dict[str, Any] = {
        "TrainingJobName": name,
        "RoleArn": plan.place.role,
        "AlgorithmSpecification": {
            "TrainingImage": plan.place.image,
            "TrainingInputMode": machine.input_mode,
            "MetricDefinitions": metric_definitions(),
        },
        "HyperParameters": plan.hyperparameters(),
        "InputDataConfig": _channels(plan),
        "OutputDataConfig": {"S3OutputPath": f"{plan.folder}/out"},
        "ResourceConfig": {
            "InstanceType": machine.instance_type,
            "InstanceCount": machine.hosts,
            "VolumeSizeInGB": machine.volume_gb,
        },
        "StoppingCondition": stopping,
        "CheckpointConfig": {
            "S3Uri": f"{plan.folder}/checkpoints",
            "LocalPath": CHECKPOINTS,
        },
        "EnableManagedSpotTraining": machine.spot,
        # Everything comes through channels; nothing in the container has to reach out.
        "EnableNetworkIsolation": True,
        "Tags": own_tags(model=plan.name),
    }
    return Call(
        SAGEMAKER,
        "CreateTrainingJob",
        parameters,
        f"start the training job '{name}'",
        Call(
            SAGEMAKER,
            "StopTrainingJob",
            {"TrainingJobName": name},
            f"stop the training job '{name}'",
        ),
    )


def _channels(plan: TrainPlan) -> list[dict[str, Any]]:
    kind = "ManifestFile" if plan.is_manifest else "S3Prefix"
    channels = [_channel("train", kind, plan.data_uri, plan.machine.input_mode)]
    if plan.model_uri:
        channels.append(_channel("model", "S3Prefix", plan.model_uri, FILE))
    return channels


def _channel(name: str, kind: str, uri: str, mode: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "InputMode": mode,
        "CompressionType": "None",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": kind,
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Many images in S3 that are to be segmented once.

    Attributes
    ----------
    job_name : str
        Of the job.
    model_name : str
        Of the model in SageMaker.
    images_uri, results_uri : str
        ``s3://…/`` to read from and to write to.
    accept : str
        What comes out, see the server's `Accept`.
    content_type : str
        What goes in, such as ``"image/tiff"``.
    instance_type : str
        Computer.
    n_instances : int
        How many.
    """

    job_name: str
    model_name: str
    images_uri: str
    results_uri: str
    accept: str
    content_type: str
    instance_type: str
    n_instances: int


def batch_call(plan: BatchPlan) -> Call:
    """Return the request that starts a batch job: one image a request, none split."""
    return Call(
        SAGEMAKER,
        "CreateTransformJob",
        {
            "TransformJobName": plan.job_name,
            "ModelName": plan.model_name,
            "MaxConcurrentTransforms": BATCH_AT_ONCE,
            "MaxPayloadInMB": MAX_PAYLOAD_MB // BATCH_AT_ONCE,
            "BatchStrategy": "SingleRecord",
            "ModelClientConfig": {
                "InvocationsTimeoutInSeconds": 3600,
                "InvocationsMaxRetries": 1,
            },
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": plan.images_uri,
                    }
                },
                "ContentType": plan.content_type,
                "CompressionType": "None",
                "SplitType": "None",
            },
            "TransformOutput": {
                "S3OutputPath": plan.results_uri,
                "Accept": plan.accept,
                "AssembleWith": "None",
            },
            "TransformResources": {
                "InstanceType": plan.instance_type,
                "InstanceCount": plan.n_instances,
            },
            "Tags": own_tags(model=plan.model_name),
        },
        f"start the batch job '{plan.job_name}'",
        Call(
            SAGEMAKER,
            "StopTransformJob",
            {"TransformJobName": plan.job_name},
            f"stop the batch job '{plan.job_name}'",
        ),
    )
