"""An image file as a data set has it, and what is worth a warning of it."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FORMATS = ("PNG", "JPEG")
ENDS = {"PNG": b"IEND"}  # of a JPEG file it is another
END_OF_JPEG = b"\xff\xd9"
TAIL = 64  # bytes in which the end is looked for
GRAY_MODES = ("1", "L", "LA")
SPREAD = 24  # between the channels of a pixel, from which on it is coloured
COLOURED = 0.02  # of the pixels, from which on an image is
DARK = 32  # of 255, that 99% of the pixels of a dark image are below
SEEN = 64  # rows and columns that are looked at for colour


@dataclass(frozen=True)
class Picture:
    """An image file that was read.

    Args:
        image: The image as the data set has it, shape `(h, w, c)`.
        key: Equal for equal pictures, whatever the bytes of their files.
        stretch: Width by height of the image, divided by that of the file.
        coloured: Whether it has colours.
        dark: Whether it has 16 bits, of which the upper ones are hardly used.
    """

    image: NDArray[np.uint8]
    key: bytes
    stretch: float
    coloured: bool
    dark: bool


def check_file(pil, file: Path) -> int:
    """Read the header of an image file, and look whether the file ends as it should.

    Args:
        pil: Pillow.
        file: The file.

    Returns:
        Its number of pixels.

    Raises:
        Exception: Of many kinds, if it cannot be read; see `reason_of`.
    """
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - TAIL))
        tail = stream.read()
        stream.seek(0)
        with pil.Image.open(stream, formats=FORMATS) as image:
            if ENDS.get(image.format, END_OF_JPEG) not in tail:
                image.load()  # cut off, unless it is just that something follows
            return image.width * image.height


def read_picture(pil, file: Path, shape: tuple[int, int, int]) -> Picture:
    """Read an image file.

    Args:
        pil: Pillow.
        file: The file.
        shape: Height, width and channels that the image is to have.

    Returns:
        The image, and what is to be known of it.

    Raises:
        Exception: Of many kinds, if it cannot be read; see `reason_of`.
    """
    with pil.Image.open(file, formats=FORMATS) as image:
        deep = _values_of_16_bits(pil, image, file)
        values: NDArray = _values_of_8_bits(pil, image) if deep is None else deep
    resized = (_resize if deep is None else _resize_floats)(pil, values, shape)
    return Picture(
        resized,
        _key(values),
        shape[1] / shape[0] / (values.shape[1] / values.shape[0]),
        _is_coloured(values),
        deep is not None and bool(np.percentile(resized, 99) < DARK),
    )


def reason_of(pil, error: Exception) -> str:
    """Return why a file cannot be read, in words.

    Args:
        pil: Pillow.
        error: What was raised.

    Returns:
        The reason, and what can be done.
    """
    if isinstance(error, pil.Image.DecompressionBombError):
        return (
            f"{error} Save it smaller or, if you trust the file, set "
            "`PIL.Image.MAX_IMAGE_PIXELS = None` before"
        )
    if isinstance(error, pil.UnidentifiedImageError):
        return "neither a PNG nor a JPEG file, whatever its name"
    return f"it cannot be read: {str(error) or type(error).__name__}"


@contextmanager
def without_size_warnings(pil) -> Iterator[None]:
    """Silence what Pillow says of each large image, each time it is opened."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pil.Image.DecompressionBombWarning)
        yield


def _values_of_8_bits(pil, image) -> NDArray[np.uint8]:
    """Return a gray image as `(h, w, 1)` and any other as `(h, w, 3)`, rotated upright."""
    image = pil.ImageOps.exif_transpose(image)
    if image.mode == "P":  # its transparency cannot go straight to RGB
        image = image.convert("RGBA")
    image = image.convert("L" if image.mode in GRAY_MODES else "RGB")
    return np.asarray(image).reshape(image.height, image.width, -1)


def _resize(pil, values: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    height, width, channels = shape
    image = pil.Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    image = image.convert("L" if channels == 1 else "RGB")
    return np.asarray(image.resize((width, height), pil.Image.Resampling.BICUBIC)).reshape(shape)


def _key(values: NDArray) -> bytes:
    """Return a hash of the picture: the same for gray as colour, and for 8 bits in 16."""
    first = values[..., 0]
    if all(np.array_equal(first, values[..., other]) for other in range(1, values.shape[2])):
        values = first[..., np.newaxis]
    if values.dtype != np.uint8 and np.array_equal(whole := np.rint(values), values):
        values = whole.astype(np.uint8)
    digest = hashlib.blake2b(f"{values.shape} {values.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()


def _is_coloured(values: NDArray) -> bool:
    step = max(1, min(values.shape[:2]) // SEEN)
    few = values[::step, ::step].astype(np.float32)
    return bool(np.mean(np.ptp(few, axis=2) >= SPREAD) >= COLOURED)


# ---- PNG files of 16 bits, of which Pillow drops a half ------------------------------------------


def _values_of_16_bits(pil, image, file: Path) -> NDArray[np.float32] | None:
    """Return what a 16-bit image holds, rotated upright, in [0, 255] and not rounded.

    Pillow keeps both bytes of gray images alone. Of each other value it keeps the first byte, and
    the second one where it is told that the bytes are in the opposite order.

    Args:
        pil: Pillow.
        image: The image, opened with Pillow.
        file: Its file.

    Returns:
        Values of shape `(h, w, 1)` or `(h, w, 3)`; `None` for an image that has no 16 bits.
    """
    form = image.tile[0][3] if image.tile else None
    if image.mode.startswith("I"):
        values = np.asarray(image)[..., np.newaxis].astype(np.float32)
    elif form == "LA;16B":
        both = _decode(pil, file, "RGBA")
        values = _joined(both[..., :1], both[..., 1:2])
    elif form in ("RGB;16B", "RGBA;16B"):
        low = _decode(pil, file, form.replace("16B", "16L"))
        values = _joined(np.asarray(image)[..., :3], low[..., :3])
    else:
        return None
    return _upright(pil, values / np.float32(257), image.info.get("exif"))


def _resize_floats(pil, values: NDArray, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Resize values in [0, 255], channel by channel, and round them once, at the end.

    Args:
        pil: Pillow.
        values: What `_values_of_16_bits` returns.
        shape: Height, width and channels of the result.

    Returns:
        The image.
    """
    height, width, channels = shape
    size, filter_ = (width, height), pil.Image.Resampling.BICUBIC
    planes = [
        np.asarray(plane.resize(size, filter_))
        for plane in _planes(pil, _with_channels(values, channels))
    ]
    return np.rint(np.clip(np.stack(planes, axis=2), 0, 255)).astype(np.uint8)


def _joined(high: NDArray, low: NDArray) -> NDArray[np.float32]:
    return high * np.float32(256) + low


def _decode(pil, file: Path, form: str) -> NDArray[np.uint8]:
    """Return a PNG file's bytes, read as if they were of another form."""
    with pil.Image.open(file, formats=("PNG",)) as image:
        image.tile = [(*image.tile[0][:3], form)]
        return np.asarray(image)


def _upright(pil, values: NDArray, exif: bytes | None) -> NDArray:
    """Apply the orientation that a camera noted."""
    if exif is None:
        return values
    planes = _planes(pil, values)
    for plane in planes:
        plane.info["exif"] = exif
    return np.stack([np.asarray(pil.ImageOps.exif_transpose(plane)) for plane in planes], axis=2)


def _planes(pil, values: NDArray) -> list:
    return [pil.Image.fromarray(np.ascontiguousarray(p)) for p in np.moveaxis(values, 2, 0)]


def _with_channels(values: NDArray, channels: int) -> NDArray:
    """Return gray as three equal channels, and colour as gray by Pillow's weights."""
    if values.shape[2] == 3 and channels == 1:
        return values @ np.array([[0.299], [0.587], [0.114]], values.dtype)
    return np.repeat(values, channels, axis=2) if values.shape[2] < channels else values
