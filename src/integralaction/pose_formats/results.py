"""Persons of many images in one JSON file: COCO keypoint results, AlphaPose's results, COCO annotations.

Results are a list of persons whose `image_id` is a frame: its number from 0, or a file name that ends in it. COCO
annotations are a dictionary of images and annotations. One file may hold the images of several videos, which are told
apart by their names: clipA_000012.jpg or clipA/000012.jpg is of clipA.mp4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from integralaction.errors import Refused
from integralaction.pose_formats.places import ODD, Doubts, PoseRequest, ReadPoses, check_units, read_json, understand
from integralaction.skeleton import skeleton_named
from integralaction.video.images import image_paths

# by the number of joints, the skeleton; Halpe's 26 and 136 joints begin with COCO's 17
_SKELETONS = {17: "coco17", 26: "coco17", 136: "coco17", 133: "coco-wholebody133", 33: "blazepose33"}
_LAST_FRAME = 2**31
_PERSON = {1, 0}  # the category of persons as COCO numbers it, and where categories are counted from 0
_PERSONS = ("person", "persons", "people", "human", "pedestrian")

# what frames are called whosever they are
_ANY_VIDEO = re.compile(r"(frames?|images?|imgs?|im|f|t|thumb|out|output)?[\W_]*", re.IGNORECASE)

Image = int | str


@dataclass(frozen=True)
class _Results:
    """What a file holds.

    Attributes:
        skeleton: of its persons.
        images: by number or name, the rows of their persons.
        joints: (N, K, 3) of all persons.
        sizes: width x height of images, where the file tells, as units.
        others: how many annotations are of other categories than persons.
    """

    skeleton: str
    images: dict[Image, list[int]]
    joints: np.ndarray
    sizes: dict[Image, str]
    others: int


def read_results(request: PoseRequest) -> ReadPoses:
    """The poses of one video from a file of results or annotations.

    Raises:
        ValueError: it is none, its joints are of no known number, or it does not tell the video's persons from
            others'.
    """
    # a file of all videos of a data set is read once
    load = _load_once if request.shared else _load
    results = load(request.path, request.path.stat().st_mtime_ns)
    if not results.images:
        return understand(results.skeleton, {}, request, numbered=False)
    of_images = request.video.is_dir() and not all(isinstance(image, int) for image in results.images)
    numbers = _frames_of_folder(results.images, request) if of_images else _frames_of_file(results.images, request)
    rows: dict[int, list[int]] = {}
    for image, number in numbers.items():
        rows.setdefault(number, []).extend(results.images[image])
    frames = {number: results.joints[persons] for number, persons in rows.items()}
    doubts: Doubts = ()
    if results.others:
        doubts += (("annotations that are no persons left out", f"{results.others} in {request.path}"),)
    prefixes = {_series(_path(image))[1] for image in numbers}
    if not of_images and not any(_ANY_VIDEO.fullmatch(prefix) or request.name in prefix for prefix in prefixes):
        doubts += (("images of another name than the video's", f"{min(prefixes)}# in {request.path}"),)
    sizes = {results.sizes.get(image) for image in numbers} - {None}
    if request.units is None and len(sizes) == 1:
        request = replace(request, units=sizes.pop())
    return understand(results.skeleton, frames, request, numbered=not of_images, doubts=doubts)


# --- the file -------------------------------------------------------------------------------------


def _load(path: Path, modified: int) -> _Results:
    try:
        content = read_json(path)
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            about = {image["id"]: image for image in content["images"]}
            categories = content.get("categories") or ()
            annotations = [annotation for annotation in content["annotations"] if "keypoints" in annotation]
        elif isinstance(content, list):
            about, categories, annotations = {}, (), content
        else:
            raise TypeError(f"{type(content).__name__} instead of a list")
        names = {number: _image(image.get("file_name", number), path) for number, image in about.items()}
        persons = _select_persons(annotations, categories, path)
        others = len(annotations) - len(persons)
        persons = [person for person in persons if person["keypoints"] != []]
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            rows = [np.array(person["keypoints"], np.float32) for person in persons]
        images: dict[Image, list[int]] = {name: [] for name in names.values()}
        for row, person in enumerate(persons):
            number = person["image_id"]
            images.setdefault(names[number] if about else _image(number, path), []).append(row)
        sizes = {
            names[number]: f"{int(image['width'])}x{int(image['height'])}"
            for number, image in about.items()
            if image.get("width") and image.get("height")
        }
        for size in sizes.values():
            check_units(size)
    except ODD as error:
        if str(error).startswith("Expected"):
            raise
        raise Refused(
            f"Expected a list of persons with image_id and keypoints, as in COCO results and AlphaPose's, or COCO "
            f"annotations in {path}; found {error!r}."
        ) from error
    skeleton, joints = _stack_persons(rows, path)
    return _Results(skeleton, images, joints, sizes, others)


_load_once = lru_cache(maxsize=1)(_load)


def _stack_persons(rows: list[np.ndarray], path: Path) -> tuple[str, np.ndarray]:
    """Persons (N, K, 3) and their skeleton."""
    if not rows:
        return "coco17", np.zeros((0, 17, 3), np.float32)
    if {row.shape for row in rows} not in [{(3 * joints,)} for joints in _SKELETONS]:
        raise Refused(
            f"Expected {', '.join(map(str, sorted(_SKELETONS)))} joints of 3 numbers a person in {path}; found "
            f"{' and '.join(sorted({str(row.size) for row in rows}))} numbers."
        )
    skeleton = _SKELETONS[rows[0].size // 3]
    joints = np.stack(rows).reshape(len(rows), -1, 3)[:, : len(skeleton_named(skeleton).joints)]
    if not np.isfinite(joints).all():
        raise Refused(f"Expected finite joints in {path}; found NaN or infinity. Write 0, 0, 0 for a lost joint.")
    return skeleton, joints


def _select_persons(annotations: list[Any], categories: Iterable[Any], path: Path) -> list[Any]:
    """The annotations of the category of persons.

    Raises:
        ValueError: nothing tells which category that is.
    """
    used = {annotation.get("category_id") for annotation in annotations} - {None}
    names = {category["id"]: str(category.get("name", "")) for category in categories}
    if names:
        persons = {number for number, name in names.items() if name.lower() in _PERSONS}
        persons = persons or (set(names) if len(names) == 1 else set())
    else:
        persons = set() if used >= _PERSON else used & _PERSON  # each of the two means another to somebody
    if used and not used & persons:
        used_names = ", ".join(names.get(number) or str(number) for number in sorted(used, key=str)[:5])
        raise Refused(
            f"Expected annotations of persons (category_id 1) in {path}; found the categories {used_names}, of which "
            "none is known to be persons. Leave out what is none."
        )
    return [annotation for annotation in annotations if annotation.get("category_id") in {None, *persons}]


def _image(name: Any, path: Path) -> Image:
    """The number or name of an image.

    Raises:
        ValueError: it can be neither.
    """
    is_number = isinstance(name, int) and not isinstance(name, bool) and 0 <= name < _LAST_FRAME
    if isinstance(name, str) or is_number:
        return name
    raise _no_frame(name, path)


def _no_frame(name: Any, path: Path) -> Refused:
    return Refused(
        f"Expected frame numbers from 0, or names of images that end in them, as image_id in {path}; found {name!r}."
    )


# --- which images are the video's -----------------------------------------------------------------


def _frames_of_file(images: Iterable[Image], request: PoseRequest) -> dict[Image, int]:
    """The frames of a video file that images are, by the numbers that they end in."""
    images = _images_of_video(images, request)
    numbers: dict[Image, int] = {}
    for image in images:
        digits = re.search(r"(\d{1,19})$", _path(image).stem)
        number = _LAST_FRAME if digits is None else int(digits[1])
        if number >= _LAST_FRAME:
            raise _no_frame(image, request.path)
        numbers[image] = number
    return numbers


def _frames_of_folder(images: Iterable[Image], request: PoseRequest) -> dict[Image, int]:
    """The frames of a folder of images, by their names."""
    frames = image_paths(request.video)
    places = {path.name: place for place, path in enumerate(frames)}
    stems = {path.stem: place for place, path in enumerate(frames)}
    series = {_series(PurePosixPath(path.name))[1] for path in frames}
    by_folder = {_series(_path(image))[0] for image in images}
    numbers: dict[Image, int] = {}
    for image in images:
        path = _path(image)
        if len(by_folder) > 1 and path.parent.name != request.name:
            continue  # of another video
        place = places.get(path.name, stems.get(path.stem))
        if place is not None:
            numbers[image] = place
        elif _series(path)[1] in series:
            raise _no_frame(image, request.path)
    if not numbers:
        raise _others_only(images, request)
    return numbers


def _images_of_video(images: Iterable[Image], request: PoseRequest) -> list[Image]:
    """Those images that are named after the video; all, where none is and all are of one series.

    Raises:
        ValueError: they are of several videos, and nothing tells which are this one's.
    """
    images = list(images)
    names = {request.name, request.video.name}
    stem = re.compile(f"({'|'.join(map(re.escape, names))})" + r"[\W_]*\d+")
    own = [image for image in images if stem.fullmatch(_path(image).stem) or _path(image).parent.name in names]
    series = {_series(_path(image)) for image in images}
    folders = {folder for folder, _ in map(_series, map(_path, own)) if folder}
    if len(folders) > 1 or (not own and (request.shared or len(series) > 1)):
        raise _others_only(own or images, request)
    return own or images


def _others_only(images: Iterable[Image], request: PoseRequest) -> Refused:
    names = sorted({"/".join(filter(None, _series(_path(image)))) + "#" for image in images})[:4]
    return Refused(
        f"Expected images named after {request.name} in {request.path}, as {request.name}_000012.jpg; found "
        f"{', '.join(names)} (# is a number). Give a file of this video's alone."
    )


def _series(path: PurePosixPath) -> tuple[str, str]:
    """The folder and the name without its last number: the same for all images of a video."""
    return str(path.parent).lstrip("."), re.sub(r"\d+$", "", path.stem)


def _path(image: Image) -> PurePosixPath:
    return PurePosixPath(str(image).replace("\\", "/"))
