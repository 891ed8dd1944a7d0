"""What only a GPU shows: half precision with a scaled loss, page-locked batches, a training continued on the device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy import toy_recipe, with_values, write_toy_dataset

from integralaction.data.index import read_index
from integralaction.testing.evaluate import evaluate
from integralaction.training.stages import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and this machine has none")


def weights(root: Path) -> dict[str, torch.Tensor]:
    return load_file(root / "integral.safetensors")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_training_that_goes_on_comes_to_the_same_weights(tmp_path: Path, precision: str, cached: bool) -> None:
    write_toy_dataset(tmp_path / "data")
    short = with_values(
        toy_recipe(),
        methods=("integral",),
        precision=precision,
        accumulate=2,
        augment_integration=not cached,
        workers=1,
    )
    longer = with_values(short, integration=with_values(short.stages.integration, epochs=4))
    train(short, tmp_path / "data", tmp_path / "stopped", "cuda")
    state = torch.load(tmp_path / "stopped/stages/integral/last.ckpt", weights_only=True)
    assert bool(state["scaler"]) == (precision == "16-mixed"), "the scale of the loss belongs into the checkpoint"
    run = train(longer, tmp_path / "data", tmp_path / "stopped", "cuda")
    train(longer, tmp_path / "data", tmp_path / "whole", "cuda")
    one, other = weights(tmp_path / "stopped"), weights(tmp_path / "whole")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    index = read_index(tmp_path / "data")
    on_gpu = evaluate(run, index, (), torch.device("cuda"))["integral"].probabilities
    on_cpu = evaluate(run, index, (), torch.device("cpu"))["integral"].probabilities
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)
