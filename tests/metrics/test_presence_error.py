"""Objects found where there is none, and missed ones."""

from __future__ import annotations

import pytest
import torch

from monai_lsext.metrics import PresenceError


def test_each_kind_of_image_and_the_two_shares() -> None:
    empty, full = torch.zeros(1, 4, 4), torch.ones(1, 4, 4)
    metric = PresenceError()
    values = metric([full, empty, full, empty, empty], [empty, empty, full, full, full])
    assert torch.equal(values[:, 0].nan_to_num(-1), torch.tensor([1.0, 0, -1, -1, -1]))
    assert torch.equal(values[:, 1].nan_to_num(-1), torch.tensor([-1.0, -1, 0, 1, 1]))
    assert torch.allclose(metric.aggregate(), torch.tensor([1 / 2, 2 / 3]))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="`y_pred` and `y` must have one shape"):
        PresenceError()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
