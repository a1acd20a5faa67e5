"""What a file is, told by its first bytes and not by its name."""

from __future__ import annotations

import stat
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.foreign import translated

HEAD_BYTES = 132

IMAGE_SUFFIXES = (
    ".tif",
    ".tiff",
    ".btf",
    ".tf2",
    ".tf8",
    ".lsm",
    ".stk",
    ".svs",
    ".ndpi",
    ".qptiff",
    ".scn",
    ".png",
    ".jpg",
    ".jpeg",
    ".jp2",
    ".j2k",
    ".bmp",
    ".gif",
    ".webp",
    ".avif",
    ".pgm",
    ".ppm",
    ".pbm",
    ".pnm",
    ".tga",
    ".ico",
    ".zarr",
    ".czi",
    ".nd2",
    ".lif",
)

# Signature, where it stands, and what it is. Longer ones first where they overlap.
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
    (4, b"jP  \r\n\x87\n", "JPEG2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"8BPS", "PSD"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"\x01\xda", "SGI"),
    *((0, b"P%d" % kind, "PPM") for kind in range(1, 7)),
    (0, b"ZISRAWFILE", "czi"),
    (0, b"\xda\xce\xbe\x0a", "nd2"),
    (0, b"\x70\0\0\0", "lif"),
)

# What is known but not read here: what it is, and the way out.
EXPORT = "Export it as OME-TIFF and open that."
OFFICE = "Save the picture in it as TIFF or PNG and open that."
FOREIGN_FORMATS: tuple[tuple[int, bytes, str, str], ...] = (
    (128, b"DICM", "a DICOM file", EXPORT),
    (0, b"SIS\0", "the pixel store of an Olympus slide (ETS)", EXPORT),
    (0, b"\x89HDF", "an HDF5 file (Imaris, ilastik)", EXPORT),
    (0, b"\xd0\xcf\x11\xe0", "an OLE file (ZVI, OIB)", EXPORT),
    (0, b"%PDF", "a PDF document", "Export its image as TIFF or PNG."),
    (0, b"\x93NUMPY", "a numpy array", "Save it with tifffile.imwrite and open that."),
    (30, b"[Content_Types].xml", "an Office document", OFFICE),
    (30, b"_rels/.rels", "an Office document", OFFICE),
    (30, b"mimetypeapplication/vnd.oasis", "an OpenDocument file", OFFICE),
    (0, b"PK\x03\x04", "a zip archive", "Unpack it and open what is inside."),
    (0, b"\x1f\x8b", "a gzip archive", "Unpack it and open what is inside."),
)
#: They describe an OME-Zarr; the first that is there stands for all of it.
ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def sniff(path: Path) -> str:
    """Return the kind of a file or folder: ``"tiff"``, ``"zarr"``, ``"czi"``, ``"PNG"``...

    Parameters
    ----------
    path : Path
        Nothing but a regular file is opened: a pipe would wait for ever.

    Returns
    -------
    str
        ``"tiff"``, ``"zarr"``, ``"czi"``, ``"nd2"``, ``"lif"``, or Pillow's name of a format.

    Raises
    ------
    ImageReadError
        If there is nothing, or nothing that can be an image.
    """
    with translated(path.name):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder_kind(path)
        if not stat.S_ISREG(mode):
            raise ImageReadError(
                f"{path.name} is no file but a pipe, socket or device. Choose an image file."
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    return kind_of_head(path, head)


def _folder_kind(path: Path) -> str:
    """Return ``"zarr"``, or raise if the folder is no OME-Zarr."""
    if any((path / name).is_file() for name in ZARR_FILES):
        return "zarr"
    raise ImageReadError(
        f"{path.name} is a folder, and no OME-Zarr (no zarr.json, .zattrs or .zarray in it). "
        "Choose a file in it."
    )


def kind_of_head(path: Path, head: bytes) -> str:
    """Return the kind that the first bytes of a file tell.

    Parameters
    ----------
    path : Path
        Names the file; it is not opened.
    head : bytes
        The first `HEAD_BYTES`, or all that there are.

    Raises
    ------
    ImageReadError
        If it is no image that is read here.
    """
    if not head:
        raise ImageReadError(
            f"{path.name} is empty (0 bytes). Copy or export it again."
        )
    for start, signature, kind in SIGNATURES:
        if head.startswith(signature, start):
            return kind
    for start, signature, what, advice in FOREIGN_FORMATS:
        if head.startswith(signature, start):
            raise ImageReadError(
                f"{path.name} is {what}, which is not read here. {advice}"
            )
    if path.suffix.lower() in (".tga", ".pcx"):  # these begin with no signature
        return path.suffix[1:].upper()
    shown = head[:12].decode("ascii", "replace")
    shown = "".join(letter if letter.isprintable() else "·" for letter in shown)
    raise ImageReadError(
        f"{path.name} is no image that is known: it begins with '{shown}'. "
        "Choose a TIFF, PNG, JPEG or OME-Zarr, or export it as OME-TIFF."
    )
