"""L = L_cls + λ L_gate (paper, equations 2 and 3)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from integralaction.model.pose_maps import MIN_SCORE, zero_missing_joints


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


def gate_loss(
    gate_logits: Float[Tensor, "b t c"],
    weight: Float[Tensor, "b t"] | None = None,
    target: Float[Tensor, "b t"] | None = None,
) -> Float[Tensor, ""]:
    """Mean of -log(1-G) over clips, frames and channels; with G = sigmoid(z) that is softplus(z).

    Args:
        weight: of each frame; None: 1.
        target: what the gate is drawn to in each frame, by cross-entropy; 0, the paper's, gives the formula above.
    """
    logits = gate_logits.float()
    drawn = F.softplus(logits)
    if target is not None:
        drawn = drawn - target[..., None] * logits  # -t log G - (1-t) log(1-G) = softplus(z) - t z
    if weight is not None:
        drawn = drawn * weight[..., None]
    return drawn.mean()


def pose_trust(joints: Float[Tensor, "b u p k 3"], height: int, width: int) -> Float[Tensor, "b u"]:
    """How far the poses of each frame can be trusted, 0..1: the best person's mean score over all joints.

    A joint that was not found, or lies outside the frame, counts as 0, so that the score is lowered by what is not
    covered.

    Args:
        joints: x, y in pixels of (height, width) frames, score.
    """
    x, y, score = zero_missing_joints(joints).unbind(dim=-1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1) & (score > MIN_SCORE)
    return (score * inside).mean(dim=3).amax(dim=2).clamp(0, 1)


def trust_weights(trust: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """Weights of the frames in proportion to their trust, with mean 1 over the mini-batch: λ keeps its strength."""
    return trust / trust.mean().clamp(min=1e-3)


def outcome_prior(
    appearance: Float[Tensor, "b t n"], pose: Float[Tensor, "b t n"], labels: Int[Tensor, " b"]
) -> tuple[Float[Tensor, "b t"], Float[Tensor, "b t"]]:
    """Weight and target of the gate where it is told which stream alone is right in a frame (section 4.3).

    Target 1 where only the appearance stream is right, else 0; weight 0 where neither is.

    Args:
        appearance, pose: logits of the streams' own classifiers.
    """
    appearance_right = appearance.argmax(dim=2) == labels[:, None]
    pose_right = pose.argmax(dim=2) == labels[:, None]
    return (appearance_right | pose_right).float(), (appearance_right & ~pose_right).float()
