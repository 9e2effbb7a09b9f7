"""The lazy list: read once, at the first use; an unreadable one fails only when an item is asked for."""

from __future__ import annotations

import pytest
from monai.data import CacheDataset, DataLoader

from monai_lsext.data.lazy_datalist import LazyDatalist


def test_reads_once_and_behaves_like_the_list() -> None:
    calls = []

    def read(start: int, stop: int) -> list[dict[str, int]]:
        calls.append(start)
        return [{"image": i} for i in range(start, stop)]

    items = LazyDatalist(read, 2, stop=5)
    assert calls == []
    assert len(items) == 3
    assert [item["image"] for item in items] == [2, 3, 4]
    assert items[1:] == [{"image": 3}, {"image": 4}]
    assert calls == [2]


def test_without_data_a_shuffled_loader_is_built_and_the_first_batch_says_why() -> None:
    def read() -> list[dict[str, int]]:
        raise ValueError("no data set in the folder")

    loader = DataLoader(CacheDataset(LazyDatalist(read), lambda x: x, runtime_cache=True), shuffle=True)
    assert len(loader) == 1
    with pytest.raises(ValueError, match="no data set in the folder"):
        next(iter(loader))
