"""Folders of image files."""

import struct
import sys
import zlib

import numpy as np
import pytest

from helpers.image_files import random_image, save
from helpers.needs import needs
from keras_medaug import datasets

# What is worth a warning has tests of its own, in test_directory_warnings.py.
pytestmark = [pytest.mark.backend_free, pytest.mark.filterwarnings("ignore::UserWarning")]

Image = needs("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Return a folder of 20 images of class b and 10 of class a, all different."""
    path = tmp_path / "lesions"
    for number in range(20):
        save(path / "b" / f"{number:02}.png", random_image(number))
    for number in range(10):
        save(path / "a" / f"{number:02}.jpg", random_image(100 + number, (24, 24, 3)))
    return path


def contents(ds, split):
    return {image.tobytes() for image in ds.stored(split)[0]}


def test_it_is_read_and_split_class_by_class(folder):
    ds = datasets.from_directory(folder, size=(16, 20))
    assert ds.name == "lesions"
    assert ds.source == folder
    assert ds.class_names == ("a", "b")
    assert ds.image_shape == (16, 20, 1)
    assert ds.counts == {"train": 21, "val": 3, "test": 6}
    assert np.bincount(ds.train[1]).tolist() == [7, 14]
    assert np.bincount(ds.val[1]).tolist() == [1, 2]
    assert np.bincount(ds.test[1]).tolist() == [2, 4]
    assert ds.stored("train")[0].dtype == np.uint8
    assert np.any(np.diff(ds.train[1]) < 0), "classes are mixed"
    every = [contents(ds, split) for split in ("train", "val", "test")]
    assert len(set.union(*every)) == 30


def test_labels_belong_to_their_images(tmp_path):
    for number in range(12):
        for value, label in ((10, "dark"), (200, "light")):
            save(tmp_path / label / f"{number}.png", np.full((9, 9), value + number, "uint8"))
    ds = datasets.from_directory(tmp_path, size=9)
    for split in ("train", "val", "test"):
        images, labels = ds.stored(split)
        np.testing.assert_array_equal(images.mean(axis=(1, 2, 3)) > 100, labels == 1)


def test_the_split_is_a_function_of_seed_and_names(folder):
    reference = datasets.from_directory(str(folder), 16)
    assert datasets.from_directory(folder, 16).md5 == reference.md5
    other = datasets.from_directory(folder, 16, seed=1)
    assert contents(other, "test") != contents(reference, "test")
    moved = folder.rename(folder.parent / "elsewhere")
    assert datasets.from_directory(moved, 16).md5 == reference.md5


def test_which_file_goes_where_stays_as_it_is(tmp_path):
    """Users compare results: a new version must not move files between the splits."""
    value = 0
    classes = (("Zyste", 13, "png"), ("L\u00e4sion", 13, "png"), ("a", 14, "PNG"))
    for label, count, suffix in classes:
        for number in range(count):
            image = np.full((9, 9), value, "uint8")
            save(tmp_path / label / f"{number:02}\u00e9.{suffix}", image)
            value += 1
    ds = datasets.from_directory(tmp_path, 8, seed=3)
    assert ds.class_names == ("L\u00e4sion", "Zyste", "a")
    test = [38, 29, 0, 33, 23, 22, 7, 20, 5]
    assert ds.stored("test")[0][:, 0, 0, 0].tolist() == test
    assert ds.stored("val")[0][:, 0, 0, 0].tolist() == [37, 13, 9]
    assert ds.stored("train")[0][:6, 0, 0, 0].tolist() == [30, 39, 10, 15, 8, 21]


def test_a_split_may_be_left_out(folder):
    ds = datasets.from_directory(folder, 16, val=0, test=0.5)
    assert ds.counts == {"train": 15, "val": 0, "test": 15}
    assert datasets.from_directory(folder, 16, val=0.0, test=0).counts["train"] == 30


def test_small_classes_get_an_image_in_every_split_that_they_can(tmp_path):
    seed = 0
    for label, count in (("one", 1), ("two", 2), ("three", 3)):
        for number in range(count):
            seed += 1
            save(tmp_path / label / f"{number}.png", random_image(seed))
    ds = datasets.from_directory(tmp_path, 16, val=0.01, test=0.01)
    names = np.array(ds.class_names)
    assert sorted(names[ds.train[1]]) == ["one", "three", "two"]
    assert sorted(names[ds.test[1]]) == ["three", "two"]
    assert sorted(names[ds.val[1]]) == ["three"]


@pytest.mark.parametrize("seed", range(6))
def test_copies_go_to_the_same_split(folder, seed):
    for number in range(10):
        original = (folder / "b" / f"{number:02}.png").read_bytes()
        (folder / "b" / f"copy of {number}.png").write_bytes(original)
    (folder / "a" / "mislabelled.png").write_bytes((folder / "b" / "19.png").read_bytes())
    ds = datasets.from_directory(folder, 16, seed=seed, val=0.2, test=0.3)
    assert sum(ds.counts.values()) == 41
    every = [contents(ds, split) for split in ("train", "val", "test")]
    assert sum(map(len, every)) == len(set.union(*every)) == 30


def test_many_copies_do_not_take_the_training_images(tmp_path):
    for number in range(9):
        save(tmp_path / "a" / f"{number}.png", random_image(0 if number < 5 else number))
    for seed in range(5):
        ds = datasets.from_directory(tmp_path, 16, val=0.1, test=0.2, seed=seed)
        assert ds.counts == {"train": 6, "val": 1, "test": 2}


def test_gray_and_colour(tmp_path):
    red = np.zeros((10, 10, 3), "uint8")
    red[..., 0] = 200
    save(tmp_path / "a" / "1.png", red)
    colour = datasets.from_directory(tmp_path, 10, val=0, test=0, channels=3).stored("train")[0]
    np.testing.assert_array_equal(colour[0], red)
    gray = datasets.from_directory(tmp_path, 10, val=0, test=0).stored("train")[0]
    assert gray.shape == (1, 10, 10, 1)
    assert gray[0, 0, 0, 0] == 60  # 0.299 * 200


def only(path, **options):
    ds = datasets.from_directory(path, **({"size": 8, "val": 0, "test": 0} | options))
    return ds.stored("train")[0][0]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def save_png(path, values, colour_type, depth=16):
    """Write a PNG file in a form that Pillow reads and cannot write."""
    height, width = values.shape[:2]
    rows = values.reshape(height, -1).astype(">u2" if depth == 16 else "u1")
    if depth < 8:
        bits = np.unpackbits(rows[..., None], axis=-1)[..., -depth:]
        rows = np.packbits(bits.reshape(height, -1), axis=-1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


# Both ends, both sides of several roundings, and values at which truncating either byte shows.
DEEP = np.array([0, 128, 129, 256, 32767, 32768, 65280, 65534], "uint16")
ROUNDED = [0, 0, 1, 1, 127, 128, 254, 255]  # value * 255 / 65535


def test_16_bit_gray_is_rounded(tmp_path):
    save(tmp_path / "a" / "1.png", np.repeat(DEEP[None], 8, axis=0))
    for channels in (1, 3):
        image = only(tmp_path, channels=channels)
        assert image.shape == (8, 8, channels)
        for channel in np.moveaxis(image, -1, 0):
            assert channel.tolist() == [ROUNDED] * 8


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_transparency_are_rounded(tmp_path, colour_type, channels):
    values = np.stack([DEEP, DEEP[::-1], np.roll(DEEP, 3), np.full(8, 7)][:channels], axis=-1)
    save_png(tmp_path / "a" / "1.png", np.repeat(values[None], 8, axis=0), colour_type)
    image = only(tmp_path, channels=3)
    colours = [ROUNDED, ROUNDED[::-1], np.roll(ROUNDED, 3).tolist()]
    expected = [ROUNDED] * 3 if colour_type == 4 else colours
    assert [image[0, :, channel].tolist() for channel in range(3)] == expected


def test_16_bit_colour_becomes_gray_with_one_rounding(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (8, 8, 3))
    save_png(tmp_path / "a" / "1.png", values, 2)
    expected = values @ [0.299, 0.587, 0.114] / 257
    np.testing.assert_allclose(only(tmp_path)[..., 0], expected, atol=0.501)


def test_16_bit_files_are_resized_before_they_are_rounded(tmp_path):
    """A scan in the lowest 12 of 16 bits has few levels left: means of them must not be lost."""
    values = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype("uint16")
    save(tmp_path / "a" / "1.png", values)
    exact = Image.fromarray(values.astype("float32")).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(only(tmp_path)[..., 0], np.rint(np.asarray(exact) / 257))


def test_16_bit_overshoot_is_cut_off(tmp_path):
    values = np.zeros((12, 12), "uint16")
    values[:, 6:] = 65535
    save(tmp_path / "a" / "1.png", values)
    image = only(tmp_path, size=(8, 9))[..., 0]
    assert image[0, 0] == 0
    assert image[0, -1] == 255
    assert np.all(np.diff(image[0].astype(int)) >= 0)


def test_the_orientation_of_a_16_bit_file_is_applied(tmp_path):
    left = np.zeros((8, 16), "uint16")
    left[:, :8] = 65535
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "1.png", left, exif=exif)
    image = only(tmp_path, size=(16, 8))[..., 0]
    assert (image[:8] == 255).all()
    assert (image[8:] == 0).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_fewer_bits_are_scaled_to_the_whole_range(tmp_path, depth):
    values = (np.arange(64) % 2**depth).reshape(8, 8)
    save_png(tmp_path / "a" / "1.png", values, 0, depth)
    np.testing.assert_array_equal(only(tmp_path)[..., 0], values * (255 // (2**depth - 1)))


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA"])
def test_other_modes(tmp_path, mode):
    (tmp_path / "a").mkdir()
    image = Image.fromarray(np.repeat(random_image(0, (8, 8, 1)), 3, -1)).convert(mode)
    options = {"transparency": bytes(range(256))} if mode == "P" else {}
    image.save(tmp_path / "a" / "1.png", **options)
    assert only(tmp_path, channels=3).std() > 20


def test_the_orientation_noted_by_a_camera_is_applied(tmp_path):
    left = np.zeros((8, 16), "uint8")
    left[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    save(tmp_path / "a" / "1.jpg", left, exif=exif, quality=95)
    image = only(tmp_path, size=(16, 8))[..., 0]
    assert image[:7].min() > 200
    assert image[9:].max() < 50


def test_resizing_has_antialiasing(tmp_path):
    """Single-pixel stripes become gray, not a few of the stripes."""
    stripes = np.zeros((80, 80), "uint8")
    stripes[:, ::2] = 255
    save(tmp_path / "a" / "1.png", stripes)
    image = only(tmp_path).astype(int)
    assert 110 < image.min() <= image.max() < 145


def test_hidden_files_and_files_beside_the_classes_are_ignored(folder):
    reference = datasets.from_directory(folder, 16).md5
    (folder / "README.txt").write_text("about")
    (folder / "labels.png").write_bytes(b"")
    (folder / ".cache").mkdir()
    (folder / "a" / ".DS_Store").write_bytes(b"x")
    (folder / "a" / ".thumbnails").mkdir()
    assert datasets.from_directory(folder, 16).md5 == reference


def make_unreadable(folder):
    (folder / "a" / "broken.png").write_bytes(b"no image")


def make_truncated(folder):
    data = (folder / "b" / "00.png").read_bytes()
    (folder / "b" / "broken.png").write_bytes(data[: len(data) // 2])


def make_disguised(folder):
    save(folder / "b" / "broken.gif", random_image(0))
    (folder / "b" / "broken.gif").rename(folder / "b" / "broken.png")


def make_other_type(folder):
    (folder / "a" / "broken.tif").write_bytes(b"")


def make_nested(folder):
    save(folder / "a" / "broken" / "1.png", random_image(0))


def make_outward_file(folder):
    outside = save(folder.parent / "outside.png", random_image(0))
    (folder / "a" / "broken.png").symlink_to(outside)


def make_outward_class(folder):
    save(folder.parent / "outside" / "1.png", random_image(0))
    (folder / "broken").symlink_to(folder.parent / "outside")


def make_dangling(folder):
    (folder / "a" / "broken.png").symlink_to(folder / "a" / "none.png")


def make_empty_class(folder):
    (folder / "broken").mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        make_unreadable,
        make_truncated,
        make_disguised,
        make_other_type,
        make_nested,
        make_outward_file,
        make_outward_class,
        make_dangling,
        make_empty_class,
    ],
)
def test_what_cannot_be_used_is_named(folder, spoil):
    spoil(folder)
    with pytest.raises(ValueError, match=r"`path`: got .*broken.*; expected "):
        datasets.from_directory(folder, 16)


def test_a_link_that_stays_inside_is_followed_and_is_a_copy(folder):
    (folder / "a" / "zz.jpg").symlink_to(folder / "a" / "00.jpg")
    ds = datasets.from_directory(folder, 16)
    assert sum(ds.counts.values()) == 31


def test_no_folder_no_class_no_folder_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        datasets.from_directory(tmp_path / "none", 16)
    with pytest.raises(ValueError, match=r"`path`: got .*no sub-folder; expected"):
        datasets.from_directory(tmp_path, 16)
    file = save(tmp_path / "1.png", random_image(0))
    with pytest.raises(ValueError, match=r"`path`: got .*no folder; expected"):
        datasets.from_directory(file, 16)


@pytest.mark.parametrize(
    ("images", "shares", "got", "expected"),
    [
        (1, {}, "test=0.2", "three"),
        (2, {}, "val=0.1", "three"),
        (1, {"val": 0}, "test=0.2", "two"),
        (1, {"test": 0}, "val=0.1", "two"),
    ],
)
def test_too_few_images_for_the_splits_asked_for(tmp_path, images, shares, got, expected):
    """Three splits need three images: to ask for two would send the user back a second time."""
    for number in range(images):
        save(tmp_path / "a" / f"{number}.png", random_image(number))
    message = rf"too few images for {got}; expected at least {expected} different images"
    with pytest.raises(ValueError, match=message):
        datasets.from_directory(tmp_path, 16, **shares)
    save(tmp_path / "a" / "2.png", random_image(2))
    save(tmp_path / "a" / "3.png", random_image(3))
    assert datasets.from_directory(tmp_path, 16, **shares).counts["train"]


BAD = {
    "size": [7, 300, (16,), (16, 16, 1), None, "16", 16.0, True],
    "channels": [0, 2, None],
    "val": [-0.1, "a", np.nan, None, True],
    "test": [-0.1, np.inf, (0.1,)],
    "val + test": [{"val": 0.5, "test": 0.5}, {"val": 0, "test": 1.0}],
    "seed": [-1, 0.5, None],
    "on_error": ["ignore", None, True],
}


@pytest.mark.parametrize(("argument", "value"), [(k, v) for k in BAD for v in BAD[k]])
def test_bad_arguments_are_named(folder, argument, value):
    changes = value if isinstance(value, dict) else {argument: value}
    with pytest.raises(ValueError, match=r"got .*; expected ") as caught:
        datasets.from_directory(folder, **({"size": 16} | changes))
    assert f"`{argument}" in str(caught.value)


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install \"keras-medaug\[images\]\""):
        datasets.from_directory(folder, 16)
