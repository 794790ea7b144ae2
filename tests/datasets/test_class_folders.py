"""Which files a folder of class folders has, in which order, and what is said of others."""

import sys
from pathlib import PurePath, PureWindowsPath

import numpy as np
import pytest

import keras_medaug as kma
from helpers.image_files import make_class, random_image, save
from helpers.needs import needs
from keras_medaug import datasets
from keras_medaug.datasets.class_folders import list_classes

pytestmark = pytest.mark.backend_free

Image = needs("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of 30 images in each of two classes."""
    make_class(tmp_path / "scans" / "a", 30)
    make_class(tmp_path / "scans" / "b", 30, seed=100)
    return tmp_path / "scans"


# ---- order ----------------------------------------------------------------------------------


SORTS_BEFORE = PurePath.__lt__


def as_on_windows(path, other):
    return SORTS_BEFORE(PureWindowsPath(path), PureWindowsPath(other))


def test_the_order_of_classes_is_that_of_names_on_every_system(tmp_path, monkeypatch):
    for label in ("b", "A", "C", "a1"):
        make_class(tmp_path / label, 1)
    monkeypatch.setattr(PurePath, "__lt__", as_on_windows)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["A", "a1", "b", "C"]
    assert list(list_classes(tmp_path)[0]) == ["A", "C", "a1", "b"]


def test_the_split_is_the_same_on_every_system(tmp_path, monkeypatch):
    """The first file of a group of copies stands for it."""
    for label, names in (("a", "BaCd"), ("B", "eFgH")):
        for seed, name in enumerate(names):
            save(tmp_path / label / f"{name}.png", random_image(seed // 2 + 9 * (label == "a")))
    shares = {"val": 0, "test": 0.5}
    with pytest.warns(UserWarning, match="Fewer than 3"):
        here = datasets.from_directory(tmp_path, 16, **shares)
    monkeypatch.setattr(PurePath, "__lt__", as_on_windows)
    with pytest.warns(UserWarning, match="Fewer than 3"):
        there = datasets.from_directory(tmp_path, 16, **shares)
    assert here.class_names == there.class_names == ("B", "a")
    assert here.md5 == there.md5


def test_an_accent_has_one_form(tmp_path):
    """macOS may write an accent apart from its letter, and then sorts and hashes another name."""
    made = {}
    for form, label in (("composed", "l\u00e4sion"), ("apart", "la\u0308sion")):
        make_class(tmp_path / form / label, 20)
        make_class(tmp_path / form / "lb", 20, seed=100)
        made[form] = datasets.from_directory(tmp_path / form, 16, val=0, test=0.2)
    assert made["apart"].class_names == ("lb", "l\u00e4sion")
    assert made["apart"].md5 == made["composed"].md5
    make_class(tmp_path / "apart" / "l\u00e4sion", 20)
    with pytest.raises(ValueError, match="`path`: got two sub-folders with the name 'läsion'"):
        datasets.from_directory(tmp_path / "apart", 16)


# ---- names ----------------------------------------------------------------------------------

NOT_UTF8 = b"l\xe4sion".decode("utf-8", "surrogateescape")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_a_folder_whose_name_is_not_utf8_is_refused(folder):
    (folder / "a").rename(folder / NOT_UTF8)
    (folder / NOT_UTF8 / "000.png").write_bytes(b"no image: the name is looked at first")
    with pytest.raises(ValueError, match=r"`path`: got 'l\\udce4sion', which is not UTF-8"):
        datasets.from_directory(folder, 16)


@pytest.mark.parametrize(("argument", "names"), [("class_names", [NOT_UTF8]), ("name", None)])
def test_a_name_that_is_not_utf8_is_refused_by_every_constructor(tmp_path, argument, names):
    images = np.zeros((1, 8, 8, 1), "uint8")
    message = rf"`{argument}`: got 'l\\udce4sion', which is not UTF-8; expected"
    name = NOT_UTF8 if names is None else "toy"
    with pytest.raises(ValueError, match=message):
        datasets.Dataset(name, (images, [0]), class_names=names)
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(images, [0], name=name, class_names=names)
    if names:
        path = tmp_path / "made.npz"
        kma.datasets.save_npz(path, datasets.from_arrays(images, [0]), origin="real")
        with pytest.raises(ValueError, match=message):
            datasets.from_npz(path, class_names=names)


def test_a_file_name_that_is_not_utf8_is_refused_before_it_is_on_the_card(tmp_path):
    ds = datasets.from_arrays(np.zeros((1, 8, 8, 1), "uint8"), [0])
    with pytest.raises(ValueError, match=r"`path`: got 'l\\udce4sion.npz', which is not UTF-8"):
        kma.datasets.save_npz(tmp_path / f"{NOT_UTF8}.npz", ds, origin="real")
    assert not list(tmp_path.iterdir())


# ---- strays ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "Icon\r", ".DS_Store", "@eaDir"])
def test_what_systems_leave_is_ignored(folder, name):
    reference = datasets.from_directory(folder, 16).md5
    (folder / "a" / name).write_bytes(b"left")
    assert datasets.from_directory(folder, 16).md5 == reference


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", "System Volume Information"])
def test_folders_that_systems_leave_are_no_classes(folder, name):
    (folder / name / "a").mkdir(parents=True)
    (folder / name / "a" / "._000.png").write_bytes(b"left")
    (folder / "b" / name).mkdir()
    assert datasets.from_directory(folder, 16).class_names == ("a", "b")


def spoil(folder):
    """Put five files that cannot be used into a folder."""
    data = (folder / "a" / "001.png").read_bytes()
    (folder / "a" / "cut.png").write_bytes(data[: len(data) // 2])
    (folder / "a" / "notes.txt").write_text("notes")
    (folder / "b" / "more").mkdir()
    (folder / "b" / "no image.png").write_bytes(b"no image")
    (folder / "b" / "link.png").symlink_to(folder.parent / "elsewhere.png")


def test_all_files_that_cannot_be_used_are_told_at_once(folder, monkeypatch):
    spoil(folder)
    # They are found before any image is read, which may take long.
    read = "keras_medaug.datasets.directory.read_picture"
    monkeypatch.setattr(read, lambda *_: pytest.fail("an image was read"))
    with pytest.raises(ValueError, match="5 files that cannot be used: ") as caught:
        datasets.from_directory(folder, 16)
    message = str(caught.value)
    assert "a/notes.txt (its name does not end in .png, .jpg or .jpeg)" in message.replace(
        "\\", "/"
    )
    assert message.count("(") == 3
    assert "and 2 more" in message
    assert 'on_error="skip"' in message


def test_files_that_cannot_be_used_are_skipped_and_listed(folder):
    reference = datasets.from_directory(folder, 16)
    spoil(folder)
    with pytest.warns(UserWarning, match=r"5 files skipped: .* and 2 more") as caught:
        ds = datasets.from_directory(folder, 16, on_error="skip")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert ds.md5 == reference.md5
    assert reference.skipped == {}
    reasons = {
        "a/cut.png": "it cannot be read: ",
        "a/notes.txt": "its name does not end in .png, .jpg or .jpeg",
        "b/more": "a folder in a class folder",
        "b/no image.png": "neither a PNG nor a JPEG file, whatever its name",
        "b/link.png": "a link that leads out of ",
    }
    assert ds.skipped.keys() == reasons.keys()
    assert all(ds.skipped[file].startswith(reason) for file, reason in reasons.items())


def test_what_only_reading_finds_is_told_at_once_as_well(folder):
    """A file may end as it should, and hold nonsense."""
    for name in ("001.png", "002.png"):
        data = (folder / "a" / name).read_bytes()
        start = data.index(b"IDAT") + 8
        (folder / "a" / name).write_bytes(data[:start] + b"\0" * 99 + data[start + 99 :])
    with pytest.raises(ValueError, match=r"2 files that cannot be used: .*001.png .*002.png"):
        datasets.from_directory(folder, 16)
    with pytest.warns(UserWarning, match="2 files skipped"):
        assert len(datasets.from_directory(folder, 16, on_error="skip").skipped) == 2


def test_bytes_after_the_end_do_no_harm(folder):
    reference = datasets.from_directory(folder, 16).md5
    with (folder / "a" / "000.png").open("ab") as file:
        file.write(b"\0" * 200)
    assert datasets.from_directory(folder, 16).md5 == reference


def test_a_class_of_which_nothing_is_left_is_named(folder):
    (folder / "c").mkdir()
    (folder / "c" / "1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="no image of class 'c'"):
        datasets.from_directory(folder, 16, on_error="skip")


# ---- splits above the classes ---------------------------------------------------------------


def code_in(message):
    return message.partition("\n\n")[2].replace("size=...", "size=16")


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Training", "valid", "Test"), ("train", "val", "test")]
)
def test_splits_above_the_classes_are_refused_and_the_code_in_the_message_works(tmp_path, names):
    for number, name in enumerate(names):
        for label in ("a", "b"):
            make_class(tmp_path / name / label, 4, seed=100 * number + 10 * (label == "b"))
    with pytest.raises(ValueError, match="splits above the class folders") as caught:
        datasets.from_directory(tmp_path, 16)
    variables = {"kma": kma}
    exec(code_in(str(caught.value)), variables)
    ds = variables["data"]
    assert ds.counts == {"train": 8, "val": 8 * (len(names) == 3), "test": 8}
    assert ds.class_names == ("a", "b")
    test = datasets.from_directory(tmp_path / names[-1], 16, val=0, test=0)
    np.testing.assert_array_equal(ds.stored("test")[0], test.stored("train")[0])


def test_the_code_in_the_message_sees_other_classes(tmp_path):
    for seed, name in enumerate(("train/a", "train/b", "test/b")):
        make_class(tmp_path / name, 4, seed=10 * seed)
    with pytest.raises(ValueError, match="splits above") as caught:
        datasets.from_directory(tmp_path, 16)
    with pytest.raises(AssertionError):
        exec(code_in(str(caught.value)), {"kma": kma})


def test_one_split_alone_and_splits_without_classes(tmp_path):
    make_class(tmp_path / "one" / "train" / "a", 4)
    with pytest.raises(ValueError, match=r"class folders \(train\);") as caught:
        datasets.from_directory(tmp_path / "one", 16)
    assert "from_arrays" not in str(caught.value)
    make_class(tmp_path / "flat" / "train", 4)
    make_class(tmp_path / "flat" / "test", 4)
    with pytest.raises(
        ValueError, match=r"splits in place of classes \(train, test\); .*`from_arrays`"
    ):
        datasets.from_directory(tmp_path / "flat", 16)


def test_a_link_to_nowhere_with_the_name_of_a_split_is_refused(folder):
    (folder / "train").symlink_to(folder.parent / "nowhere")
    with pytest.raises(ValueError, match="a link that leads out"):
        datasets.from_directory(folder, 16)


def test_a_folder_too_high_is_refused_and_the_right_one_named(tmp_path):
    for name in ("benign", "malignant"):
        (tmp_path / "set" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"hold folders and no images \(set\).*load .*set"):
        datasets.from_directory(tmp_path, size=8)


def test_a_class_may_have_the_name_of_a_split(tmp_path):
    """As where trains are told from cars."""
    for label in ("car", "train"):
        make_class(tmp_path / label, 4, seed=10 * (label == "car"))
    assert datasets.from_directory(tmp_path, 16, val=0, test=0).class_names == ("car", "train")
    (tmp_path / "train" / "more").mkdir()
    with pytest.raises(ValueError, match=r"more \(a folder in a class folder\)"):
        datasets.from_directory(tmp_path, 16, val=0, test=0)
