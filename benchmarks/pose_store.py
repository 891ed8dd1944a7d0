"""The pose store at the size of Kinetics: 250,000 videos, 75 million poses, beside one JSON file a video.

    python benchmarks/pose_store.py FOLDER [--write]

Makes a data set folder of about 17 GB (videos without files: only poses are read), measures, and removes it: opening
the index and the store, the poses of one random training clip beside parsing the 300-frame JSON file that the
released code parses at each read, a shuffled epoch of such clips by two loader processes, and the private memory of
a loader process (RssAnon), which must not grow with the data set. `--write` writes docs/results/pose-store.md.
"""

import json
import os
import resource
import shutil
import sys
import time
from datetime import date
from pathlib import Path

import cyclopts
import numpy as np
import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from integralaction.clip import Poses
from integralaction.config import ModelConfig
from integralaction.data.dataset import ClipReader
from integralaction.data.index import read_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.data.sampling import clips_at
from integralaction.tables import Cell, Row, Table, plain_columns, to_markdown
from integralaction.training.run import environment

FRAMES, JOINTS, CLASSES = 300, 18, 400
ROUNDS, OURS, THEIRS = 40, 200, 10  # reads in turns
PAGE = Path(__file__).parents[1] / "docs" / "results" / "pose-store.md"


def make(root: Path, videos: int) -> None:
    """A data set folder of so many videos of 300 frames with a person in each."""
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    joints = random.uniform(0, 256, (SHARD * FRAMES, JOINTS, 3)).astype(np.float32)
    joints[..., 2] = random.uniform(0, 1, joints.shape[:2])
    index, offsets = np.arange(FRAMES), np.arange(FRAMES + 1)
    each = [Poses("openpose18", joints[i * FRAMES : (i + 1) * FRAMES], index, offsets) for i in range(SHARD)]
    (root / "json").mkdir()
    for number, poses in enumerate(each):  # before the rest, so that they are no fresher in memory
        write_json(root / f"json/{number}.json", poses)
    names = [f"class {i % CLASSES}/{i:06d}_000001_000011.mp4" for i in range(videos)]
    for number, first in enumerate(track(range(0, videos, SHARD), "writing", transient=True)):
        part = names[first : first + SHARD]
        write_shard(root / f"poses-{number:05d}.safetensors", list(zip(part, each, strict=False)))
    with (root / "videos.csv").open("w", encoding="utf-8") as file:
        file.write("video,label,split,frames,fps,height,width,start,end,group,note\n")
        for i, name in enumerate(names):
            file.write(f"{name},class {i % CLASSES},train,{FRAMES},30.0,256,340,,,{i:06d},\n")
    about = {"format": 1, "name": "big", "skeleton": "openpose18", "video_root": ".", "made_by": "benchmark"}
    about["classes"] = [f"class {i}" for i in range(CLASSES)]
    (root / "dataset.yaml").write_text(json.dumps(about))


def write_json(path: Path, poses: Poses) -> None:
    """The same poses as kinetics-skeleton writes them."""
    data = [
        {
            "frame_index": t,
            "skeleton": [
                {"pose": np.round(p[:, :2] / (340, 256), 3).ravel().tolist(), "score": np.round(p[:, 2], 3).tolist()}
                for p in poses.joints[poses.frame_offsets[t] : poses.frame_offsets[t + 1]]
            ],
        }
        for t in range(len(poses.frame_index))
    ]
    path.write_text(json.dumps({"data": data, "label": "class 0", "label_index": 0}))


def read_json(path: Path, numbers: np.ndarray) -> np.ndarray:
    """The poses of these frames, by parsing the whole file."""
    joints = np.zeros((len(numbers), 1, JOINTS, 3), np.float32)
    for frame in json.loads(path.read_text())["data"]:
        for t in np.flatnonzero(numbers == frame["frame_index"]):
            for person, found in enumerate(frame["skeleton"][:1]):
                joints[t, person, :, :2] = np.array(found["pose"]).reshape(JOINTS, 2) * (340, 256)
                joints[t, person, :, 2] = found["score"]
    return joints


class ClipPoses(Dataset):
    """The poses of one random clip of each video, and the private memory of the process that reads them."""

    def __init__(self, reader: ClipReader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int, float]:
        return torch.from_numpy(clip(self._reader, number)), os.getpid(), private_memory()


def clip(reader: ClipReader, number: int) -> np.ndarray:
    start = 7919 * (number + 1) % (FRAMES - reader.clip.span + 1)
    return reader.video(number).read_joints(clips_at(np.array([start]), FRAMES, reader.clip).poses[0])


def private_memory() -> float:
    """RssAnon in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(first: str, names: tuple[str, ...], texts: dict[str, tuple[str, ...]]) -> str:
    """A table in Markdown, of texts by the labels of their rows."""
    rows = tuple(Row(label, tuple(Cell(text=text) for text in cells)) for label, cells in texts.items())
    return to_markdown(Table("", "", first, plain_columns(names), rows))


def main(folder: Path, /, *, videos: int = 250_000, keep: bool = False, write: bool = False) -> None:
    """Measure and print; see the head of this file."""
    torch.set_num_threads(1)
    if not (folder / "dataset.yaml").is_file():
        make(folder, videos)
    size = sum(path.stat().st_size for path in folder.glob("poses-*")) / 2**30
    times: dict[str, float] = {}
    before, began = private_memory(), time.perf_counter()
    index = read_index(folder)
    times["index"] = time.perf_counter() - began
    began = time.perf_counter()
    store = PoseStore.of(folder)
    times["store"] = time.perf_counter() - began
    reader = ClipReader.for_model(index, store, ModelConfig(classes=index.classes))
    times["open"] = times["index"] + time.perf_counter() - began
    opened = private_memory() - before

    chosen = np.random.default_rng(1).permutation(len(index.videos))[: ROUNDS * OURS].tolist()
    files = [folder / f"json/{number % SHARD}.json" for number in chosen[: ROUNDS * THEIRS]]
    numbers = clips_at(np.array([100]), FRAMES, reader.clip).poses[0]
    same = store.at(index.videos[chosen[0]].video, numbers)
    np.testing.assert_allclose(read_json(files[0], numbers), same, atol=0.3)  # but for three digits
    ours: list[list[float]] = [[], []]
    theirs: list[list[float]] = [[], []]
    for again in (0, 1):
        for part in range(ROUNDS):  # in turns, so that whatever else the machine does meets both
            began = time.perf_counter()
            for number in chosen[part * OURS : (part + 1) * OURS]:
                clip(reader, number)
            ours[again].append((time.perf_counter() - began) / OURS)
            began = time.perf_counter()
            for file in files[part * THEIRS : (part + 1) * THEIRS]:
                read_json(file, numbers)
            theirs[again].append((time.perf_counter() - began) / THEIRS)
    clips = [
        (f"{1e6 * a:.0f} \u00b5s", f"{1e3 * b:.2f} ms", f"{b / a:.0f} times")
        for a, b in zip(map(np.median, ours), map(np.median, theirs), strict=True)
    ]

    order = np.random.default_rng(2).permutation(len(index.videos)).tolist()
    loader = DataLoader(ClipPoses(reader), batch_size=64, sampler=order, num_workers=2)
    began, memory, seen = time.perf_counter(), {}, 0
    for joints, process, rss in loader:
        seen += len(joints)
        for one, held in zip(process.tolist(), rss.tolist(), strict=True):
            memory.setdefault(one, []).append(held)
    epoch = time.perf_counter() - began
    assert seen == len(index.videos)
    lines = [
        f"{len(index.videos):,} videos, {FRAMES * len(index.videos):,} poses of {JOINTS} joints, {size:.1f} GiB in "
        f"{len(list(folder.glob('poses-*')))} shards:",
        "",
        table(
            "poses of one random training clip",
            ("pose store", "one JSON file a video", "faster by"),
            {"of a video that was not read before": clips[0], "of one that was": clips[1]},
        ),
        table(
            "all of it",
            ("measured",),
            {
                "open index and store": (
                    f"{times['open']:.2f} s (index {times['index']:.2f}, store {times['store']:.2f})",
                ),
                "memory that they take": (f"{opened:.0f} MB",),
                "a shuffled epoch of clips, two loader processes": (
                    f"{epoch:.0f} s, {seen / epoch:,.0f} clips a second",
                ),
                "private memory of a loader process, at most": (
                    f"{max(max(m) for m in memory.values()):.0f} MB, "
                    f"{max(m[-1] - m[len(m) // 10] for m in memory.values()):+.0f} MB from a tenth of the epoch to its "
                    "end",
                ),
            },
        ),
    ]
    print("\n".join(lines))
    if write:
        about = environment()
        where = f"{about['processor']}, {about['cores']} cores, torch {str(about['torch']).split('+')[0]}"
        head = [
            "# The pose store at the size of Kinetics",
            "",
            f"`python benchmarks/pose_store.py FOLDER --write`, {date.today()}, {where}.",
        ]
        PAGE.write_text("\n".join([*head, "", *lines]) + "\n", encoding="utf-8")
    if not keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    try:
        cyclopts.run(main)
    except (ValueError, OSError) as error:
        sys.exit(f"pose_store: {error}")
