import os
import resource
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfcompress.data.image_files import ImageFiles, check_images, read_image
from tfcompress.errors import DataError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)


def save(path, array, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(path, **options)
    return path


def png_of_size(path, width, height):
    """Writes a small PNG whose header declares any size (one bit a pixel, black)."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + -(-width // 8))
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )
    return path


def assert_refused(path, *parts):
    with pytest.raises(DataError) as error:
        read_image(path)
    message = str(error.value)
    assert "\n" not in message
    for part in (str(path), "skip_corrupt", *parts):
        assert part in message


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif"])
def test_lossless_formats_keep_every_pixel(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", GREY)
    np.testing.assert_array_equal(read_image(path, (6, 8, 1))[..., 0], GREY)


def test_own_shape_is_kept_unless_another_is_asked_for(tmp_path):
    assert read_image(save(tmp_path / "a.png", GREY)).shape == (6, 8, 1)
    path = save(tmp_path / "b.png", COLOUR)
    np.testing.assert_array_equal(read_image(path), COLOUR)
    assert read_image(path, (3, 4, 1)).shape == (3, 4, 1)
    assert read_image(save(tmp_path / "c.jpg", COLOUR)).shape == (6, 8, 3)


def test_16_bit_keeps_the_upper_8(tmp_path):
    path = save(tmp_path / "a.png", GREY.astype(np.uint16) * 256 + 77)
    np.testing.assert_array_equal(read_image(path)[..., 0], GREY)


def test_other_kinds_of_pictures_become_grey_or_colour(tmp_path):
    alpha = np.dstack([COLOUR, np.full_like(GREY, 9)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", alpha)), COLOUR)
    cmyk = Image.new("CMYK", (8, 6), (0, 0, 0, 0))
    white = read_image(save(tmp_path / "b.jpg", cmyk))
    np.testing.assert_array_equal(white, np.full((6, 8, 3), 255))
    palette = Image.fromarray(COLOUR).quantize(64, dither=Image.Dither.NONE)
    expected = np.asarray(palette.convert("RGB"))
    got = read_image(save(tmp_path / "c.png", palette))
    np.testing.assert_array_equal(got, expected)


def test_animation_gives_its_first_frame(tmp_path):
    path = tmp_path / "a.gif"
    second = Image.fromarray(255 - GREY)
    Image.fromarray(GREY).save(path, save_all=True, append_images=[second])
    np.testing.assert_array_equal(read_image(path, (6, 8, 1))[..., 0], GREY)


def test_batch_is_read_in_the_order_of_the_indices(tmp_path):
    paths = tuple(
        save(tmp_path / f"{value}.png", np.full((2, 2), value, np.uint8))
        for value in range(5)
    )
    files = ImageFiles(paths, (2, 2, 1))
    assert files.read(np.array([3, 0, 3]))[:, 0, 0, 0].tolist() == [3, 0, 3]
    assert files[np.array([4, 1])].paths == (paths[4], paths[1])
    assert len(files) == 5


def test_identity_follows_name_size_and_time_wherever_the_folder_is(tmp_path):
    (tmp_path / "a" / "cat").mkdir(parents=True)
    path = save(tmp_path / "a" / "cat" / "0.png", GREY)
    files = ImageFiles((path,), (6, 8, 1))
    identity = files.identity()
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # keeps times, as cp -a
    copy = ImageFiles((tmp_path / "b" / "cat" / "0.png",), (6, 8, 1))
    assert copy.identity() == identity
    renamed = path.rename(path.with_name("1.png"))
    assert ImageFiles((renamed,), (6, 8, 1)).identity() != identity
    renamed.rename(path)
    time = path.stat().st_mtime_ns
    os.utime(path, ns=(time, time + 1_000_000_000))
    assert files.identity() != identity
    path.write_bytes(path.read_bytes() + b"0")
    os.utime(path, ns=(time, time))
    assert files.identity() != identity
    path.unlink()
    with pytest.raises(DataError, match="No such file") as error:
        files.identity()
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif"])
def test_cut_picture_is_refused_wherever_it_is_cut(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", noise)
    whole = path.read_bytes()
    for tenth in range(9):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        assert_refused(path)


def test_text_named_png_and_missing_file_are_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not a picture")
    assert_refused(path, "not a readable PNG")
    assert_refused(tmp_path / "none.png", "No such file")


def test_format_outside_the_list_is_refused_whatever_its_name(tmp_path):
    path = tmp_path / "a.png"
    save(path, GREY, format="TIFF")
    assert_refused(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [7072, 10_000, 20_000])
def test_huge_picture_is_refused_before_it_is_decoded(tmp_path, side):
    path = png_of_size(tmp_path / "bomb.png", side, side)
    assert path.stat().st_size < 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path, "50 megapixels")
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 20_000  # a 7,072 x 7,072 picture takes 50,000 KB decoded


def test_picture_of_50_megapixels_is_read(tmp_path):
    path = png_of_size(tmp_path / "large.png", 10_000, 5_000)
    assert read_image(path, (5, 10, 1)).tolist() == np.zeros((5, 10, 1)).tolist()


def test_check_tells_shape_or_error_of_each(tmp_path):
    good = save(tmp_path / "a.png", COLOUR)
    bad = tmp_path / "b.png"
    bad.write_bytes(b"")
    shape, error = check_images([good, bad])
    assert shape == (6, 8, 3)
    assert isinstance(error, DataError)
    assert str(bad) in str(error)


def test_check_refuses_huge_pictures_without_a_warning(tmp_path, recwarn):
    (error,) = check_images([png_of_size(tmp_path / "bomb.png", 10_000, 10_000)])
    assert "50 megapixels" in str(error)
    assert len(recwarn) == 0
