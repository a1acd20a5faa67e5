"""Requests to AWS as values: made, checked and printed before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from napari_cellseg.cloud.errors import need_boto3
from napari_cellseg.core.errors import OptionsError


@dataclass(frozen=True, slots=True)
class Answer:
    """Stands for a value that the answer to an earlier request will hold.

    Attributes
    ----------
    operation : str
        The earlier request.
    key : str
        Key in its answer.
    """

    operation: str
    key: str

    def __str__(self) -> str:
        return f"<{self.key} of the answer to {self.operation}>"


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes
    ----------
    service : str
        Name in boto3, such as ``"sagemaker"``.
    operation : str
        Name in AWS's model, such as ``"CreateModel"``.
    parameters : mapping
        What it is asked with; may hold an `Answer`.
    doing : str
        What it is for, as in "may not ...".
    undo : Call or None
        What takes it back, None where nothing is left behind.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    doing: str
    undo: Call | None = field(default=None)

    @property
    def method(self) -> str:
        """Name of the client's method, such as ``"create_model"``."""
        from botocore import xform_name

        return str(xform_name(self.operation))

    def to_dict(self) -> dict[str, Any]:
        """Return the request as plain JSON values."""
        return {
            "service": self.service,
            "operation": self.operation,
            "parameters": plain(self.parameters),
        }


def requests_text(calls: Iterable[Call]) -> str:
    """Return requests as JSON, as a dry run shows them."""
    return json.dumps([call.to_dict() for call in calls], indent=2)


def plain(value: Any) -> Any:
    """Return a value with each `Answer` and each time in words."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def filled(value: Any, answers: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a value with each `Answer` replaced by what was answered."""
    if isinstance(value, Answer):
        return answers[value.operation][value.key]
    if isinstance(value, Mapping):
        return {name: filled(each, answers) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, answers) for each in value]
    return value


# ------------------------------------------------------------------------------ checking
def check_call(call: Call) -> None:
    """Check a request against AWS's own description of it, as boto3 ships it.

    Names, types, required fields, bounds, patterns and choices are checked; nothing is
    sent.

    Raises
    ------
    OptionsError
        If AWS would refuse it for its form.
    """
    need_boto3()
    from botocore.validate import ParamValidator

    shape = _service(call.service).operation_model(call.operation).input_shape
    parameters = plain(call.parameters)
    report = ParamValidator().validate(parameters, shape)
    faults = [report.generate_report()] if report.has_errors() else []
    faults = faults or list(_faults(parameters, shape, call.operation))
    if faults:
        raise OptionsError(
            f"AWS would refuse to {call.doing}: {' '.join(faults[0].split())} Change "
            "that option; if it is new at AWS, update boto3."
        )


@cache
def _service(name: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(name)


def _faults(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Yield what botocore itself does not look at: choices, patterns, upper bounds."""
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from _faults(each, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        yield from _size_faults(len(value), shape, where, "entries")
        for place, each in enumerate(value):
            yield from _faults(each, shape.member, f"{where}[{place}]")
    elif shape.type_name == "map":
        yield from _size_faults(len(value), shape, where, "entries")
        for name, each in value.items():
            yield from _faults(name, shape.key, f"{where} key '{name}'")
            yield from _faults(each, shape.value, f"{where}.{name}")
    elif shape.type_name == "string":
        yield from _text_faults(str(value), shape, where)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _size_faults(value, shape, where, "")


def _text_faults(text: str, shape: Any, where: str) -> Iterator[str]:
    if shape.enum and text not in shape.enum:
        some = ", ".join(shape.enum[:6])
        yield f"{where} is '{text}', it may be {some} …"
    elif text.startswith("<") and text.endswith(">"):  # an `Answer`, not yet known
        return
    else:
        yield from _size_faults(len(text), shape, where, "characters")
        pattern = shape.metadata.get("pattern")
        if pattern and not _fits(text, pattern):
            yield f"{where} is '{text}', which does not fit AWS's pattern {pattern} ."


def _fits(text: str, pattern: str) -> bool:
    """Return False if a text does not fit; a pattern that only Java knows fits all."""
    try:
        return re.match(rf"(?:{pattern})\Z", text, re.DOTALL) is not None
    except re.error:
        return True


def _size_faults(size: float, shape: Any, where: str, unit: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and size > most:
        yield f"{where} has {size} {unit}".rstrip() + f", at most {most} are allowed."
