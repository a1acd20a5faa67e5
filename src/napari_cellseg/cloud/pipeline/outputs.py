"""What the server sent goes to its places in S3."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

from napari_cellseg.cloud.pipeline.contract import (
    CELLS,
    CELLS_3D,
    COUNTS,
    LABELS,
    OVERLAY,
    PARTS,
    STACK_PARTS,
    LaterError,
    PipelineSettings,
)
from napari_cellseg.cloud.pipeline.runs import Run
from napari_cellseg.cloud.pipeline.uploads import MALFORMED, output_key

#: All parts together, expanded; the function has about twice that.
MAX_PARTS_BYTES = 200 * 2**20
#: What a zip and its JSON may raise.
UNREADABLE = (
    *MALFORMED,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # encrypted
    NotImplementedError,  # packed in a way that is not known
)
#: Counts last: who waits for them finds the rest.
ORDER = (LABELS, OVERLAY, CELLS, CELLS_3D, COUNTS)
TYPES = {**PARTS, **STACK_PARTS}


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the parts of an answer, after a look at the sizes that they claim.

    Raises
    ------
    LaterError
        If it is cut off, or not what our server sends.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            sizes = {item.filename: item.file_size for item in file.infolist()}
            if (
                set(sizes) - set(STACK_PARTS) != set(PARTS)
                or sum(sizes.values()) > MAX_PARTS_BYTES
            ):
                raise LaterError(
                    f"The endpoint's answer holds {sum(sizes.values())} bytes in "
                    f"{len(sizes)} parts; {', '.join(PARTS)} were expected."
                )
            parts = {name: file.read(name) for name in sizes}
        counts = json.loads(parts[COUNTS])
        int(counts["n_cells"]), counts.get("model", {}).get("name")
    except UNREADABLE as error:
        raise LaterError(
            f"The endpoint's answer is cut off or damaged ({type(error).__name__}); "
            f"{len(data)} bytes arrived."
        ) from error
    return parts


def write_parts(
    client: Any, settings: PipelineSettings, run: Run, parts: dict[str, bytes]
) -> dict[str, Any]:
    """Write the parts of a result and return what belongs into the table.

    Writing them again gives the same keys. A part that another state of the image had
    and this one has not is deleted.
    """
    counts = json.loads(parts[COUNTS])
    counts["source"] = f"s3://{settings.bucket}/{run.key}"
    counts["etag"], counts["run"] = run.etag, run.run_id
    text = json.dumps(counts, indent=2, ensure_ascii=False)
    for name in ORDER:
        key = output_key(run.key, name, settings)
        if name not in parts:
            client.delete_object(Bucket=settings.bucket, Key=key)
            continue
        client.put_object(
            Bucket=settings.bucket,
            Key=key,
            Body=text.encode() if name == COUNTS else parts[name],
            ContentType=TYPES[name],
        )
    model = counts.get("model", {})
    return {
        "n_cells": int(counts["n_cells"]),
        "output_key": output_key(run.key, LABELS, settings),
        "model": str(model.get("name", "")),
        "digest": str(model.get("digest", "")),
        "error": "",
    }
