"""``cellseg cloud pipeline template | package``: upload an image to S3, get its cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Segment what is uploaded to a bucket: S3, a queue, a function, an endpoint.",
)
#: What is left for the person to name.
COMMANDS = """\
Copy the code to a bucket of yours, then make the stack (a second time updates it):

  aws s3 cp '{code}' s3://CODE_BUCKET/{name}
  aws cloudformation deploy --stack-name cellseg-pipeline \\
    --template-file '{template}' --capabilities CAPABILITY_IAM \\
    --parameter-overrides BucketName=NEW_BUCKET EndpointName=ENDPOINT \\
      CodeBucket=CODE_BUCKET CodeKey={name}

Then images go to s3://NEW_BUCKET/input/, and results come out in s3://NEW_BUCKET/output/.
"""


@app.command()
def template() -> None:
    """Print the CloudFormation template."""
    from napari_cellseg.cloud.pipeline.package import template_text

    typer.echo(template_text(), nl=False)


@app.command()
def package(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of template and code.")
    ] = Path("cellseg-pipeline"),
) -> None:
    """Write the template and the function's code, and say how to deploy them."""
    from napari_cellseg.cloud.pipeline.package import write_package

    written = write_package(out)
    typer.echo(
        COMMANDS.format(
            code=written.code, name=written.code.name, template=written.template
        ),
        nl=False,
    )
