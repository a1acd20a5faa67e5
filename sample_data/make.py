"""Write the sample images beside this file: ``python sample_data/make.py``.

They are the same pixels as the samples of the installed package; the truth is in
`napari_cellseg.core.synthetic.sample_scene`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_cellseg.core.synthetic import sample_image
from napari_cellseg.core.types import CellImage

#: File name of each sample.
FILES = {
    "nuclei": "nuclei.tif",
    "two_channels": "two_channels.ome.tif",
    "phase_contrast": "phase_contrast.png",
    "histology": "histology.png",
}


def main(folder: Path) -> None:
    """Write every sample into `folder`, replacing what is there."""
    for name, file_name in FILES.items():
        image = sample_image(name)
        path = folder / file_name
        if path.suffix == ".png":
            pixels = np.moveaxis(image.data, 0, -1) if image.is_rgb else image.data[0]
            Image.fromarray(pixels).save(path, optimize=True)
        else:
            write_ome_tiff(path, image)


def write_ome_tiff(path: Path, image: CellImage) -> None:
    """Write an OME-TIFF with the pixel size and the names of the channels."""
    assert image.pixel_size is not None, "samples in TIFF have a pixel size"  # noqa: S101
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": image.pixel_size.x_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": image.pixel_size.y_um,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": list(image.channel_names)},
    }
    tifffile.imwrite(
        path,
        image.data,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        predictor=True,
        metadata=metadata,
    )


if __name__ == "__main__":
    main(Path(__file__).parent)
