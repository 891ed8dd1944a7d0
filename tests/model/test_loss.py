"""The loss against its formulas in double precision, and where a naive one overflows."""

import pytest
import torch

from integralaction.model.loss import classification_loss, gate_loss


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
