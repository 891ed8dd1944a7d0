"""One stage as a module: what is free, the loss (equations 2 and 3), the optimiser and its schedule (section 3.5)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from integralaction.clip import Batch
from integralaction.config import ModelConfig
from integralaction.model.loss import (
    classification_loss,
    gate_loss,
    logit_loss,
    outcome_prior,
    pose_trust,
    trust_weights,
)
from integralaction.model.network import Features, IntegralAction
from integralaction.recipe import Recipe, Stage


class FeatureBatch(NamedTuple):
    """What stage 3 trains on where there is no augmentation: the frozen streams' features."""

    appearance: Tensor  # (B, T, C_A)
    pose: Tensor  # (B, T', C_P)
    trust: Tensor  # (B, T'), of the poses
    labels: Tensor  # (B,)

    def to(self, device: torch.device, non_blocking: bool = False) -> "FeatureBatch":
        """The same batch on that device."""
        return FeatureBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self))


class StageTraining(nn.Module):
    """A batch in, its loss and what is measured on it out.

    A model with an integration is in stage 3: unless the recipe frees them, its streams stay in eval mode and outside
    the graph. The released code leaves them in train mode, where their batch statistics drift.
    """

    def __init__(self, model: IntegralAction, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe
        self.has_fixed_streams = model.integration is not None and recipe.stages.strategy == "fixed"
        if self.has_fixed_streams:
            model.requires_grad_(False)
            for part in (model.pose_pooling, model.integration, model.classifier):
                if part is not None:
                    part.requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> "StageTraining":
        super().train(mode)
        if self.has_fixed_streams:
            self.model.get_submodule("appearance").eval()
            self.model.get_submodule("pose").eval()
        return self

    def forward(self, batch: Batch | FeatureBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and what the log tells: its parts, the mean gate, top-1."""
        if isinstance(batch, FeatureBatch):
            features, trust = Features(batch.appearance, batch.pose), batch.trust
        else:
            with torch.set_grad_enabled(not self.has_fixed_streams):
                features = self.model.features(batch.frames, batch.joints)
            trust = trust_of(batch, self.model.config)
        output = self.model.integrate(features)
        assert output.logits is not None  # score-average alone has none, and is not trained
        loss_of_votes = logit_loss if self.model.config.vote == "logits" else classification_loss
        loss = loss_of_votes(output.logits, batch.labels)
        measures = {"classification": loss.detach()}
        if output.gate_logits is not None and output.gate is not None:
            regulariser = gate_loss(output.gate_logits, *self.gate_prior(features, trust, batch.labels))
            measures |= {"gate_loss": regulariser.detach(), "gate": output.gate.detach().mean()}
            loss = loss + self.recipe.stages.gate_lambda * regulariser
        measures["total"] = loss.detach()
        measures["top1"] = (output.probabilities.detach().argmax(1) == batch.labels).float().mean()
        return loss, measures

    @torch.no_grad()
    def gate_prior(self, features: Features, trust: Tensor, labels: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Weight and target of the gate regulariser in each frame, (B, T), as the recipe's prior has them."""
        model = self.model
        if self.recipe.stages.gate_prior == "trust":
            return trust_weights(_over_time(trust, model.config)), None
        if self.recipe.stages.gate_prior == "outcome":
            assert model.appearance_classifier is not None and model.pose_classifier is not None
            pose = model.pose_classifier(features.pose)
            logits = _over_time(pose.mT, model.config).mT
            return outcome_prior(model.appearance_classifier(features.appearance), logits, labels)
        return None, None

    def optimizer(self, stage: Stage, steps: int) -> tuple[torch.optim.SGD, torch.optim.lr_scheduler.LambdaLR]:
        """SGD on what is free, and the schedule of its rate.

        Args:
            steps: optimiser steps in an epoch.
        """
        sgd = self.recipe.optimizer
        free = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(free, stage.lr, sgd.momentum, weight_decay=sgd.weight_decay)

        def factor(step: int) -> float:
            milestones = sum(step // steps >= milestone for milestone in stage.milestones)
            return 0.1**milestones * min(1.0, (step + 1) / max(1, stage.warmup))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def trust_of(batch: Batch, model: ModelConfig) -> Tensor:
    """How far the poses of a batch can be trusted, (B, T')."""
    height, width = (model.clip.size,) * 2 if batch.frames is None else batch.frames.shape[-2:]
    return pose_trust(batch.joints, height, width)


def _over_time(values: Tensor, model: ModelConfig) -> Tensor:
    """Values of T' pose frames (..., T') as those of the T RGB frames: means, or those at the same time."""
    if model.clip.pose_pooling == "convolution":
        return values[..., :: model.clip.pose_frame_factor]
    return values.unflatten(-1, (model.clip.frames, -1)).mean(dim=-1)
