import numpy as np
import pytest
from PIL import Image

from tfcompress.data import load
from tfcompress.errors import DataError


def fill(folder, classes=("cat", "dog"), num=10, size=(6, 8), mode="L"):
    """Writes one-colour images: label times 100 plus index."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(num):
            colour = Image.new("L", size[::-1], label * 100 + index).convert(mode)
            colour.save(folder / name / f"{index:02}.png")
    return folder


def refused(folder, **options):
    with pytest.raises(DataError) as error:
        load(f"folder:{folder}", **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_classes_are_sub_folders_and_test_is_split_off(tmp_path):
    (fill(tmp_path) / "notes.txt").write_text("ignored")
    (tmp_path / "cat" / "Thumbs.db").write_text("ignored")
    (tmp_path / ".hidden").mkdir()
    data = load(f"folder:{tmp_path}")
    # 2 of 10 of each class for test, then 1 of 8 (a tenth, rounded) for validation.
    assert (len(data.train), len(data.validation), len(data.test)) == (14, 2, 4)
    assert data.class_names == ("cat", "dog")
    assert data.input_shape == (6, 8, 1)
    seen = set()
    for split in ("train", "validation", "test"):
        for images, labels in data.batches(split, 4):
            values = np.rint(images.numpy()[:, 0, 0, 0] * 255).astype(int)
            assert (values // 100 == labels.numpy()).all()
            seen |= set(values.tolist())
    assert len(seen) == 20


def test_seed_decides_the_split(tmp_path):
    name = f"folder:{fill(tmp_path)}"
    first, again, other = (load(name, seed=seed) for seed in (0, 0, 1))
    assert first.test.images.paths == again.test.images.paths
    assert first.test.images.paths != other.test.images.paths


def test_train_and_test_folders_are_used_if_both_are_there(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", num=3)
    data = load(f"folder:{tmp_path}", validation_fraction=0.2)
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 4, 3 * 2)
    fill(tmp_path / "validation", num=4)
    data = load(f"folder:{tmp_path}")
    assert (len(data.train), len(data.validation)) == (20, 8)


def test_images_are_resized_converted_and_trained_on_like_arrays(tmp_path):
    fill(tmp_path / "a", ("x", "y"), size=(6, 8))
    Image.new("RGB", (20, 10), (7, 7, 7)).save(tmp_path / "a" / "x" / "odd.jpg")
    data = load(f"folder:{tmp_path / 'a'}", image_size=(4, 5), channels=3)
    images, labels = next(iter(data.train_batches(8, seed=0)))
    assert images.shape == (8, 4, 5, 3)
    assert labels.shape == (8,)
    assert data.calibration(4).images.shape == (4, 4, 5, 3)
    again, _ = next(iter(data.train_batches(8, seed=0)))
    np.testing.assert_array_equal(images, again)


def test_missing_and_empty_folders(tmp_path):
    assert "no such folder" in refused(tmp_path / "none")
    assert "no sub-folder" in refused(tmp_path)
    fill(tmp_path)
    (tmp_path / "eel").mkdir()
    (tmp_path / "eel" / "readme.txt").write_text("no image")
    message = refused(tmp_path)
    assert str(tmp_path / "eel") in message
    assert "empty" in message


def test_one_class_is_refused(tmp_path):
    assert "only one class" in refused(fill(tmp_path, ("cat",)))


def test_parts_must_have_the_same_classes(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", ("cat", "eel"))
    assert "'dog'" in refused(tmp_path)


def test_mixed_shapes_and_channels_name_the_file_and_the_option(tmp_path):
    fill(tmp_path)
    odd = tmp_path / "dog" / "odd.png"
    Image.new("L", (9, 9)).save(odd)
    message = refused(tmp_path)
    assert str(odd) in message
    assert "9x9" in message
    assert "image_size" in message
    Image.new("RGB", (8, 6)).save(odd)
    message = refused(tmp_path)
    assert str(odd) in message
    assert "channels=" in message
    assert load(f"folder:{tmp_path}", channels=1).input_shape == (6, 8, 1)


def test_corrupt_image_is_named_or_skipped_on_request(tmp_path):
    fill(tmp_path)
    cut = tmp_path / "cat" / "cut.jpg"
    Image.effect_noise((8, 6), 80).save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    text = tmp_path / "dog" / "text.png"
    text.write_text("text")
    assert str(cut) in refused(tmp_path)
    data = load(f"folder:{tmp_path}", skip_corrupt=True)
    assert data.skipped == (str(cut), str(text))
    assert data.summary()["skipped"] == [str(cut), str(text)]
    assert data.summary()["num_skipped"] == 2
    assert len(data.train) + len(data.validation) + len(data.test) == 20


def test_class_or_set_with_corrupt_images_only_is_refused(tmp_path):
    fill(tmp_path, num=3)
    for file in (tmp_path / "cat").iterdir():
        file.write_text("text")
    assert "class 0 (cat)" in refused(tmp_path, skip_corrupt=True)
    for file in (tmp_path / "dog").iterdir():
        file.write_text("text")
    assert "none of its 6 images" in refused(tmp_path, skip_corrupt=True)


def test_too_few_images_for_a_test_split(tmp_path):
    assert "no image is left for test" in refused(fill(tmp_path, num=1))
