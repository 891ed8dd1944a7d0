"""The long commands on toy data, each of which takes about a second, and the folders that they start from."""

import importlib
import json
import pkgutil
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import integralaction

# what the commands import within functions
LATE = ("onnx", "onnxruntime", "rtmlib", "torch.utils.tensorboard")
LATE += ("matplotlib.pyplot", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_agg", "fontTools.subset")
MIME = "--size 32 --fps 5 --seconds 1 1 --train 1 --val 0 --in-context 0 --out-of-context 0 --no-pose 0 --ambiguous 0"
TRAIN = "train toy.yaml --data data --out run --device cpu"


@dataclass(frozen=True)
class Command:
    """A command that can be killed.

    Attributes:
        name: of its row.
        start: the folder that it starts from, of `STARTS`.
        line: what is typed there.
        run: takes the arguments and gives the exit status; None: the project's command line.
        every: one that makes many changes is killed at each so many-th.
    """

    name: str
    start: str
    line: str
    run: Callable[[list[str]], int] | None = None
    every: int = 1

    def __call__(self) -> int:
        if self.run is not None:
            return self.run(self.line.split())
        from integralaction.cli.main import run

        return run(self.line.split())


COMMANDS = (
    Command("mime", "nothing", f"mime out {MIME} --processes 1 --sheet sheet.png", every=2),
    Command("import folder", "videos", "import folder videos --out out --test 0.5"),
    Command("import poses", "without poses", "import poses data poses"),
    Command("pose", "without poses", "pose data --weights network.onnx --device cpu"),
    Command("data --sheet", "data", "data data --sheet sheet.png"),
    Command("train", "data", TRAIN),
    Command("evaluate", "trained", "evaluate run --device cpu"),
    Command("audit", "tested", "audit run --sheet sheet.png --device cpu"),
    Command("report", "tested", "report run --previews 1"),
    Command("predict --save-frames", "tested", "predict data/train/000.mp4 --model run --poses data --save-frames out"),
    Command("reproduce", "data", "reproduce figure6 --data data --recipe toy.yaml --out out --device cpu", every=9),
    Command("convert --out", "checkpoint", "convert resnet18.pth --out out"),
)


def load_everything() -> None:
    """Import what the commands import when they are called, so that each forked call has it already."""
    import cv2
    import torch

    for module in pkgutil.walk_packages(integralaction.__path__, "integralaction."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


# ---- where they start


def nothing(_: Path) -> None:
    """An empty folder."""


def data(root: Path) -> None:
    from integralaction.settings import to_dict, write_yaml
    from tests.toy import toy_recipe, write_toy_dataset

    write_toy_dataset(root / "data")
    write_yaml(root / "toy.yaml", to_dict(replace(toy_recipe(), methods=("integral",))))


def trained(root: Path) -> None:
    data(root)
    _run_line(TRAIN)


def tested(root: Path) -> None:
    trained(root)
    _run_line("evaluate run --device cpu")


def videos(root: Path) -> None:
    """Six videos in folders of two classes, one of them a folder of images."""
    from PIL import Image

    from integralaction.data.video import write_video

    for number in range(6):
        frames = toy_frames(number)
        folder = root / "videos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        if number < 5:
            write_video(folder / f"{number}.mp4", frames, 10)
            continue
        (folder / "images").mkdir()
        for t, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / "images" / f"{t:03d}.png")


def without_poses(root: Path) -> None:
    """A data set of nine videos without poses, poses as OpenPose would write them, a network that estimates some."""
    from integralaction.data.index import Index, Video, write_index
    from integralaction.data.video import write_video
    from tests.networks import write_network

    rows = []
    for number in range(9):
        frames = toy_frames(number, size=64)
        (root / "data").mkdir(exist_ok=True)
        write_video(root / f"data/{number}.mp4", frames, 10)
        rows.append(Video(f"{number}.mp4", "ab"[number % 2], "train", len(frames), 10.0, 64, 64))
        folder = root / "poses" / str(number)
        folder.mkdir(parents=True)
        for t in range(len(frames)):
            write_openpose(folder / f"{number}_{t:012d}_keypoints.json", number + t)
    write_index(Index(root / "data", "toy", "openpose18", ("a", "b"), tuple(rows)))
    joints = np.stack([np.arange(17) + 10.0, np.arange(17) + 20.0, np.linspace(0.2, 1, 17)], axis=1)[None, None]
    boxes = np.array([[[8, 8, 40, 60, 0.9]]])
    write_network(root / "network.onnx", [1, 3, 64, 64], {"dets": boxes, "keypoints": joints})


def checkpoint(root: Path) -> None:
    """A plain ResNet-18 with torchvision's names."""
    import torch

    from tests.checkpoints.snapshots import make, resnet_shapes

    shapes = {**resnet_shapes(18), "fc.weight": (3, 512), "fc.bias": (3,)}
    torch.save(make(shapes), root / "resnet18.pth")


STARTS: dict[str, Callable[[Path], None]] = {
    "nothing": nothing,
    "data": data,
    "trained": trained,
    "tested": tested,
    "videos": videos,
    "without poses": without_poses,
    "checkpoint": checkpoint,
}


def _run_line(line: str) -> None:
    """A command in the folder of the process; it must end well."""
    status = Command("", "", line)()
    if status:
        raise ChildProcessError(f"Expected `integralaction {line}` to end well; its status is {status}.")


def toy_frames(seed: int, frames: int = 12, size: int = 32) -> np.ndarray:
    """Frames (T, S, S, 3) of noise in a colour of its own."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 60, (frames, size, size, 3), dtype=np.uint8)
    noise[..., seed % 3] += 120
    return noise


def write_openpose(path: Path, seed: int) -> None:
    """A frame of one person of 18 joints as OpenPose writes it."""
    random = np.random.default_rng(seed)
    joints = np.concatenate([random.uniform(5, 60, (18, 2)), np.full((18, 1), 0.9)], axis=1).round(3)
    path.write_text(json.dumps({"version": 1.3, "people": [{"pose_keypoints_2d": joints.ravel().tolist()}]}))


def copy_start(start: Path, folder: Path) -> None:
    """An empty folder filled with a copy of another."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(start, folder, symlinks=True)
