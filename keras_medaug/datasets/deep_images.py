"""PNG files of 16 bits, of which Pillow drops a half."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def values_of_16_bits(pil, image, file: Path) -> NDArray[np.float32] | None:
    """Return what a 16-bit image holds, turned upright, in [0, 255] and not rounded.

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


def resize_floats(pil, values: NDArray, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Resize values in [0, 255], channel by channel, and round them once, at the end.

    Args:
        pil: Pillow.
        values: What `values_of_16_bits` returns.
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
