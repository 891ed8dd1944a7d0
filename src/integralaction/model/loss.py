"""L = L_cls + λ L_gate (paper, equations 2 and 3)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def classification_loss(logits: Float[Tensor, "b t n"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Negative log of the probability that the frames' averaged softmax gives the true class; mean over clips.

    log mean_t softmax_t = logsumexp_t log_softmax_t - log T: no probability is formed, so none underflows.
    """
    frames = torch.log_softmax(logits.float(), dim=2)
    truth = frames.take_along_dim(labels[:, None, None], dim=2)[..., 0]
    return (math.log(logits.shape[1]) - torch.logsumexp(truth, dim=1)).mean()


def logit_loss(logits: Float[Tensor, "b t n"], labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Cross-entropy of the frames' mean logits, for models whose frames vote by logits (the released code)."""
    return F.cross_entropy(logits.float().mean(dim=1), labels)


def gate_loss(gate_logits: Float[Tensor, "b t c"]) -> Float[Tensor, ""]:
    """Mean of -log(1-G) over clips, frames and channels; with G = sigmoid(z) that is softplus(z)."""
    return F.softplus(gate_logits.float()).mean()
