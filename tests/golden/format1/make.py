"""Makes format1.tar.xz and answers.json with the code of commit f2b5197, whose files are of format 1.

git worktree add --detach ../before f2b5197
PYTHONPATH=../before/src OMP_NUM_THREADS=1 python tests/golden/format1/make.py

Weights are drawn as that code draws them, then all but a few channels of each convolution are set to 0. A channel that
is 0 stays 0 in training, so that the files, which hold zeros above all, are small in an archive.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from integralaction import IntegralAction, ModelConfig, epoch_end, load_model
from integralaction.config import Recipe, Stage, to_dict
from integralaction.model.checkpoint import save
from integralaction.model.hub import save_pretrained
from integralaction.settings import write_yaml
from integralaction.train import train

HERE = Path(__file__).parent
EPOCHS = 24
CHANGED = 1_790_000_000  # when all files were, by the archive
TWO_VIDEOS = ("data/out-of-context/archery/00000.mp4", "data/in-context/boxing/00000.mp4")
MIME = (
    "mime data --size 32 --fps 5 --seconds 1 1.4 --train 1 --val 0 --in-context 1 --out-of-context 1 --no-pose 0"
    " --ambiguous 0 --processes 1"
)
COMMANDS = {
    "predict-run": f"predict {' '.join(TWO_VIDEOS)} --model run --poses data --json --device cpu",
    "predict-hub": f"predict {' '.join(TWO_VIDEOS)} --model hub --poses none --json --device cpu",
    "predict-mime": f"predict {' '.join(TWO_VIDEOS)} --model mime --poses data --json --device cpu",
}

TINY = ModelConfig(classes=("a", "b", "c"), width=0.125, channels=8, frames=2, stride=2, size=32)
EMBEDDED = {"width": 0.25, "channels": 128, "frames": 8, "stride": 4, "size": 64}
RELEASED = {
    "pose_frame_factor": 2,
    "shift": 4,
    "shift_first": "previous",
    "normalised": False,
    "gate_norm": False,
    "pose_pooling": "convolution",
    "vote": "logits",
    "stream_answers": False,
}
MODELS: dict[str, dict] = {
    "integral": {},
    "gate-free": {"method": "gate-free"},
    "appearance-gate": {"method": "appearance-gate"},
    "both-gate": {"method": "both-gate"},
    "feature-fuse": {"method": "feature-fuse"},
    "score-average": {"method": "score-average", "score_weight": 0.25},
    "appearance-only": {"method": "appearance-only", "appearance_depth": 50, "vote": "logits"},
    "pose-only": {"method": "pose-only", "skeleton": "coco17", "pose_input": "pafs", "pose_frame_factor": 2},
    "released": {**RELEASED, "alignment": "batch-layer"},
    "released-gate-free": {**RELEASED, "alignment": "batch", "method": "gate-free", "gate_norm": True},
    "other-streams": {"appearance_depth": 34, "pose_depth": 34, "pose_input": "heatmaps", "shift": 0, "size": 64},
    "embedded": EMBEDDED,
}


def recipe() -> Recipe:
    stage = Stage(epochs=EPOCHS, lr=0.1, milestones=(EPOCHS - 4,), warmup=2)
    return Recipe(
        name="format1",
        model=ModelConfig(width=0.125, channels=8, frames=2, stride=2, pose_frame_factor=2, size=32),
        methods=("integral", "gate-free"),
        appearance=stage,
        pose=stage,
        integration=stage,
        gate_prior="trust",
        batch_size=4,
        start="random",
        augment_integration=False,
        workers=0,
    )


# ---- small weights


def live(channels: int) -> list[int]:
    """Of a convolution's channels one that comes from the next frame, one from the one before, one of the same."""
    return [0, channels // 8, channels // 2] if channels % 8 == 0 else list(range(channels))


def thin(weight: torch.Tensor) -> None:
    """Set the weights of all other channels to 0, and make up for their part of the sums."""
    thin_weight = torch.zeros_like(weight)
    rows, columns = torch.tensor(live(len(weight)))[:, None], torch.tensor(live(weight.shape[1]))
    with torch.no_grad():
        thin_weight[rows, columns] = weight[rows, columns] * (len(weight) / len(rows)) ** 0.5
        weight.copy_(thin_weight)


def thin_draw(draw):
    """A way to draw weights, after which those of convolutions are thinned out."""

    def draw_thin(tensor: torch.Tensor, *options, **named) -> torch.Tensor:  # PyTorch's own name
        draw(tensor, *options, **named)
        if tensor.ndim > 2 and not tensor.is_meta:
            thin(tensor)
        return tensor

    return draw_thin


def small_draws():
    """While it lasts, convolutions start thinned out."""
    names = ("kaiming_normal_", "normal_")
    return mock.patch.multiple(torch.nn.init, **{name: thin_draw(getattr(torch.nn.init, name)) for name in names})


def vary(model: IntegralAction) -> IntegralAction:
    """Other numbers for all that starts as 0 or 1, large enough that every part is felt, in 64ths."""
    random = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            few = live(len(tensor))
            tensor[few] += torch.rand(len(few), generator=random) / 2
        elif tensor.ndim == 2:
            few = live(tensor.shape[1])
            tensor.zero_()
            tensor[:, few] = torch.randn(len(tensor), len(few), generator=random)
        elif name == "pose.front_end.0.weight":
            tensor *= 500
        if tensor.is_floating_point():
            tensor.mul_(64).round_().div_(64)
    return scale_layers(model.eval())


def scale_layers(model: IntegralAction) -> IntegralAction:
    """Weights of the linear layers by which none of them saturates what comes after it."""
    for _ in range(2):  # some depend on others
        for layer in [module for module in model.modules() if isinstance(module, torch.nn.Linear)]:
            sizes = []
            hook = layer.register_forward_hook(lambda _, __, values, sizes=sizes: sizes.append(values.std()))
            answer(model)
            hook.remove()
            if sizes:
                layer.weight.data.div_(sizes[0]).mul_(256).round_().div_(256)
    return model


# ---- what the models say of drawn input


def inputs(frames: int, pose_frames: int, joints: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two clips: frames (2, T, 3, S, S) uint8, joints (2, T', 2, K, 3)."""
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (2, frames, 3, size, size), dtype=np.uint8)
    persons = random.random((2, pose_frames, 2, joints, 3), dtype=np.float32) * np.float32([size, size, 1])
    return torch.from_numpy(pictures), torch.from_numpy(persons)


def answer(model: IntegralAction) -> dict:
    """What a model says of the two clips, and the sizes of these."""
    config = model.config
    sizes = {
        "frames": config.frames,
        "pose_frames": config.pose_frames,
        "joints": 17 if config.skeleton == "coco17" else 18,
        "size": config.size,
    }
    frames, joints = inputs(**sizes)
    with torch.no_grad():
        output = model(
            None if config.method == "pose-only" else frames, None if config.method == "appearance-only" else joints
        )
    numbers = {
        "probabilities": output.probabilities,
        "appearance_probabilities": output.appearance_probabilities,
        "pose_probabilities": output.pose_probabilities,
        "gate": None if output.gate is None else output.gate.mean(dim=(1, 2)),
    }
    return {
        "method": config.method,
        "classes": list(config.classes),
        "sizes": sizes,
        **{name: None if values is None else values.double().tolist() for name, values in numbers.items()},
    }


def check_options_are_felt(name: str, model: IntegralAction) -> None:
    """Each option that keeps the weights' shapes changes the answer: a reader that forgets it would be noticed."""
    probabilities = answer(model)["probabilities"]
    for option, value in MODELS[name].items():
        default = getattr(ModelConfig(), option)
        if value == default or option in ("size", "stride", "frames", "stream_answers"):
            continue
        try:
            other = IntegralAction(type(model.config)(**{**to_dict(model.config), option: default})).eval()
            other.load_state_dict(model.state_dict())
        except (ValueError, RuntimeError):
            continue
        change = np.abs(np.subtract(answer(other)["probabilities"], probabilities)).max()
        print(f"{name}: without its {option} the answer changes by {change:.1e}")
        assert change > 1e-4, (name, option)


def make_models(root: Path) -> dict[str, dict]:
    answers = {}
    for name, options in MODELS.items():
        torch.manual_seed(0)
        with small_draws():
            model = IntegralAction(ModelConfig(**{**to_dict(TINY), **options}))
        save(vary(model), root / f"models/{name}.safetensors")
        check_options_are_felt(name, model)
        answers[f"models/{name}.safetensors"] = answer(model)
    save_pretrained(load_model(root / "models/integral.safetensors"), root / "hub")
    for source in ("hub", "run", "mime"):
        answers[source] = answer(load_model(source if source == "mime" else root / source))
    return answers


# ---- runs


def make_run(out: str, stop: bool = False) -> None:
    """Train in the current folder; stopped, the process is killed four epochs before the end of the pose stream."""
    save_aside = epoch_end.save_aside

    def save_and_stop(trainer, path: Path) -> None:
        save_aside(trainer, path)
        if stop and path.parent.name == "pose-only" and trainer.current_epoch + 1 == EPOCHS - 4:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.argv = ["integralaction", *f"train recipe.yaml --data data --out {out} --device cpu".split()]
    with small_draws(), mock.patch.object(epoch_end, "save_aside", save_and_stop):
        train(recipe(), Path("data"), Path(out), "cpu")


def call(line: str, root: Path) -> str:
    """What a command of that code prints."""
    command = [sys.executable, "-m", "integralaction", *line.split()]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(root: Path) -> dict:
    call(MIME, root)
    write_yaml(root / "recipe.yaml", to_dict(recipe()))
    for out in ("run", "stopped"):
        status = subprocess.run([sys.executable, Path(__file__).resolve(), out], cwd=root).returncode
        assert status == (-signal.SIGKILL if out == "stopped" else 0)
    call("evaluate run --device cpu", root)
    call("audit run --device cpu", root)
    models = make_models(root)
    commands = {
        name: {"command": line, "lines": [json.loads(text) for text in call(line, root).splitlines()]}
        for name, line in COMMANDS.items()
    }
    for events in root.glob("*/stages/*/events.*"):  # whose names are those of machines; nothing reads them
        events.unlink()
    return {"mime": MIME, "models": models, "commands": commands}


def pack(root: Path, archive: Path) -> None:
    """All files in one archive, in which equal weights of several files are held once."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                about = tarfile.TarInfo(str(path.relative_to(root)))
                about.size, about.mtime = path.stat().st_size, CHANGED
                tar.addfile(about, path.open("rb"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        make_run(sys.argv[1], stop=sys.argv[1] == "stopped")
    else:
        with tempfile.TemporaryDirectory() as folder:
            answers = make(Path(folder))
            (HERE / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")
            pack(Path(folder), HERE / "format1.tar.xz")
