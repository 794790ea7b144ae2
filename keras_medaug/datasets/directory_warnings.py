"""What users are told of a folder that was read: one sentence for each kind of trouble."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from keras_medaug.datasets.class_folders import shown
from keras_medaug.datasets.picture import DARK, Picture
from keras_medaug.datasets.splitting import Member

FEW = 3  # images of a class in a split, below which its scores say little
STRETCHED = 1.5  # change of the aspect ratio


def warn_of_skipped(skipped: Mapping[str, str]) -> Iterable[str]:
    """Yield a warning of files that were skipped."""
    if skipped:
        files = shown(f"{file} ({reason})" for file, reason in skipped.items())
        yield (
            f"{_count(skipped, 'file')} skipped: {files}. The data set's `skipped` lists them all."
        )


def warn_of_large(path: Path, pixels: Mapping[Member, int], limit: int | None) -> Iterable[str]:
    """Yield a warning of images that Pillow finds suspiciously large, and reads."""
    large = [file for (_, file), number in pixels.items() if limit is not None and number > limit]
    if large:
        yield (
            f"{_count(large, 'image')} with more than {limit} pixels: {_files(path, large)}. "
            "Reading them takes long and much memory. Save them smaller first or, if you trust "
            "the files, set `PIL.Image.MAX_IMAGE_PIXELS = None` to read them without this warning."
        )


def warn_of_pictures(
    pictures: Mapping[Member, Picture], shape: tuple[int, int, int]
) -> Iterable[str]:
    """Yield warnings of images that do not look as their files do."""
    height, width, channels = shape
    files = {file: picture for (_, file), picture in pictures.items()}
    of = f"of {len(files)} images"
    coloured = [file for file, picture in files.items() if picture.coloured]
    if coloured and channels == 1:
        yield (
            f"{len(coloured)} {of} are in colour and become gray, such as {_first(coloured)}. "
            "`channels=3` keeps the colours."
        )
    dark = [file for file, picture in files.items() if picture.dark]
    if dark:
        yield (
            f"{len(dark)} {of} have 16 bits and come out nearly black (99% of the pixels are below "
            f"{DARK} of 255), such as {_first(dark)}. 12-bit scans in 16-bit files do. Scale them "
            "to their window, and save them with 8 bits."
        )
    stretched = [
        file
        for file, picture in files.items()
        if max(picture.stretch, 1 / picture.stretch) > STRETCHED
    ]
    if stretched:
        yield (
            f"{len(stretched)} {of} are stretched to more than {STRETCHED} times their aspect "
            f"ratio, such as {_first(stretched)}: `size` is {height} x {width} (height x width). "
            "Give `size` as a pair (height, width) that suits them, or crop them first."
        )


def warn_of_conflicts(path: Path, groups: Iterable[list[Member]]) -> Iterable[str]:
    """Yield a warning of equal pictures with different labels."""
    conflicts = [group for group in groups if len({label for label, _ in group}) > 1]
    if conflicts:
        yield (
            f"{_count(conflicts, 'picture')} in more than one class, such as "
            f"{_files(path, (file for _, file in conflicts[0]))}: their labels contradict one "
            "another. The files of each are kept in one split. Remove those with a wrong label."
        )


def warn_of_few(classes: Iterable[str], splits: Mapping[str, list[Member]]) -> Iterable[str]:
    """Yield a warning of classes that are nearly absent from a split."""
    used = {split: Counter(label for label, _ in members) for split, members in splits.items()}
    used = {split: counts for split, counts in used.items() if counts}
    few = [
        f"{counts[label]} of {label!r} in {split}"
        for split, counts in used.items()
        for label in classes
        if counts[label] < FEW
    ]
    if few and len(used) > 1:
        yield (
            f"Fewer than {FEW} images of a class in a split: {shown(few, 5)}. What is measured on "
            "so few says little of the class. Collect more images, give the split a larger "
            "fraction, or leave it out with a fraction of 0."
        )


def _count(things, noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) > 1)}"


def _first(files: list[Path]) -> str:
    return f"{files[0].parent.name}/{files[0].name}"


def _files(path: Path, files: Iterable[Path]) -> str:
    return shown(file.relative_to(path).as_posix() for file in files)
