"""The released code's JSON lists of Kinetics and Mimetics, whose clips are folders of frames."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integralaction.assembly.plan import ImportIssue
from integralaction.errors import Refused
from integralaction.importers.sources import read_json


@dataclass(frozen=True)
class ReleasedClip:
    """A clip of a list.

    Attributes:
        folder: of its frames, CLASS/NAME.
        name: of the clip.
        label: its class.
        is_training: its list is one for training.
        size: height and width of the frames that its poses were estimated in; None where the list has none.
    """

    folder: str
    name: str
    label: str
    is_training: bool
    size: tuple[int | None, int | None]


def read_released(
    files: Sequence[Path], labels: Collection[str] | None = None
) -> tuple[list[ReleasedClip], tuple[str, ...], list[ImportIssue]]:
    """The clips of some lists, the class names in the order of their numbers, and an issue for each clip left out.

    Args:
        files: Kinetics50_train.json, Kinetics400_val.json, Mimetics50.json, ...
        labels: the classes to read; None: all.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: it is no such JSON.
    """
    clips, issues = [], []
    names: dict[int, str] = {}
    for file in files:
        images, annotations = _images_and_annotations(file)
        for annotation in annotations:
            image = images.get(annotation["image_id"])
            if image is None:
                issues.append(ImportIssue(str(annotation["image_id"]), "annotation without an image", str(file)))
                continue
            label, name, number = str(annotation["action_name"]), str(image["file_name"]), annotation["action_label"]
            if not isinstance(number, int):
                issues.append(ImportIssue(name, "label is no number", repr(number)))
                continue
            if labels is not None and label not in labels:
                issues.append(ImportIssue(name, "not of Kinetics50", label))
                continue
            if names.setdefault(number, label) != label:
                raise Refused(
                    f"Expected one name for action {number} in {file}; found {names[number]!r} and {label!r}."
                )
            folder = (Path(str(image["seq_name"])) / name).as_posix()
            size = (image.get("height"), image.get("width"))
            clips.append(ReleasedClip(folder, name, label, "train" in file.stem.lower(), size))
    return clips, tuple(names[number] for number in sorted(names)), issues


def _images_and_annotations(file: Path) -> tuple[dict[Any, dict], list[dict]]:
    content = read_json(file)
    try:
        images = {image["id"]: image for image in content["images"]}
        annotations = list(content["annotations"])
        fields = ({"seq_name", "file_name"}, {"image_id", "action_label", "action_name"})
        for name, rows, keys in zip(("images", "annotations"), (images.values(), annotations), fields, strict=True):
            if missing := next((keys - row.keys() for row in rows if not keys <= row.keys()), None):
                raise KeyError(f"{', '.join(sorted(missing))} in {name}")
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"Expected images (seq_name, file_name) and annotations (image_id, action_label, action_name) in {file}; "
            f"found {error}."
        ) from error
    return images, annotations
