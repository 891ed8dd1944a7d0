"""Frames of folders of images."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from integralaction.data.video_info import UNKNOWN_FPS, VideoError, VideoInfo, refuse_index, resized

IMAGES = (".jpg", ".jpeg", ".png")


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder in the order of its frames; numbers in the names count as numbers.

    Raises:
        VideoError: there are none.
    """
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGES and not p.name.startswith(".")]
    if not found:
        raise VideoError(f"Expected images ({', '.join(IMAGES)}) in the folder {folder}, found none; check the path.")
    return sorted(found, key=lambda p: ([(int(n), t) for t, n in re.findall(r"(\D*)(\d+)", p.stem)], p.name))


def probe_images(folder: Path) -> VideoInfo:
    """Frames and size of a folder of images.

    Raises:
        VideoError: there are none, they differ in size, or one cannot be read.
    """
    images = image_paths(folder)
    size = _open_image(images[0])[1]
    for path in images[1:]:
        _check_size(path, _open_image(path)[1], size)
    return VideoInfo(len(images), UNKNOWN_FPS, *size, timed=False)


def read_images(folder: Path, wanted: np.ndarray, short_side: int | None) -> np.ndarray:
    """Frames of a folder of images by number, ascending, each once: see `read_frames`."""
    images = image_paths(folder)
    for index in wanted[[0, -1]] if len(wanted) else ():
        if not 0 <= index < len(images):
            refuse_index(folder, int(index), len(images))
    size = _open_image(images[0])[1]
    height, width = resized(*size, short_side)
    frames = np.empty((len(wanted), height, width, 3), np.uint8)
    for row, index in enumerate(wanted):
        image, found = _open_image(images[index], pixels=True)
        _check_size(images[index], found, size)
        if found != (height, width):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        frames[row] = np.asarray(image)
    return frames


def _open_image(path: Path, pixels: bool = False) -> tuple[Image.Image, tuple[int, int]]:
    """An image and its height and width as displayed; without `pixels` the image is closed."""
    try:
        with Image.open(path) as image:
            if pixels:
                image = ImageOps.exif_transpose(image).convert("RGB")
                return image, (image.height, image.width)
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientations that swap the sides
            return image, (image.width, image.height) if turned else (image.height, image.width)
    except (OSError, SyntaxError, ValueError) as error:
        raise VideoError(
            f"Expected an image, found data that cannot be read as one at {path} ({error}); fetch it again."
        ) from None


def _check_size(path: Path, found: tuple[int, int], expected: tuple[int, int]) -> None:
    if found != expected:
        raise VideoError(
            f"Expected images of one size in a folder, {expected[0]} x {expected[1]} as the first, found "
            f"{found[0]} x {found[1]} at {path}; resize or remove it."
        )
