"""What is in the package: the wheel answers by itself, the embedded model knows videos that it has not seen."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import integralaction
from integralaction import load_model, predict_video
from integralaction.data.index import Index
from integralaction.data.poses import PoseStore
from integralaction.mime.generate import generate
from integralaction.mime.settings import MimeSettings

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Videos of a seed that the embedded model was not trained on: two of each class in context, two out of it."""
    counts = {"train": 0, "val": 0, "in_context": 2, "out_of_context": 2, "no_pose": 0, "ambiguous": 0}
    return generate(tmp_path_factory.mktemp("mime") / "data", MimeSettings(seed=1234, **counts), processes=1)


def test_the_embedded_model_knows_new_videos(drawn: Index) -> None:
    model, store = load_model("mime"), PoseStore.of(drawn.root)
    assert model.config.classes == drawn.classes
    seen = [predict_video(model, drawn.path(video), store[video.video]) for video in drawn.videos]
    blind = [predict_video(model, drawn.path(video), None) for video in drawn.videos]
    right = {
        split: np.mean([p.top(1)[0][0] == v.label for p, v in zip(seen, drawn.videos, strict=True) if v.split == split])
        for split in drawn.splits
    }
    assert right["in-context"] > 0.7 and right["out-of-context"] > 0.5, right
    # who sees nobody must let in more appearance
    assert np.mean([p.gate for p in blind]) > np.mean([p.gate for p in seen]) + 0.03
    assert all(p.persons.share == 0 and p.persons.source == "none" and p.model == "mime" for p in blind)


def test_the_wheel_answers_by_itself(drawn: Index, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*build, "-w", str(tmp_path), str(PROJECT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 10e6, "the wheel grew past 10 MB: what is in it that need not be? (unzip -l)"
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    names = {path.name for path in (tmp_path / "installed/integralaction/weights").iterdir()}
    assert names == {"mime.safetensors", "mime.md"}, "the wheel has the embedded model and its card, nothing else there"
    typed = tmp_path / "installed/integralaction/py.typed"
    assert typed.is_file(), (
        "without py.typed in the wheel no type checker reads the package's types: see pyproject.toml"
    )
    weights = (tmp_path / "installed/integralaction/weights/mime.safetensors").read_bytes()
    card = (tmp_path / "installed/integralaction/weights/mime.md").read_text(encoding="utf-8")
    digest = hashlib.sha256(weights).hexdigest()
    assert digest in card, (
        f"mime.md is the card of other weights than {digest}: benchmarks/embedded_model.py writes both"
    )
    video = next(v for v in drawn.videos if v.split == "in-context")
    command = ["-m", "integralaction", "predict", str(drawn.path(video)), "--poses", str(drawn.root), "--json"]
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["top"][0]["class"] == video.label and 0.1 < answer["gate"] < 0.6
    assert "its labels are the drawn actions" in done.stderr


def test_public_names_have_types(tmp_path: Path) -> None:
    """As a type checker sees them, who takes none of them for anything at all."""
    (tmp_path / "snippet.py").write_text(
        "from typing import assert_type\n\nimport torch\n\nimport integralaction\n"
        "from integralaction import IntegralAction, Output, Prediction, load_model, predict_video\n\n"
        "model = load_model('mime')\nassert_type(model, IntegralAction)\n"
        "prediction = predict_video(model, 'video.mp4', 'rtmo')\nassert_type(prediction, Prediction)\n"
        "assert_type(prediction.top(5), list[tuple[str, float]])\nassert_type(prediction.gate, float | None)\n"
        "output = model(torch.rand(1, 8, 3, 64, 64), torch.rand(1, 8, 2, 18, 3))\nassert_type(output, Output)\n"
        "assert_type(output.gate, torch.Tensor | None)\nassert_type(integralaction.__version__, str)\n"
    )
    command = [str(Path(sys.executable).parent / "ty"), "check", "--python", sys.executable]
    command += ["--extra-search-path", str(Path(integralaction.__file__).parents[1]), "--error-on-warning"]
    done = subprocess.run([*command, "snippet.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert integralaction.__version__[0].isdigit()
