"""``cellseg serve``."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.run_place import TOKEN_VARIABLE
from napari_cellseg.serving.container import container_folder

#: Half of the 30 s that SageMaker gives; the image in hand takes the other half.
STOP_SECONDS = 12
LOOPBACK = "127.0.0.1"
#: SageMaker sets it in its containers, where the platform guards the door.
CONTAINER_PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"
CONTAINER_PORT = 8080


def serve(  # noqa: PLR0913 - one flag each
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = CONTAINER_PORT,
    token: Annotated[
        str,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            help="What clients must send; needed to listen beyond this computer.",
        ),
    ] = "",
    model: Annotated[str | None, typer.Option(help="Name or folder.")] = None,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            "--devices",
            help="auto or cuda: every GPU, a process each; cpu, mps; or a list, such as "
            "0,1 (GPUs by number) or cpu,cpu.",
        ),
    ] = "auto",
    queue_length: Annotated[int, typer.Option(help="Images that may wait.")] = 8,
    seconds: Annotated[
        float, typer.Option(help="The longest that one image may take.")
    ] = 3600.0,
    store: Annotated[
        str,
        typer.Option(
            help="Folder or s3://bucket/prefix for images and answers that are fetched "
            "later; none are taken if not given."
        ),
    ] = "",
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file; with it the server speaks https.")
    ] = None,
    certificate_key: Annotated[
        Path | None,
        typer.Option(help="PEM file with its key, if the certificate's has none."),
    ] = None,
) -> None:
    """Segment for others: a lab server, and the contract of a SageMaker container."""
    is_alone = host in (LOOPBACK, "localhost", "::1")
    shared = container_folder()
    if shared:
        host, port = "0.0.0.0", int(os.environ.get(CONTAINER_PORT_VARIABLE, port))  # noqa: S104
        given = shared / "model"
        has_model = (given / "model.json").is_file()
        model = model or (str(given) if has_model else None)
    elif not is_alone and not token:
        raise OptionsError(
            f"Listening on {host} lets everybody on the network in. Set a token with "
            f"--token or {TOKEN_VARIABLE}."
        )
    if certificate is not None:
        _check_certificate(certificate, certificate_key)
    try:
        import uvicorn

        from napari_cellseg.serving.allowed import container_options, lab_options
        from napari_cellseg.serving.bench.bench import Setup
        from napari_cellseg.serving.bench.several import open_benches
        from napari_cellseg.serving.bench.work import Worker
        from napari_cellseg.serving.doors.app import create_app
        from napari_cellseg.serving.doors.door import GuardedProtocol
    except ModuleNotFoundError as error:
        raise OptionsError(
            f"The server needs {error.name}: pip install 'napari-cellseg[serve]'."
        ) from error
    options = (
        container_options(os.environ, token)
        if shared
        else lab_options(token, is_alone=is_alone, seconds=seconds, store=store)
    )
    benches = open_benches(Setup(model, device, options.max_image_bytes))
    app = create_app(Worker(benches, queue_length), options)
    _check_port(host, port)
    scheme = "https" if certificate else "http"
    typer.echo(f"cellseg serves on {scheme}://{host}:{port}", err=True)
    uvicorn.run(
        app,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=certificate_key,
        log_level="warning",
        http=GuardedProtocol,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _check_port(host: str, port: int) -> None:
    """Raise `OptionsError` if nothing can listen there; uvicorn says so seconds later."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            pass
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OptionsError(
            f"Nothing can listen on {host}:{port} ({reason}). Choose another --port or "
            "--host, or end what listens there."
        ) from error


def _check_certificate(certificate: Path, key: Path | None) -> None:
    """Raise `OptionsError` if a certificate and its key cannot be used."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            certificate, key
        )
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise OptionsError(
            f"The certificate '{certificate}' cannot be used ({error}). Give a PEM file, "
            "and its key with --certificate-key."
        ) from error
