"""Frames of folders of images."""

import logging
import re
import warnings
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from integralaction.video.info import UNKNOWN_FPS, VideoError, VideoInfo, refuse_index, scale_size

IMAGES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".tga", ".sgi", ".pcx", ".qoi"),
)
# pictures all the same: a folder of them is refused by name, and none of them is a video
UNREAD_IMAGES = (
    *(".apng", ".heic", ".heif", ".jxl", ".exr", ".hdr", ".pfm", ".dpx", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
    *(".raw", ".psd", ".xcf", ".svg", ".eps", ".ps", ".pdf"),
    *(".ico", ".icns", ".dds", ".xbm", ".xpm", ".fits", ".wmf", ".emf"),
)
# told by their first bytes; none of them starts another program, as PostScript would, whatever the file is called
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "SGI", "PCX", "QOI")
_KINDS = "JPEG, PNG, WebP, BMP, GIF, TIFF, PPM, JPEG 2000, AVIF, TGA, SGI, PCX or QOI"
_MOVING = ("GIF", "PNG", "WEBP", "AVIF")
_OF_FRAMES = re.compile("mask|depth|flow|seg|alpha|matte|label|normal|dispar")  # what pictures of frames are called
_ORIENTATION = 0x0112

# Pillow refuses what is too large, and prints lines of its own about what is large, and about what it cannot read
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
logging.getLogger("PIL").addHandler(logging.NullHandler())


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder in the order of its frames: that of their names, in which numbers count as numbers.

    Raises:
        VideoError: there are none, some are of a kind that is not read, or their names tell no order of one video.
    """
    paths = []
    for path in folder.iterdir():
        ending = path.suffix.lower()
        if path.name.startswith(".") or ending not in (*IMAGES, *UNREAD_IMAGES):
            continue
        if ending in UNREAD_IMAGES:
            raise VideoError(f"Expected images ({_KINDS}), found {path}; convert it or leave it out.")
        paths.append(path)
    if not paths:
        raise VideoError(f"Expected images ({_KINDS}) in the folder {folder}, found none; check the path.")
    paths.sort(key=lambda path: (_sort_key(path), path.name))
    _check_order(paths, folder)
    return paths


def image_series(paths: Sequence[Path]) -> list[str]:
    """How the images are named, with # for each number: `walk_in#` and `walk_out#` are two takes in one folder."""
    return list(dict.fromkeys(map(_series_of, paths)))


def is_animation(path: Path) -> bool:
    """Whether a picture's file holds several pictures that make a video: GIF, animated PNG, WebP or AVIF."""
    try:
        with _open_image(path, _MOVING) as image:
            return bool(getattr(image, "is_animated", False))
    except VideoError:
        return False


def probe_images(folder: Path) -> VideoInfo:
    """Frames and size of a folder of images.

    Raises:
        VideoError: there are none, they differ in size, or one cannot be read.
    """
    images = image_paths(folder)
    size = _image_size(images[0])
    for path in images[1:]:
        _check_size(path, _image_size(path), size)
    return VideoInfo(len(images), UNKNOWN_FPS, *size, has_times=False)


def read_images(folder: Path, numbers: np.ndarray, short_side: int | None) -> np.ndarray:
    """Frames of a folder of images by number, ascending, each once: see `read_frames`."""
    images = image_paths(folder)
    for index in numbers[[0, -1]] if len(numbers) else ():
        if not 0 <= index < len(images):
            refuse_index(folder, int(index), len(images))
    size = _image_size(images[0])
    height, width = scale_size(*size, short_side)
    frames = np.empty((len(numbers), height, width, 3), np.uint8)
    for row, index in enumerate(numbers):
        image = _read_image(images[index])
        _check_size(images[index], (image.height, image.width), size)
        if (image.height, image.width) != (height, width):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        frames[row] = np.asarray(image)
    return frames


# --- one image ------------------------------------------------------------------------------------


def _open_image(path: Path, formats: tuple[str, ...]) -> Image.Image:
    """An image of these formats, its pixels not yet read.

    Raises:
        VideoError: it is none, or no file at all.
    """
    if not path.is_file():  # a pipe would be waited for
        raise VideoError(f"Expected an image, found a folder, a pipe or a link to nothing at {path}; leave it out.")
    try:
        return Image.open(path, formats=formats)
    except Exception as error:  # whatever it is, it is this file's fault
        raise _unreadable_error(path, error) from None


def _unreadable_error(path: Path, error: Exception) -> VideoError:
    if isinstance(error, VideoError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        return VideoError(f"Expected an image of at most {most} megapixels, found more at {path}; make it smaller.")
    reason = " ".join(str(error).split()) or type(error).__name__
    return VideoError(f"Expected an image, found data that cannot be read as one at {path} ({reason}); fetch it again.")


def _open_frame(path: Path) -> Image.Image:
    """An image that is a frame: one picture, whose values can be shown."""
    # that kind alone cannot be told by its first bytes
    image = _open_image(path, ("TGA",) if path.suffix.lower() == ".tga" else _FORMATS)
    try:
        count = getattr(image, "n_frames", 1)
        if count > 1 and image.format != "MPO":  # in which cameras put a second view behind the picture
            raise VideoError(f"Expected one picture a file, found {count} at {path}; take them apart.")
        if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
            raise VideoError(
                f"Expected images of 8 or 16 bits a value, found 32 at {path}, of which nothing tells what is white; "
                "convert it."
            )
    except BaseException:
        image.close()
        raise
    return image


def _image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as displayed."""
    try:
        with _open_frame(path) as image:
            if image.getexif().get(_ORIENTATION, 1) < 5:
                return image.height, image.width
            if image.format == "TIFF":  # turned when its pixels are read
                image.load()
                return image.height, image.width
            return image.width, image.height
    except Exception as error:
        raise _unreadable_error(path, error) from None


def _read_image(path: Path) -> Image.Image:
    """An image in RGB as displayed; what is transparent shows the colour that it has."""
    try:
        with _open_frame(path) as image:
            image.load()
            if image.format in ("JPEG", "MPO"):
                _check_jpeg(path)
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):  # 16 bits: 65535 is white
                values = np.asarray(turned).astype(np.int64)
                turned = Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
            turned.info.pop("transparency", None)
            return turned.convert("RGB")
    except Exception as error:
        raise _unreadable_error(path, error) from None


def _check_jpeg(path: Path) -> None:
    """Ask FFmpeg whether a JPEG is damaged, which Pillow's decoder patches with grey without a word.

    Raises:
        VideoError: it is.
    """
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count, decoder.options = 1, {"err_detect": "explode"}
    try:
        decoder.decode(av.Packet(path.read_bytes()))
    except av.InvalidDataError as error:
        raise _unreadable_error(path, error) from None
    except av.FFmpegError:  # of a rare kind that FFmpeg does not know
        return


def _check_size(path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    if size != expected:
        raise VideoError(
            f"Expected images of one size in a folder, {expected[0]} x {expected[1]} as the first, found "
            f"{size[0]} x {size[1]} at {path}; resize or remove it."
        )


# --- the order of images --------------------------------------------------------------------------


def _sort_key(path: Path) -> list[str | int]:
    """Texts and numbers of a name in turn, by which `img_2` comes before `IMG_10`."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", path.stem.casefold()))]


def _series_of(path: Path) -> str:
    return re.sub(r"\d+", "#", path.stem.casefold())


def _check_order(paths: Sequence[Path], folder: Path) -> None:
    """Refuse names of more than one video, or of no order.

    Raises:
        VideoError: one number twice; series that alternate; masks, depth or flow beside frames; fractions.
    """
    for first, second in pairwise(paths):
        if _sort_key(first) == _sort_key(second):
            raise VideoError(
                f"Expected one image a frame in {folder}, found {first.name} and {second.name}; put masks or copies "
                "into a folder of their own."
            )
    runs = [name for name, _ in groupby(map(_series_of, paths))]
    series = set(runs)
    companions = {name for name in series if _OF_FRAMES.search(name)}
    if len(runs) > len(series) or series > companions > set():
        raise VideoError(
            f"Expected the images of one video in {folder}, found {' and '.join(sorted(series)[:4])} beside each "
            "other (# is a number); put each into a folder of its own."
        )
    decimals = [re.search(r"(\d+)\.(\d+)$", path.stem) for path in paths]
    if all(decimals) and len({len(decimal[2]) for decimal in decimals if decimal}) > 1:
        raise VideoError(
            f"Expected names that tell the order of frames in {folder}, found decimals of different lengths as in "
            f"{paths[0].name} and {paths[-1].name}; number the frames."
        )
