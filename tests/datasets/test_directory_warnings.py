"""What users are told of images that come out otherwise than they look, and of copies."""

import numpy as np
import pytest

from helpers.image_files import make_class, random_image, save
from helpers.needs import needs
from keras_medaug import datasets
from keras_medaug.datasets.splitting import split_groups

pytestmark = pytest.mark.backend_free

READ = "keras_medaug.datasets.directory.read_picture"
Image = needs("PIL.Image")


def load(path, **options):
    return datasets.from_directory(path, **({"size": 16, "val": 0, "test": 0} | options))


def the_warning(path, **options):
    with pytest.warns(UserWarning, match=r"\.$") as caught:
        load(path, **options)
    (warning,) = caught
    assert warning.filename == __file__
    return str(warning.message)


def test_an_ordinary_folder_gives_no_warning(tmp_path):
    make_class(tmp_path / "a", 30)
    make_class(tmp_path / "b", 30, seed=50)
    assert load(tmp_path, val=0.1, test=0.1).counts == {"train": 48, "val": 6, "test": 6}


# ---- pictures -------------------------------------------------------------------------------


def test_colour_that_becomes_gray(tmp_path):
    make_class(tmp_path / "a", 3)
    gray = np.repeat(random_image(7, (16, 16, 1)), 3, axis=2)
    save(tmp_path / "a" / "as colour.jpg", gray)
    load(tmp_path)
    make_class(tmp_path / "b", 2, seed=9, shape=(16, 16, 3))
    text = the_warning(tmp_path)
    assert text.startswith("2 of 6 images are in colour and become gray, such as b/000.png")
    assert "`channels=3`" in text
    load(tmp_path, channels=3)


def test_16_bits_of_which_the_upper_ones_are_hardly_used(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (16, 16)).astype("uint16")
    save(tmp_path / "a" / "full.png", deep)
    save(tmp_path / "a" / "black.png", np.zeros((16, 16), "uint8"))
    load(tmp_path)
    save(tmp_path / "a" / "scan.png", deep // 16)
    text = the_warning(tmp_path)
    assert text.startswith("1 of 3 images have 16 bits and come out nearly black")
    assert "a/scan.png" in text


def test_a_strong_change_of_the_aspect_ratio(tmp_path):
    save(tmp_path / "a" / "1.png", random_image(0, (20, 30)))
    load(tmp_path)
    save(tmp_path / "a" / "2.png", random_image(0, (20, 40)))
    save(tmp_path / "a" / "3.png", random_image(1, (40, 20)))
    text = the_warning(tmp_path)
    assert text.startswith("2 of 3 images are stretched to more than 1.5 times")
    assert "16 x 16 (height x width)" in text
    assert the_warning(tmp_path, size=(8, 16)).startswith("1 of 3 images")


def test_the_aspect_ratio_is_that_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "1.png", random_image(0, (20, 40)), exif=exif)
    load(tmp_path, size=(16, 8))


# ---- size -----------------------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    """Let Pillow take 1,000 pixels for many."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


@pytest.mark.usefixtures("limit")
def test_an_image_that_pillow_refuses_is_told_before_any_is_read(tmp_path, monkeypatch):
    make_class(tmp_path / "a", 3)
    save(tmp_path / "b" / "large.png", random_image(9, (60, 60)))
    monkeypatch.setattr(READ, lambda *_: pytest.fail("an image is read"))
    with pytest.raises(ValueError, match=r"large.png .*3600 pixels") as caught:
        load(tmp_path)
    assert "PIL.Image.MAX_IMAGE_PIXELS = None" in str(caught.value)


@pytest.mark.usefixtures("limit")
def test_an_image_that_pillow_warns_of_is_told_once_and_before_any_is_read(tmp_path, monkeypatch):
    make_class(tmp_path / "a", 3)
    save(tmp_path / "b" / "large.png", random_image(9, (40, 40)))
    text = the_warning(tmp_path)
    assert text.startswith("1 image with more than 1000 pixels: b/large.png")
    assert "PIL.Image.MAX_IMAGE_PIXELS = None" in text
    monkeypatch.setattr(READ, lambda *_: pytest.fail("an image is read"))
    with (
        pytest.warns(UserWarning, match="1 image with more"),
        pytest.raises(pytest.fail.Exception, match="an image is read"),
    ):
        load(tmp_path)


def test_the_limit_may_be_lifted(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    save(tmp_path / "b" / "large.png", random_image(9, (60, 60)))
    load(tmp_path)


# ---- copies ---------------------------------------------------------------------------------


def save_again(path, to, mode=None, **options):
    """Write the same pixels in other bytes."""
    with Image.open(path) as image:
        image.convert(mode or image.mode).save(to, **options)
    assert path.read_bytes() != to.read_bytes()


@pytest.mark.parametrize(
    "options",
    [{"compress_level": 0}, {"dpi": (300, 300)}, {"mode": "RGB"}, {"mode": "RGBA"}],
    ids=["compression", "metadata", "gray as colour", "opaque"],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_picture_in_other_bytes_goes_to_one_split(tmp_path, options, seed):
    for number, file in enumerate(make_class(tmp_path / "a", 20)):
        save_again(file, tmp_path / "a" / f"again {number}.png", **options)
    ds = load(tmp_path, val=0.2, test=0.3, seed=seed)
    assert ds.counts == {"train": 20, "val": 8, "test": 12}
    splits = [{x.tobytes() for x in ds.stored(split)[0]} for split in ("train", "val", "test")]
    assert len(set.union(*splits)) == sum(map(len, splits)) == 20


def test_an_upright_copy_of_a_turned_file_is_a_copy(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(10):
        pixels = random_image(number, (16, 16))
        save(tmp_path / "a" / f"{number}.png", pixels, exif=exif)
        save(tmp_path / "a" / f"{number} upright.png", np.ascontiguousarray(np.rot90(pixels, -1)))
    ds = load(tmp_path, test=0.5)
    splits = [{x.tobytes() for x in ds.stored(split)[0]} for split in ("train", "test")]
    assert [len(split) for split in splits] == [5, 5]


def test_8_bits_saved_as_16_are_a_copy(tmp_path):
    for number, file in enumerate(make_class(tmp_path / "a", 10)):
        deep = np.asarray(Image.open(file)).astype("uint16") * 257
        save(tmp_path / "a" / f"deep {number}.png", deep)
    ds = load(tmp_path, test=0.5)
    splits = [{x.tobytes() for x in ds.stored(split)[0]} for split in ("train", "test")]
    assert [len(split) for split in splits] == [5, 5]


def test_pictures_that_differ_in_one_pixel_are_no_copies(tmp_path):
    """They may be the same after resizing: which file goes where must not hang on `size`."""
    for number in range(8):
        image = np.zeros((64, 64), "uint8")
        image[0, number] = 1
        save(tmp_path / "a" / f"{number}.png", image)
    assert load(tmp_path, size=8, test=0.5).counts == {"train": 4, "val": 0, "test": 4}


def test_equal_pictures_in_two_classes(tmp_path):
    (first, *_) = make_class(tmp_path / "a", 20)
    make_class(tmp_path / "b", 20, seed=50)
    save_again(first, tmp_path / "b" / "again.png", compress_level=0)
    text = the_warning(tmp_path)
    assert text.startswith("1 picture in more than one class, such as a/000.png, b/again.png")


def test_a_class_of_copies_of_another_class_alone_is_named(tmp_path):
    (first, *_) = make_class(tmp_path / "a", 4)
    (tmp_path / "b").mkdir()
    save_again(first, tmp_path / "b" / "again.png", compress_level=0)
    seeds = [seed for seed in range(20) if first_is_in_test(tmp_path / "a", seed)]
    with pytest.raises(ValueError, match="all images of class 'b' are copies of images of others"):
        load(tmp_path, test=0.5, seed=seeds[0])


def first_is_in_test(folder, seed):
    groups = [[("a", file)] for file in sorted(folder.iterdir())]
    return groups[0][0] in split_groups(groups, {"test": 0.5}, seed)["test"]


# ---- splits ---------------------------------------------------------------------------------


def test_a_class_that_is_nearly_absent_from_a_split(tmp_path):
    make_class(tmp_path / "a", 40)
    make_class(tmp_path / "b", 9, seed=50)
    make_class(tmp_path / "c", 1, seed=70)
    text = the_warning(tmp_path, val=0.1, test=0.3)
    assert text.startswith("Fewer than 3 images of a class in a split: ")
    for part in ("1 of 'b' in val", "0 of 'c' in test", "1 of 'c' in train"):
        assert part in text
    assert "of 'a'" not in text
    assert "'b' in test" not in text
    load(tmp_path)  # nothing is split


# ---- progress -------------------------------------------------------------------------------


def test_reading_that_takes_long_shows_progress_by_default(tmp_path, capfd, monkeypatch):
    make_class(tmp_path / "a", 3)
    load(tmp_path)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr("keras_medaug.datasets.directory.QUIET", 0.0)
    load(tmp_path)
    out, err = capfd.readouterr()
    assert not out
    assert "reading" in err
    load(tmp_path, verbose=False)
    assert capfd.readouterr() == ("", "")
