"""``cellseg cloud doctor``: what of an account is ready, and what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from napari_cellseg.cloud.account.costs import Prices, hourly_text
from napari_cellseg.cloud.account.place import EXAMPLES, how_to_name
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.errors import DENIED_CODES, CloudError
from napari_cellseg.cloud.sagemaker.inventory import running
from napari_cellseg.cloud.settings import CloudSettings, identity_of
from napari_cellseg.core.cloud_options import PlaceOptions
from napari_cellseg.core.finding import Finding
from napari_cellseg.io.aws import ANY_REGION, is_aws

#: What the person has to be allowed to, in the words of IAM.
ACTIONS = (
    "sagemaker:CreateModel",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateEndpoint",
    "sagemaker:DeleteEndpoint",
    "sagemaker:CreateTrainingJob",
    "s3:PutObject",
    "iam:PassRole",
)
FILL_IN = "Fill it in (in a terminal: {})."
NO_REGION = "NoRegionError"
SERVICE = "sagemaker.amazonaws.com"
#: How the quotas of SageMaker are called.
QUOTAS = ("{type} for endpoint usage", "{type} for training job usage")
ASK_QUOTA = "Ask for more: Service Quotas > Amazon SageMaker in the console."


def check_up(
    place: PlaceOptions,
    instance_type: str,
    sender: Sender,
    prices: Prices,
    now: datetime,
) -> Iterator[Finding]:
    """Yield what is found, one after another; nothing is changed.

    Parameters
    ----------
    place : CloudPlace
        What of the account is to be used.
    instance_type : str
        Computer that is wanted.
    sender : Sender
        The account.
    prices : Prices
        Price table.
    now : datetime
        The time.
    """
    for name in EXAMPLES:
        if not getattr(place, name):
            yield Finding(
                name, "problem", "is not given", FILL_IN.format(how_to_name(name))
            )
    try:
        who = identity_of(sender.settings)
    except CloudError as error:
        yield Finding("AWS", "problem", str(error))
        if error.code == NO_REGION:
            yield from _sign_in(sender.settings)
        return
    state = f"{who.name} in account {who.account}, region {who.region}, {who.address}"
    yield Finding("AWS", "ok" if is_aws(who.address) else "warning", state)
    if place.bucket:
        yield from _bucket(place, who.region, sender)
    if place.role:
        yield from _role(place, sender)
    yield from _rights(place, who.arn, sender)
    if place.image:
        yield from _image(place, sender)
    yield from _quotas(instance_type, sender)
    yield Finding("price", "ok", hourly_text(instance_type, 1, prices), prices.origin)
    yield from _what_runs(sender, prices, now)


def _sign_in(settings: CloudSettings) -> Iterator[Finding]:
    """Yield what else is missing where no region is chosen: any region knows that."""
    try:
        identity_of(replace(settings, aws=replace(settings.aws, region=ANY_REGION)))
    except CloudError as error:
        yield Finding("sign-in", "problem", str(error))


def _bucket(place: PlaceOptions, region: str, sender: Sender) -> Iterator[Finding]:
    subject = f"bucket {place.bucket}"
    try:
        sender.ask(
            "s3", "HeadBucket", f"read the bucket '{place.bucket}'", Bucket=place.bucket
        )
        found = sender.ask(
            "s3", "GetBucketLocation", "ask where the bucket is", Bucket=place.bucket
        )
    except CloudError as error:
        remedy = f"aws s3 mb s3://{place.bucket} --region {region}"
        if error.code in DENIED_CODES:
            remedy = (
                "Check the name: buckets of all accounts share their names, and this one "
                "may be somebody else's. If it is yours, ask for s3:ListBucket and "
                "s3:GetBucketLocation on it."
            )
        yield Finding(subject, "problem", str(error), remedy)
        return
    where = found.get("LocationConstraint") or "us-east-1"
    if where != region:
        yield Finding(
            subject,
            "problem",
            f"is in {where}, you work in {region}",
            "SageMaker reads from its own region only: choose --region or another bucket.",
        )
        return
    yield Finding(subject, "ok", f"is there, in {where}")


def _role(place: PlaceOptions, sender: Sender) -> Iterator[Finding]:
    name = place.role.rsplit("/", 1)[-1]
    subject = f"role {name}"
    try:
        role = sender.ask("iam", "GetRole", f"look at the role '{name}'", RoleName=name)
    except CloudError as error:
        # Who may not look at a role may still hand it on.
        yield Finding(
            subject,
            "warning" if error.code in DENIED_CODES else "problem",
            str(error),
            "docs/aws.md shows how to make the role.",
        )
        return
    if SERVICE in json.dumps(_document(role["Role"]["AssumeRolePolicyDocument"])):
        yield Finding(subject, "ok", "SageMaker may take it on")
        return
    yield Finding(
        subject,
        "problem",
        "SageMaker may not take it on",
        f"Add {SERVICE} as a principal of sts:AssumeRole to its trust policy.",
    )


def _document(given: Any) -> Any:
    """Return a policy, which boto3 gives as a dict or as text."""
    return json.loads(unquote(given)) if isinstance(given, str) else given


def _rights(place: PlaceOptions, arn: str, sender: Sender) -> Iterator[Finding]:
    """Yield what the person may not; asking may itself be forbidden."""
    assumed = re.fullmatch(r"(arn:[^:]+):sts::(\d+):assumed-role/([^/]+)/.*", arn)
    source = f"{assumed[1]}:iam::{assumed[2]}:role/{assumed[3]}" if assumed else arn
    try:
        answer = sender.ask(
            "iam",
            "SimulatePrincipalPolicy",
            "ask what you may do",
            PolicySourceArn=source,
            ActionNames=list(ACTIONS),
            ResourceArns=["*"],
        )
    except CloudError as error:
        yield Finding(
            "your rights",
            "warning",
            f"cannot be asked for: {error}",
            f"You need {', '.join(ACTIONS)} on what is tagged app=cellseg.",
        )
        return
    denied = [
        each["EvalActionName"]
        for each in answer["EvaluationResults"]
        if each["EvalDecision"] != "allowed"
    ]
    if denied:
        yield Finding(
            "your rights",
            "problem",
            f"you may not {', '.join(denied)}",
            "Ask whoever runs the account; iam:PassRole is needed on "
            f"{place.role or 'the role for SageMaker'} only.",
        )
        return
    yield Finding("your rights", "ok", "enough to deploy, train and stop")


#: Docker's newer format; SageMaker wants the older one.
OCI = "vnd.oci.image"
NO_IMAGE = ("ImageNotFoundException", "RepositoryNotFoundException")
BUILD = (
    "docker buildx build --platform linux/amd64 --provenance=false --output type=docker "
    "-t {image} . && docker push {image}"
)


def _image(place: PlaceOptions, sender: Sender) -> Iterator[Finding]:
    parts = re.fullmatch(
        r"(\d{12})\.dkr\.ecr\.[^/]+/([^:@]+)(?::([^@]+))?(@.+)?", place.image
    )
    if parts is None:
        yield Finding(
            "image",
            "warning",
            f"{place.image} is not in ECR",
            "SageMaker takes images from ECR: docs/aws.md shows how to push ours.",
        )
        return
    which = (
        {"imageDigest": parts[4][1:]}
        if parts[4]
        else {"imageTag": parts[3] or "latest"}
    )
    try:
        told = sender.ask(
            "ecr",
            "DescribeImages",
            f"look at the image '{place.image}'",
            registryId=parts[1],
            repositoryName=parts[2],
            imageIds=[which],
        )
    except CloudError as error:
        is_gone = error.code in NO_IMAGE
        seen = f"{place.image} is not in ECR" if is_gone else str(error)
        yield Finding("image", "problem", seen, BUILD.format(image=place.image))
        return
    kind = told["imageDetails"][0].get("imageManifestMediaType") or ""
    if OCI in kind:
        yield Finding(
            "image",
            "warning",
            f"{place.image} is of type {kind}, which SageMaker has refused",
            BUILD.format(image=place.image),
        )
        return
    yield Finding("image", "ok", f"{place.image} is there")


def _quotas(instance_type: str, sender: Sender) -> Iterator[Finding]:
    """Yield how many computers of a type the account may run; new accounts: often 0."""
    wanted = {words.format(type=instance_type): words for words in QUOTAS}
    try:
        pages = sender.pages(
            "service-quotas",
            "ListServiceQuotas",
            "read the account's limits",
            ServiceCode="sagemaker",
        )
        found = {
            each["QuotaName"]: float(each["Value"])
            for page in pages
            for each in page["Quotas"]
            if each["QuotaName"] in wanted
        }
    except CloudError as error:
        yield Finding("quota", "warning", f"cannot be read: {error}", ASK_QUOTA)
        return
    for name in wanted:
        value = found.get(name)
        if value is None:
            yield Finding("quota", "warning", f"'{name}' is not listed", ASK_QUOTA)
        elif value < 1:
            yield Finding("quota", "problem", f"'{name}' is {value:.0f}", ASK_QUOTA)
        else:
            yield Finding("quota", "ok", f"'{name}' is {value:.0f}")


def _what_runs(sender: Sender, prices: Prices, now: datetime) -> Iterator[Finding]:
    try:
        there = list(running(sender))
    except CloudError as error:
        yield Finding("what runs", "problem", str(error))
        return
    if not there:
        yield Finding("what runs", "ok", "nothing of ours in this region")
    for each in there:
        is_bad = each.is_overdue(now)
        yield Finding(
            "what runs",
            "warning" if is_bad else "ok",
            each.sentence(prices, now),
            f"cellseg cloud stop {each.name}",
        )
