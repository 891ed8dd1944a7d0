"""The loss against its formulas in double precision, and where a naive one overflows."""

import pytest
import torch
from torch.nn import functional as F

from integralaction.model.loss import (
    classification_loss,
    gate_loss,
    outcome_prior,
    pose_trust,
    trust_weights,
)


def test_classification_loss_is_minus_log_of_the_averaged_probability() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 8, 4) * 3, torch.tensor([0, 1, 2, 3, 0])
    mean = torch.softmax(logits.double(), dim=2).mean(dim=1)
    wanted = -torch.log(mean[torch.arange(5), labels]).mean()
    torch.testing.assert_close(classification_loss(logits, labels).double(), wanted, rtol=1e-6, atol=1e-6)


def test_one_frame_is_plain_cross_entropy() -> None:
    logits, labels = torch.randn(5, 1, 4), torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(
        classification_loss(logits, labels), torch.nn.functional.cross_entropy(logits[:, 0], labels)
    )


def test_gate_loss_is_minus_log_of_one_minus_the_gate() -> None:
    logits = torch.randn(3, 4, 5)
    wanted = -torch.log(1 - torch.sigmoid(logits.double())).mean()
    torch.testing.assert_close(gate_loss(logits).double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("extreme", [-1e4, 1e4])
def test_losses_stay_finite(extreme: float) -> None:
    logits = torch.tensor([[[extreme, -extreme]]], requires_grad=True)
    loss = classification_loss(logits, torch.tensor([0])) + gate_loss(logits)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


def random_gate() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (3, 4, 5), and weights and targets (3, 4) with zeros and ones among them."""
    random = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(3, 4, 5, generator=random)
    weight, target = torch.rand(2, 3, 4, generator=random)
    weight[0, 0] = 0
    target[1, 0], target[1, 1] = 0, 1
    return logits, weight, target


@pytest.mark.parametrize("weighted", [False, True])
def test_gate_loss_with_a_target_is_binary_cross_entropy(weighted: bool) -> None:
    logits, weight, target = random_gate()
    gate, wide = torch.sigmoid(logits.double()), target.double()[..., None].expand(3, 4, 5)
    factor = weight.double()[..., None].expand(3, 4, 5) if weighted else None
    wanted = F.binary_cross_entropy(gate, wide, factor)
    found = gate_loss(logits, weight if weighted else None, target)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-6)


def test_weights_alone_weigh_the_frames() -> None:
    logits, weight, _ = random_gate()
    frames = -torch.log(1 - torch.sigmoid(logits.double())).mean(dim=2)
    wanted = (weight.double() * frames).sum() / 12
    torch.testing.assert_close(gate_loss(logits, weight).double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("logit", "target", "wanted"),
    [
        *((1e4, 0.0, 1e4), (1e4, 1.0, 0.0), (1e4, 0.25, 7500.0)),
        *((-1e4, 0.0, 0.0), (-1e4, 1.0, 1e4), (-1e4, 0.25, 2500.0)),
    ],
)
def test_gate_loss_with_a_target_stays_exact_far_out(logit: float, target: float, wanted: float) -> None:
    logits = torch.full((1, 2, 3), logit, requires_grad=True)
    targets = torch.full((1, 2), target)
    loss = gate_loss(logits, torch.ones(1, 2), targets)
    assert loss.item() == pytest.approx(wanted, abs=1e-6)
    theirs = F.binary_cross_entropy_with_logits(logits.double(), targets.double()[..., None].expand(1, 2, 3))
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)
    loss.backward()
    slope = (1.0 if logit > 0 else 0.0) - target
    torch.testing.assert_close(logits.grad, torch.full((1, 2, 3), slope / 6))


def test_target_0_and_weight_1_are_the_papers_regulariser() -> None:
    logits, *_ = random_gate()
    zero, one = torch.zeros(3, 4), torch.ones(3, 4)
    for given in ((one, zero), (None, zero), (one, None)):
        assert torch.equal(gate_loss(logits, *given), gate_loss(logits))


def test_gradient_draws_the_gate_to_its_target() -> None:
    """The slope is weight (G - target) over all elements: downhill is towards the target, and nowhere else."""
    logits, weight, target = random_gate()
    logits.requires_grad_(True)
    gate_loss(logits, weight, target).backward()
    gate = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, weight[..., None] * (gate - target[..., None]) / 60)

    drawn = torch.zeros(3, 4, 5, requires_grad=True)
    descent = torch.optim.SGD([drawn], lr=600)
    for _ in range(200):
        descent.zero_grad()
        gate_loss(drawn, weight, target).backward()
        descent.step()
    gate = torch.sigmoid(drawn.detach())
    free = weight == 0
    assert (gate[free] == 0.5).all() and free.any()
    strong = weight > 0.2
    torch.testing.assert_close(gate[strong], target[..., None].expand(3, 4, 5)[strong], rtol=0, atol=0.02)


INSIDE = [[10.0, 10.0, 0.8], [0.0, 0.0, 0.6], [99.0, 49.0, 0.4], [50.0, 25.0, 1.0]]  # of frames 100 wide, 50 high


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, 0.7),
        ({0: [-0.1, 10.0, 0.8]}, 0.5),
        ({0: [99.1, 10.0, 0.8]}, 0.5),
        ({0: [10.0, -0.1, 0.8]}, 0.5),
        ({0: [10.0, 49.1, 0.8]}, 0.5),
        ({0: [10.0, 10.0, 0.1]}, 0.5),  # not above the threshold
        ({0: [10.0, 10.0, 0.11]}, 0.5275),
        ({0: [float("nan"), 10.0, 0.8]}, 0.5),
        ({0: [10.0, 10.0, float("nan")]}, 0.5),
        ({0: [float("inf"), 10.0, 0.8]}, 0.5),
        ({0: [10.0, 10.0, 0.0], 1: [0.0, 0.0, 0.0], 2: [0.0, 0.0, 0.0], 3: [0.0, 0.0, 0.0]}, 0.0),
        ({0: [10.0, 10.0, 9.0]}, 1.0),  # a score that is none
        ({1: [10.0, 10.0, -5.0]}, 0.55),
    ],
)
def test_trust_of_a_pose_by_hand(changes: dict[int, list[float]], wanted: float) -> None:
    joints = torch.tensor(INSIDE)
    for joint, values in changes.items():
        joints[joint] = torch.tensor(values)
    assert pose_trust(joints[None, None, None], 50, 100).item() == pytest.approx(wanted, abs=1e-6)


def test_trust_is_that_of_the_best_person_of_each_frame() -> None:
    whole, half, absent = torch.tensor(INSIDE), torch.tensor(INSIDE), torch.zeros(4, 3)
    half[:2, 2] = 0
    frames = [[half, whole, absent], [absent, half, absent], [absent] * 3, [whole, absent, half]]
    joints = torch.stack([torch.stack(persons) for persons in frames])
    found = pose_trust(torch.stack([joints, joints.flip(0)]), 50, 100)
    wanted = torch.tensor([0.7, 0.35, 0.0, 0.7])
    torch.testing.assert_close(found, torch.stack([wanted, wanted.flip(0)]))
    # the best is the one who is best seen, not who has the highest scores in all
    sure = torch.tensor([[200.0, 10.0, 1.0], [200.0, 0.0, 1.0], [200.0, 9.0, 1.0], [50.0, 25.0, 1.0]])
    assert pose_trust(torch.stack([sure, whole])[None, None], 50, 100).item() == pytest.approx(0.7)


def test_trust_weights_keep_the_strength_of_lambda() -> None:
    trust = torch.rand(4, 3, generator=torch.Generator().manual_seed(0))
    weights = trust_weights(trust)
    assert weights.mean().item() == pytest.approx(1)
    torch.testing.assert_close(weights / weights[0, 0], trust / trust[0, 0])  # in proportion
    logits = torch.full((4, 3, 2), -0.7)
    torch.testing.assert_close(gate_loss(logits, weights), gate_loss(logits))
    nobody = trust_weights(torch.zeros(4, 3))
    assert torch.equal(nobody, torch.zeros(4, 3))


def test_outcome_prior_asks_frame_by_frame_who_is_right() -> None:
    random = torch.Generator().manual_seed(0)
    appearance, pose = torch.randn(2, 20, 3, 4, generator=random)
    labels = torch.randint(4, (20,), generator=random)
    weight, target = outcome_prior(appearance, pose, labels)
    seen = set()
    for b in range(20):
        for t in range(3):
            answers = [max(range(4), key=logits[b, t].tolist().__getitem__) for logits in (appearance, pose)]
            right = tuple(answer == int(labels[b]) for answer in answers)
            wanted = {(True, True): (1, 0), (True, False): (1, 1), (False, True): (1, 0)}.get(right, (0, 0))
            assert (weight[b, t].item(), target[b, t].item()) == wanted
            seen.add(right)
    assert len(seen) == 4
