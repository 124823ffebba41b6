"""ImageFiles: pictures on disk, checked by their header and decoded when read."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tfcompress.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
MAX_PIXELS = 50_000_000
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ImageFiles:
    """Pictures that are read from disk as uint8 arrays of one shape.

    16-bit pictures keep their upper 8 bits, an alpha channel is dropped, palettes and
    CMYK become RGB, of an animation the first frame is taken.

    Args:
      paths: PNG, JPEG, BMP or GIF files.
      shape: (height, width, channels) they are resized (bilinear, antialiased) and
        converted to; channels is 1 or 3.
    """

    paths: tuple[Path, ...]
    shape: Shape

    dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: np.ndarray) -> ImageFiles:
        return ImageFiles(tuple(self.paths[index] for index in indices), self.shape)

    def identity(self) -> bytes:
        """Returns what changes when a picture does, without decoding any.

        One line a picture: folder (its class), name, size and time of last change, so
        that a copy that keeps times (`cp -a`) is the same data set.

        Raises:
          DataError: a picture is gone; the message names it.
        """
        lines = []
        for path in self.paths:
            try:
                facts = path.stat()
            except OSError as error:
                raise DataError(
                    f"{path}: this image could be read before, but not any more "
                    f"({error.strerror}); put it back, or load the data set again."
                ) from None
            name = "/".join(path.parts[-2:])
            lines.append(repr((name, facts.st_size, facts.st_mtime_ns)))
        return "\n".join(lines).encode()

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns pictures, uint8 (len(indices), height, width, channels).

        Raises:
          DataError: a picture cannot be decoded; the message names it.
        """
        return np.stack(
            [read_image(self.paths[index], self.shape) for index in indices]
        )


def read_image(path: Path, shape: Shape | None = None) -> np.ndarray:
    """Decodes one picture, unless its header forbids it.

    Args:
      path: the file.
      shape: (height, width, channels) to return; None keeps the picture's own.

    Returns:
      uint8 (height, width, channels).

    Raises:
      DataError: the file is damaged, of another format, or over 50 megapixels.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return _pixels(image, shape)
    except Image.DecompressionBombError:
        raise DataError(
            f"{path}: its header declares more than {MAX_PIXELS // 10**6} megapixels, "
            "so it was not decoded; make it smaller, or leave such files out with "
            "skip_corrupt=True."
        ) from None
    # Decoders meet damage with many exception types (SyntaxError and struct.error
    # among them), and a damaged file must not end a run with a traceback.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: not a readable PNG, JPEG, BMP or GIF image ({reason}); replace "
            "it, or leave such files out with skip_corrupt=True."
        ) from None


def check_images(paths: list[Path]) -> list[Shape | DataError]:
    """Decodes every picture once, on all cores.

    Damage behind an intact header shows only in decoding, and it is better found
    before training than in the middle of it.

    Returns:
      For each path its (height, width, channels), or what is wrong with it.
    """

    def check(path: Path) -> Shape | DataError:
        try:
            height, width, channels = read_image(path).shape
        except DataError as error:
            return error
        return height, width, channels

    # Pillow warns of what is refused here anyway.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return list(pool.map(check, paths))


def _pixels(image: Image.Image, shape: Shape | None) -> np.ndarray:
    grey = image.mode in _GREY_MODES
    height, width, channels = shape or (image.height, image.width, 1 if grey else 3)
    if image.mode.startswith("I"):
        # Pillow's own conversion clips 16-bit values at 255.
        upper = (np.asarray(image) >> 8).astype(np.uint8)
        image = Image.fromarray(upper)
    converted = image.convert("L" if channels == 1 else "RGB")
    if converted.size != (width, height):
        converted = converted.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(converted).reshape(height, width, channels)
