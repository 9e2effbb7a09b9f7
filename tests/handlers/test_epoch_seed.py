"""The random state of an epoch depends on seed and epoch alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, Dataset
from monai.engines import SupervisedTrainer
from monai.transforms import Compose, Lambdad, RandGaussianNoised, RandShiftIntensityd
from torch import nn

from monai_lsext.handlers import EpochSeed


def draws(
    first: int,
    last: int,
    workers: int = 0,
    dataset_class: type = Dataset,
    seed: int = 3,
    epoch_length: int | None = None,
) -> dict[int, list]:
    """What each epoch from ``first`` to ``last`` sees: the augmented batches, then global random numbers."""
    torch.manual_seed(first)  # a different past
    transform = Compose(
        [
            Lambdad("image", lambda x: x * 2),
            RandShiftIntensityd("image", offsets=1.0, prob=1.0),
            RandGaussianNoised("image", prob=0.5),
        ]
    )
    dataset = dataset_class(
        [{"image": torch.full((1, 4, 4), float(i)), "label": torch.zeros(1, 4, 4)} for i in range(6)], transform
    )
    network = nn.Conv2d(1, 1, 1)
    seen: dict[int, list] = {}

    def step(engine: SupervisedTrainer, batch: dict) -> dict:
        seen.setdefault(engine.state.epoch, []).append(
            (batch["image"].clone(), random.random(), np.random.rand(), torch.rand(1).item())
        )
        return {}

    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=last,
        train_data_loader=DataLoader(dataset, batch_size=2, shuffle=True, num_workers=workers),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        iteration_update=step,
        epoch_length=epoch_length,
        decollate=False,
        train_handlers=[EpochSeed(seed)],
    )
    trainer.state.epoch = first - 1
    trainer.run()
    return seen


def same(a: list, b: list) -> bool:
    return len(a) == len(b) and all(torch.equal(x[0], y[0]) and x[1:] == y[1:] for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("workers", "dataset_class", "epoch_length"),
    [(0, Dataset, None), (0, CacheDataset, None), (2, CacheDataset, None), (0, Dataset, 2)],
)
def test_a_resumed_run_draws_what_the_undisturbed_run_draws(workers, dataset_class, epoch_length) -> None:
    options = {"workers": workers, "dataset_class": dataset_class, "epoch_length": epoch_length}
    whole = draws(1, 3, **options)
    resumed = draws(3, 3, **options)
    assert list(whole) == [1, 2, 3]
    assert list(resumed) == [3]
    assert len(whole[3]) == epoch_length or len(whole[3]) == 3
    assert same(whole[3], resumed[3])
    assert not same(whole[2], whole[3])


def test_another_seed_draws_otherwise_and_the_same_seed_the_same() -> None:
    one = draws(1, 1)[1]
    assert same(one, draws(1, 1)[1])
    assert not same(one, draws(1, 1, seed=4)[1])
    # seed + epoch alone does not decide
    assert not same(draws(2, 2, seed=3)[2], draws(1, 1, seed=4)[1])


def test_errors() -> None:
    with pytest.raises(ValueError, match="`seed` must be >= 0, got -1"):
        EpochSeed(-1)
    engine = SupervisedTrainer.__new__(SupervisedTrainer)
    engine.data_loader = DataLoader([1], num_workers=1, persistent_workers=True)
    with pytest.raises(ValueError, match="`persistent_workers` of the data loader must be False"):
        EpochSeed(0).attach(engine)
