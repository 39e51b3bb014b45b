"""What a file is, told by its content: names lie, and nothing is unpickled to find out."""

from __future__ import annotations

import warnings
import zipfile
from enum import StrEnum
from pathlib import Path

from divergence.errors import LoadError, nearest
from divergence.load import protobuf

_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6
_HEAD = 4096


class Kind(StrEnum):
    """What a file is, in the words of messages."""

    ONNX = "an ONNX model"
    TORCHSCRIPT = "a TorchScript archive"
    EXPORTED = "a torch.export archive"
    CHECKPOINT = "a PyTorch checkpoint"
    LEGACY_CHECKPOINT = "a PyTorch checkpoint of the old format"
    PICKLE = "a Python pickle"
    SAFETENSORS = "a safetensors file"
    NPY = "a NumPy array"
    NPZ = "an archive of NumPy arrays"
    IMAGE = "an image"
    ZIP = "a zip archive"
    LFS_POINTER = "a Git LFS pointer (fetch the file itself with `git lfs pull`)"
    HTML = "a web page (a failed download?)"
    TEXT = "a text file"
    UNKNOWN = "of an unknown format"


_SIGNATURES = (
    (Kind.LEGACY_CHECKPOINT, _LEGACY_MAGIC),
    (Kind.NPY, b"\x93NUMPY"),
    (Kind.PICKLE, tuple(b"\x80%c" % protocol for protocol in range(2, 6))),
    # Those that a cut-off file begins with, although Pillow makes nothing of it.
    (Kind.IMAGE, (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")),
)
CHECKPOINTS = (Kind.CHECKPOINT, Kind.LEGACY_CHECKPOINT, Kind.PICKLE)


def kind_of(path: Path) -> Kind:
    """Return what the file holds.

    Raises:
        LoadError: no such file, a folder, an empty or an unreadable file, a truncated zip.
    """
    head = _read_head(path)
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    for kind, signature in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return Kind.SAFETENSORS
    if protobuf.looks_like_model(path):
        return Kind.ONNX
    return Kind.IMAGE if _is_image(path) else _text_kind(head)


def _read_head(path: Path) -> bytes:
    if path.is_dir():
        raise LoadError(f"'{path}' is a folder; name a file in it.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        raise LoadError(f"There is no file '{path}'.{_neighbours(path)}") from None
    except OSError as error:
        raise LoadError(f"'{path}' cannot be read: {error.strerror}.") from error
    if not head:
        raise LoadError(f"'{path}' is empty.")
    return head


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f" There is no folder '{path.parent}' either."
    return nearest(path.name, (file.name for file in path.parent.iterdir()))


def _zip_kind(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise LoadError(
            f"'{path}' is truncated: it begins as a zip archive and ends without its table of "
            "contents."
        ) from None
    except (UnicodeDecodeError, OSError, NotImplementedError) as error:
        raise LoadError(f"'{path}' is damaged: its table of contents: {error}.") from error
    inner = {name.partition("/")[2] for name in names}
    if names and all(name.endswith(".npy") for name in names):
        return Kind.NPZ
    if "serialized_exported_program.json" in names or "archive_format" in inner:
        return Kind.EXPORTED
    if "data.pkl" in inner:
        return Kind.TORCHSCRIPT if "constants.pkl" in inner else Kind.CHECKPOINT
    return Kind.ZIP


def _is_image(path: Path) -> bool:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of great sizes: preparation bounds them
        try:
            Image.open(path).close()
        except Image.DecompressionBombError:
            return True
        except Exception:  # noqa: BLE001  # whatever a decoder says of foreign bytes
            return False
    return True


def _text_kind(head: bytes) -> Kind:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not merely a character cut by the end of `head`
            return Kind.UNKNOWN
        text = head[: error.start].decode("utf-8")
    if not all(character.isprintable() or character.isspace() for character in text):
        return Kind.UNKNOWN
    start = text.lstrip().lower()
    if start.startswith("version https://git-lfs"):
        return Kind.LFS_POINTER
    return Kind.HTML if start.startswith(("<!doctype html", "<html")) else Kind.TEXT
