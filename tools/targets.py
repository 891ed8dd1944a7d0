"""What the project reads: sound files of each kind, and the function that reads them."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tools.toys import toy_frames, write_openpose


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: of its row.
        samples: writes sound files into a folder, each in a folder of its own with whatever it needs; the paths of
            those to change.
        read: reads a file; a digest of what it found.
        inputs: changed files that are tried by default.
        text: they are texts.
    """

    name: str
    samples: Callable[[Path], list[Path]]
    read: Callable[[Path], str]
    inputs: int
    text: bool = False


def digest_of(parts: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(
            part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode("utf-8", "backslashreplace")
        )
    return digest.hexdigest()


# ---- videos

VIDEOS = (
    *(("mp4", "libx264", "yuv420p"), ("mp4", "mpeg4", "yuv420p"), ("mov", "mjpeg", "yuvj420p")),
    *(
        ("avi", "mjpeg", "yuvj420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("mkv", "ffv1", "yuv420p"),
        ("mkv", "libx264", "yuv420p"),
    ),
    *(("webm", "libvpx-vp9", "yuv420p"), ("flv", "flv", "yuv420p"), ("ts", "libx264", "yuv420p")),
    *(("mpg", "mpeg1video", "yuv420p"), ("wmv", "wmv2", "yuv420p"), ("gif", "gif", "rgb8")),
)
IMAGES = ("jpg", "png", "bmp", "webp", "tif")


def video_samples(root: Path) -> list[Path]:
    import av

    paths = []
    for number, (ending, codec, layout) in enumerate(VIDEOS):
        path = root / str(number) / f"video.{ending}"
        path.parent.mkdir(parents=True)
        with av.open(str(path), "w") as file:
            stream: Any = file.add_stream(codec, rate=25, options={"threads": "1"})
            stream.height, stream.width, stream.pix_fmt = 32, 48, layout
            for t, pixels in enumerate(toy_frames(number, 8, 48)):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:32]), format="rgb24")
                frame.pts = t
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        paths.append(path)
    return paths


def read_video(path: Path) -> str:
    from integralaction.data.video import probe, read_frames

    info = probe(path)
    return digest_of([info, read_frames(path, range(min(info.frames, 64)), short_side=32)])


def image_samples(root: Path) -> list[Path]:
    from PIL import Image

    paths = []
    for ending in IMAGES:
        folder = root / ending / "images"
        folder.mkdir(parents=True)
        for t, frame in enumerate(toy_frames(0, 3)):
            Image.fromarray(frame).save(folder / f"{t}.{ending}")
        paths.append(folder / f"1.{ending}")
    return paths


def read_image(path: Path) -> str:
    return read_video(path.parent)


# ---- poses


def pose_samples(root: Path) -> list[Path]:
    """OpenPose's files, COCO results, AlphaPose's: of a video of eight frames beside them."""
    from integralaction.data.video import write_video

    random = np.random.default_rng(0)
    paths = []
    for kind in ("openpose", "coco", "alphapose"):
        folder = root / kind
        folder.mkdir(parents=True)
        write_video(folder / "video.mp4", toy_frames(0, 8, 64), 10)
        if kind == "openpose":
            (folder / "poses").mkdir()
            for t in range(8):
                write_openpose(folder / f"poses/video_{t:012d}_keypoints.json", t)
            paths.append(folder / f"poses/video_{3:012d}_keypoints.json")
            continue
        persons = []
        for t in range(8):
            joints = np.concatenate([random.uniform(4, 60, (17, 2)), np.full((17, 1), 0.9)], axis=1).round(2)
            frame = t if kind == "coco" else f"{t}.jpg"
            persons.append({"image_id": frame, "category_id": 1, "keypoints": joints.ravel().tolist(), "score": 0.9})
        path = folder / "poses" / "video.json"
        path.parent.mkdir()
        path.write_text(json.dumps(persons))
        paths.append(path)
    return paths


def read_pose_file(path: Path) -> str:
    from integralaction.data.pose_files import read_poses

    return _digest_of_poses(read_poses(path.parent, path.parents[1] / "video.mp4"))


def _digest_of_poses(poses: Any) -> str:
    return digest_of([poses.skeleton, poses.joints, poses.frame_index, poses.frame_offsets])


def shard_samples(root: Path) -> list[Path]:
    from tests.toy import write_toy_dataset

    write_toy_dataset(root / "data")
    return [root / "data" / "poses-00000.safetensors"]


def read_shard(path: Path) -> str:
    from integralaction.data.poses import PoseStore

    store = PoseStore.of(path.parent)
    return digest_of([(name, _digest_of_poses(store[name])) for name in store])


# ---- models


def model_samples(root: Path) -> list[Path]:
    import torch

    from integralaction.checkpoints.model_file import save
    from integralaction.model.network import IntegralAction
    from tests.toy import CLASSES, toy_recipe

    torch.manual_seed(0)
    root.mkdir(parents=True)
    save(IntegralAction(replace(toy_recipe().model, classes=CLASSES)), root / "model.safetensors")
    return [root / "model.safetensors"]


def read_model(path: Path) -> str:
    from integralaction.models import load_model

    return _digest_of_model(load_model(path))


def _digest_of_model(model: Any) -> str:
    return digest_of([model.config, *(tensor.numpy() for tensor in model.state_dict().values())])


def foreign_samples(root: Path) -> list[Path]:
    """A plain ResNet-18 as torch writes it today, as it did before 1.6, and in safetensors."""
    import torch
    from safetensors.torch import save_file

    from tests.checkpoints.snapshots import make, resnet_shapes

    weights = make({**resnet_shapes(18), "fc.weight": (3, 512), "fc.bias": (3,)})
    paths = [root / kind / "model.pth" for kind in ("zip", "legacy")] + [root / "safe" / "model.safetensors"]
    for path in paths:
        path.parent.mkdir(parents=True)
    torch.save({"state_dict": weights}, paths[0])
    torch.save({"state_dict": weights}, paths[1], _use_new_zipfile_serialization=False)
    save_file(weights, paths[2])
    return paths


# ---- pickles


def pickle_samples(root: Path) -> list[Path]:
    """PYSKL's annotations of two videos, by three protocols."""
    random = np.random.default_rng(0)
    annotations = [
        {
            "frame_dir": name,
            "label": np.int64(label),
            "img_shape": (48, 64),
            "total_frames": 6,
            "keypoint": random.uniform(0, 48, (1, 6, 17, 2)).astype(np.float16),
            "keypoint_score": random.uniform(0, 1, (1, 6, 17)).astype(np.float16),
        }
        for label, name in enumerate(("a", "b"))
    ]
    content = {"split": {"train": ["a"], "test": ["b"]}, "annotations": annotations}
    paths = []
    for protocol in (2, 4, 5):
        path = root / str(protocol) / "annotations.pkl"
        path.parent.mkdir(parents=True)
        path.write_bytes(pickle.dumps(content, protocol))
        paths.append(path)
    return paths


def read_annotations(path: Path) -> str:
    """Import the whole of it, as `import pyskl` does without videos."""
    from integralaction.assembly.build import build
    from integralaction.data.poses import PoseStore
    from integralaction.importers.pyskl import Pyskl

    out = path.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    result = build(Pyskl(path).find(), out, "tools")
    store = PoseStore.of(out)
    return digest_of([result.index.videos, *(_digest_of_poses(store[name]) for name in store)])


# ---- texts


def recipe_samples(root: Path) -> list[Path]:
    from integralaction.settings import to_dict, write_yaml
    from tests.toy import toy_recipe

    write_yaml(root / "recipe.yaml", to_dict(toy_recipe()))
    return [root / "recipe.yaml"]


def read_recipe(path: Path) -> str:
    from integralaction.recipes import recipe_named

    return repr(recipe_named(str(path)))


def index_samples(root: Path) -> list[Path]:
    from tests.toy import write_toy_dataset

    for name in ("dataset.yaml", "videos.csv"):
        write_toy_dataset(root / name)
    return [root / name / name for name in ("dataset.yaml", "videos.csv")]


def read_data_set(path: Path) -> str:
    from integralaction.data.index import read_index

    index = read_index(path.parent)
    return digest_of([index.name, index.skeleton, index.classes, index.videos, index.video_root])


def run_samples(root: Path) -> list[Path]:
    """The settings of a run, predictions that it left, a model that can be opened."""
    from integralaction.data.index import read_index
    from integralaction.settings import to_dict, write_yaml
    from tests.toy import CLASSES, toy_recipe, write_toy_dataset

    paths = []
    for number in range(2):
        folder = root / str(number)
        index = write_toy_dataset(folder / "data")
        recipe = replace(toy_recipe(), model=replace(toy_recipe().model, classes=CLASSES))
        write_yaml(folder / "run" / "settings.yaml", {"recipe": to_dict(recipe), "data": "../data"})
        write_predictions(folder / "run", read_index(index.root))
        predictions = "run/predictions/toy/in-context/appearance-only.safetensors"
        paths.append(folder / ("run/settings.yaml", predictions)[number])
    return paths


def write_predictions(root: Path, index: Any) -> None:
    from integralaction.testing import evaluate
    from integralaction.training.run import open_run

    part = index.split("in-context")
    tensors = {"probabilities": np.full((len(part.videos), 3), 1 / 3, np.float32)}
    evaluate.write_predictions(open_run(root), part, "in-context", "appearance-only", tensors)


def read_run(path: Path) -> str:
    from integralaction.data.index import read_index
    from integralaction.testing.predictions import read_predictions
    from integralaction.training.run import open_run

    root = next(folder for folder in path.parents if folder.name == "run")
    run = open_run(root)
    predictions = read_predictions(run, read_index(run.data), "appearance-only", ("in-context",))
    return digest_of([run.recipe, predictions.probabilities, predictions.gate])


TARGETS = (
    Target("video", video_samples, read_video, 1300),
    Target("images", image_samples, read_image, 500),
    Target("pose files", pose_samples, read_pose_file, 900, text=True),
    Target("pose shard", shard_samples, read_shard, 600),
    Target("model", model_samples, read_model, 400),
    Target("foreign checkpoint", foreign_samples, read_model, 90),
    Target("pickle", pickle_samples, read_annotations, 1500),
    Target("recipe", recipe_samples, read_recipe, 1500, text=True),
    Target("data set", index_samples, read_data_set, 1500, text=True),
    Target("run", run_samples, read_run, 600, text=True),
)
