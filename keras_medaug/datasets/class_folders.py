"""The files of a folder with one sub-folder per class."""

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from keras_medaug.checks import fail
from keras_medaug.files import check_text

SUFFIXES = (".png", ".jpg", ".jpeg")
LITTER = {
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "__macosx",
    "$recycle.bin", "system volume information", "lost+found", "@eadir", "#recycle",
}  # fmt: skip
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
EXPECTED = "a folder with one sub-folder of PNG or JPEG files per class"


def list_classes(path: Path) -> tuple[dict[str, list[Path]], dict[Path, str]]:
    """Return the image files of each class, and what else is in the class folders.

    The order is that of the names, and the names are in Unicode's form NFC: both are then the same
    on every operating system.

    Args:
        path: The folder.

    Returns:
        The files by class name; and why each other entry cannot be used.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If the folder has no class folders, or a class folder cannot be used.
    """
    if not path.exists():
        raise FileNotFoundError(f"`path`: there is no folder {path}.")
    if not path.is_dir():
        raise fail("path", f"{path}, which is no folder", EXPECTED)
    root = path.resolve()
    folders = [entry for entry in _visible(path) if entry.is_dir() or _leads_out(entry, root)]
    if not folders:
        raise fail("path", f"{path}, which has no sub-folder", EXPECTED)
    _check_splits(path, folders)
    classes: dict[str, list[Path]] = {}
    unusable: dict[Path, str] = {}
    for folder in folders:
        _check_class(folder, root, classes)
        entries = _visible(folder)
        reasons = {entry: reason for entry in entries if (reason := _reason(entry, root))}
        classes[name_of(folder)] = [entry for entry in entries if entry not in reasons]
        unusable |= reasons
    return classes, unusable


def name_of(path: Path) -> str:
    """Return a file's name in one form: macOS may write an accent apart from its letter.

    Args:
        path: A file or a folder.

    Returns:
        The name in Unicode's form NFC.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.datasets.class_folders import name_of
    >>> name_of(Path("la\u0308sion")) == "l\u00e4sion"
    True
    """
    return unicodedata.normalize("NFC", path.name)


def shown(files: Iterable[str], most: int = 3) -> str:
    """Return the first of some names, and how many more there are.

    Args:
        files: The names.
        most: How many are named.

    Returns:
        Words.

    Example:

    >>> from keras_medaug.datasets.class_folders import shown
    >>> shown(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    names = list(files)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _visible(folder: Path) -> list[Path]:
    """Return what is neither hidden nor left by a system, sorted by name.

    Not by path: on Windows, paths are sorted without regard to case.
    """
    entries = [
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.casefold() not in LITTER
    ]
    return sorted(entries, key=lambda entry: (name_of(entry), entry.name))


def _leads_out(entry: Path, root: Path) -> bool:
    # Only links and folders are resolved: that takes long where there are many files.
    may = entry.is_symlink() or entry.is_dir()
    return may and not entry.resolve().is_relative_to(root)


def _reason(entry: Path, root: Path) -> str | None:
    if _leads_out(entry, root):
        return f"a link that leads out of {root}"
    if entry.is_dir():
        return "a folder in a class folder"
    if not entry.is_file():
        return "no file, or a link to none"
    return (
        None if entry.suffix.lower() in SUFFIXES else "its name does not end in .png, .jpg or .jpeg"
    )


def _check_class(folder: Path, root: Path, classes: dict[str, list[Path]]) -> None:
    if _leads_out(folder, root):
        raise fail("path", f"{folder}, a link that leads out of {root}", "folders inside it only")
    name = name_of(folder)
    if name in classes:
        got = f"two sub-folders with the name {name!r}, in different forms of Unicode"
        raise fail("path", got, "one sub-folder per class: rename or join them")
    check_text(name, "path")


# ---- splits ---------------------------------------------------------------------------------


def _check_splits(path: Path, folders: list[Path]) -> None:
    """Refuse a folder whose sub-folders are splits, and say how they are loaded."""
    splits: dict[str, Path] = {
        split: folder
        for split in ("train", "val", "test")
        for folder in folders
        if SPLIT_NAMES.get(folder.name.casefold()) == split and folder.is_dir()
    }
    nested = {split: folder for split, folder in splits.items() if _holds_folders_alone(folder)}
    names = ", ".join(folder.name for folder in (nested or splits).values())
    if nested:
        text = fail("path", f"{path} with splits above the class folders ({names})", EXPECTED)
        raise ValueError(f"{text} Load each split by itself:\n\n{_code(nested)}")
    if all(_holds_folders_alone(folder) for folder in folders):
        nested_names = shown(map(name_of, folders))
        got = f"{path}, whose sub-folders hold folders and no images ({nested_names})"
        raise fail("path", got, f"{EXPECTED}; load {folders[0]} where the classes lie there")
    if len(splits) > 1 and len(splits) == len(folders):
        remedy = "read the files into arrays, with the labels that you have, for `from_arrays`"
        got = f"{path} with splits in place of classes ({names})"
        raise fail("path", got, f"{EXPECTED}; {remedy}")


def _holds_folders_alone(folder: Path) -> bool:
    entries = _visible(folder)
    images = any(entry.suffix.lower() in SUFFIXES for entry in entries)
    return not images and any(entry.is_dir() for entry in entries)


def _code(splits: dict[str, Path]) -> str:
    lines = [
        f"{split} = kma.datasets.from_directory({str(folder)!r}, size=..., val=0, test=0)"
        for split, folder in splits.items()
    ]
    others = [split for split in ("val", "test") if split in splits]
    if "train" in splits and others:
        lines += [f"assert train.class_names == {split}.class_names" for split in others]
        stored = [f'*{split}.stored("train")' for split in ("train", *others)]
        if others == ["test"]:
            stored.insert(1, "None, None")
        lines += [
            "data = kma.datasets.from_arrays(",
            f"    {', '.join(stored)},",
            "    class_names=train.class_names,",
            ")",
        ]
    return "\n".join(lines)
