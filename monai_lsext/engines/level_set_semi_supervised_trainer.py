"""Trainer on labelled and unlabelled images, where a level set makes the targets of the unlabelled ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.utils import convert_to_tensor
from torch import Tensor, nn
from torch.optim import Optimizer

from monai_lsext.evolution import LevelSetRefiner

__all__ = ["LevelSetSemiSupervisedTrainer", "object_probability"]


class LevelSetSemiSupervisedTrainer(SupervisedTrainer):
    """``SupervisedTrainer`` whose unlabelled images are taught by their own prediction, refined by a level set.

    ``loss = sum_i w_i CE(network(I_i), y_i) / sum_i w_i``, CE the mean over the pixels, those of the object counted
    ``object_weight`` times: a labelled image has the weight 1 and its label as y; an
    unlabelled one the mask ``phi > 0`` that the level set makes of the network's probability map. Its weight is
    ``unlabelled_weight``, but 0 during the warm-up and where that mask is empty or everything.

    Batches come from one loader: items without a label pass :class:`monai_lsext.transforms.FillMissingLabeld`.

    Args:
        network: logits [B, 1, \\*S] (sigmoid) or [B, 2, \\*S] (softmax, object second).
        optimizer: its optimiser; ADADELTA in the paper.
        refiner: (probability [B, 1, \\*S], image [B, C, \\*S]) -> phi; default ``LevelSetRefiner()``.
        unlabelled_weight: >= 0, default 1.
        object_weight: > 0, default 1, the plain cross-entropy.
        warm_up_epochs: first epochs, in which unlabelled images do not count, >= 0, default 5.
        flag_key: where ``FillMissingLabeld`` says whether an item is labelled, default "labelled"; a batch without it
            is labelled.
        kwargs: as for ``SupervisedTrainer`` (``device``, ``max_epochs``, ``train_data_loader``, ..).

    Returns:
        ``engine.state.output`` has ``image``, ``label``, ``pred``, ``loss``, and ``target`` [B, 1, \\*S] and ``weight``
        [B], the y_i and w_i of the loss.

    Raises:
        ValueError: for an argument out of range; at the start, when no item of the data list is labelled; in an
            iteration, for logits or a label of another form.

    Note:
        The paper starts from a network trained on the labelled part and names neither warm-up nor weight. The warm-up
        lets a network start from scratch: refined noise as a target would be learned. With the plain cross-entropy of
        a small object masks come out too small, and learned from themselves they shrink: hence ``object_weight``. A
        batch of which nothing counts has the loss 0. With a data list without unlabelled items the training is
        supervised, which a warning tells: annotation tools and federated clients send labelled cases alone.

    Reference:
        Tang, Valipour, Zhang, Cobzas & Jagersand, "A deep level set method for image segmentation", 2017, Section 2.3.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Optimizer,
        refiner: Callable[[Tensor, Tensor], Tensor] | None = None,
        unlabelled_weight: float = 1.0,
        object_weight: float = 1.0,
        warm_up_epochs: int = 5,
        flag_key: str = "labelled",
        **kwargs: Any,
    ) -> None:
        for name, value in (("unlabelled_weight", unlabelled_weight), ("warm_up_epochs", warm_up_epochs)):
            if value < 0:
                raise ValueError(f"`{name}` must be >= 0, got {value}")
        if object_weight <= 0:
            raise ValueError(f"`object_weight` must be > 0, got {object_weight}")
        self.refiner = LevelSetRefiner() if refiner is None else refiner
        self.unlabelled_weight = unlabelled_weight
        self.object_weight = object_weight
        self.warm_up_epochs = warm_up_epochs
        self.flag_key = flag_key
        self.samples: list[tuple[Tensor, Tensor]] = []
        super().__init__(network=network, optimizer=optimizer, loss_function=self._loss, **kwargs)
        if isinstance(self.refiner, nn.Module):
            self.refiner.to(self.state.device)
        self.add_event_handler(Events.STARTED, self._check_labels)

    def train_on(self, image: Tensor, target: Tensor) -> Tensor:
        """One step of the optimiser on images [B, C, \\*S] with masks [B, 1, \\*S]; returns the loss."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=self.optim_set_to_none)
        device = torch.device(self.state.device)
        with torch.autocast(device.type, enabled=self.amp):
            logits = self.inferer(image.to(device), self.network)
        loss = self._cross_entropy(logits.float(), target.to(device)).mean()
        if self.scaler is None:
            loss.backward()
            self.optimizer.step()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    def _loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss of SupervisedTrainer's iteration; notes the items that counted, for a replay buffer."""
        expected = (len(logits), 1, *logits.shape[2:])
        if tuple(label.shape) != expected:
            raise ValueError(f"`label` must have shape {expected}, got {tuple(label.shape)}")
        logits = convert_to_tensor(logits, track_meta=False).float()
        image = convert_to_tensor(self.state.output["image"], track_meta=False)
        target = (convert_to_tensor(label, track_meta=False) > 0.5).to(logits.device)
        flags = self.state.batch.get(self.flag_key, True)
        labelled = torch.as_tensor(flags, device=logits.device).bool().expand(len(logits))
        weight = labelled.to(logits.dtype)
        unlabelled = ~labelled
        if self.unlabelled_weight > 0 and self.state.epoch > self.warm_up_epochs and unlabelled.any():
            with torch.no_grad():
                mask = self.refiner(object_probability(logits.detach()[unlabelled]), image[unlabelled]) > 0
            target[unlabelled] = mask
            share = mask.flatten(1).float().mean(1)
            weight[unlabelled] = self.unlabelled_weight * ((share > 0) & (share < 1)).to(weight)
        self.state.output["target"], self.state.output["weight"] = target.to(logits.dtype), weight
        self.samples = [(image[i], target[i]) for i in weight.nonzero()[:, 0].tolist()]
        total = weight.sum()
        return (weight * self._cross_entropy(logits, target)).sum() / torch.where(total > 0, total, 1)

    def _cross_entropy(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Mean over the pixels of each item, [B]."""
        margin = logits if logits.shape[1] == 1 else logits[:, 1:] - logits[:, :1]
        weight = margin.new_tensor(self.object_weight)
        entropy = F.binary_cross_entropy_with_logits(margin, mask.to(margin.dtype), reduction="none", pos_weight=weight)
        return entropy.flatten(1).mean(1)

    def _check_labels(self) -> None:
        """Count the labelled items of the data list, where the loader has one."""
        items = getattr(getattr(self.data_loader, "dataset", None), "data", None)
        if not isinstance(items, Iterable):
            return
        has_label = [item.get("label") is not None for item in items if isinstance(item, Mapping)]
        if has_label and not any(has_label):
            raise ValueError(f"the data list must hold at least one labelled item, got none of {len(has_label)}")
        if has_label and all(has_label):
            self.logger.warning(f"All {len(has_label)} items are labelled: the training is supervised")


def object_probability(logits: Tensor) -> Tensor:
    """Probability of the object [B, 1, \\*S] from one logit (sigmoid) or two (softmax, object second).

    Raises:
        ValueError: for another number of channels.
    """
    if logits.shape[1] not in (1, 2):
        raise ValueError(f"the network must have 1 or 2 output channels, got {logits.shape[1]}")
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)[:, 1:]
