"""The one seam where exceptions of other packages become ours.

tifffile, imagecodecs, Pillow, zarr and bioio raise almost every built-in class on damaged
files: 3,000 mutated TIFFs gave 15 classes. They are listed, not caught as `Exception`, so
that `KeyboardInterrupt`, `StopIteration` and whatever nobody has seen yet still show.
"""

from __future__ import annotations

import errno
import lzma
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tokenize import TokenError

from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError

from napari_cellseg.core.errors import CellsegError, ImageReadError, LimitError

FOREIGN_ERRORS = (
    ArithmeticError,  # ZeroDivisionError, OverflowError
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,  # imagecodecs.DelayedImportError: a codec that is not installed
    LookupError,  # IndexError, KeyError
    MemoryError,
    OSError,  # Pillow's UnidentifiedImageError is one
    RuntimeError,  # every codec error of imagecodecs, NotImplementedError, RecursionError
    SyntaxError,  # Pillow on broken PNG; xml.etree.ElementTree.ParseError
    TypeError,
    ValueError,  # tifffile.TiffFileError, json, unicode, zarr
    struct.error,
    zlib.error,
    lzma.LZMAError,
    TokenError,  # NumPy on a header of npy with open brackets
    DecompressionBombError,
)

COMPRESSION_NAME = re.compile(
    r"<COMPRESSION\.(?P<name>\w+): \d+>|^(?P<number>\d+) is not a known COMPRESSION"
)
DAMAGED = "It is probably damaged or cut short: copy or export it again."


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn what other packages raise while reading `name` into `CellsegError`.

    Raises
    ------
    ImageReadError
        With one line that names the file, the reason and the next step.
    LimitError
        If memory ran out, or Pillow met a decompression bomb.
    """
    try:
        yield
    except CellsegError:
        raise
    except (MemoryError, DecompressionBombError) as error:
        raise LimitError(
            f"{name} is too large to be read here ({one_line(error) or 'out of memory'}). "
            "Crop it, or save it as a tiled TIFF or OME-Zarr."
        ) from error
    except FOREIGN_ERRORS as error:
        raise ImageReadError(sentence(name, error)) from error


def sentence(name: str, error: BaseException) -> str:
    """Return one line on why `name` cannot be read and what to do."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name} cannot be read: {os_reason(error)}"
    text = one_line(error)
    if compression := COMPRESSION_NAME.search(text):
        text = f"compression {compression['name'] or compression['number']} is not supported"
    if (
        isinstance(error, ImportError)
        or "not supported" in text
        or "requires the" in text
    ):
        return (
            f"{name} cannot be read: {text}. Save it without compression, or with LZW or "
            "deflate, as TIFF."
        )
    if "failed to read" in text or "truncated" in text.lower():
        return f"{name} is cut short: {text}. Copy or export it again."
    return f"{name} cannot be read: {_reason(error, text)}. {DAMAGED}"


def _reason(error: BaseException, text: str) -> str:
    """Return the reason in words; some texts mean nothing outside their package."""
    if isinstance(error, UnidentifiedImageError):
        return "its header is damaged"
    if isinstance(error, ArithmeticError | LookupError | AttributeError) or not text:
        return (
            f"its header and its content do not fit together ({type(error).__name__})"
        )
    return text


def os_reason(error: OSError) -> str:
    """Return what an error of the operating system means, with the next step."""
    known = {
        errno.ENOENT: "there is no such file. Check the path.",
        errno.EACCES: "no permission. Ask for the right to read it.",
        errno.EPERM: "no permission. Ask for the right to read it.",
        errno.ELOOP: "the link leads back to itself. Choose the file that it should lead to.",
        errno.EISDIR: "it is a folder. Choose a file, or an OME-Zarr folder.",
        errno.ENAMETOOLONG: "the name is too long. Give it a shorter one.",
    }
    other = f"{error.strerror}. Check the disk or network drive and try again."
    return known.get(error.errno or 0, other)


def one_line(error: BaseException) -> str:
    """Return the text of an error on one line of at most 160 characters."""
    text = " ".join(str(error).split()).rstrip(".")
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= 160 else text[:157] + "..."
