"""Downloads can begin with what is installed, and say once why they fail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import minari
import pytest
from minari.storage.remotes import get_cloud_storage

from ttf.errors import DataError
from ttf.testing.quiet import Quiet
from ttf_plugins.minari import MinariConfig

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_download_needs_is_installed() -> None:
    assert type(get_cloud_storage()).__name__ == "HuggingFaceStorage"


def test_a_download_without_a_network_is_refused_in_one_line_and_its_retries_are_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("huggingface_hub.utils._http")

    def unreachable(_: str) -> None:
        logger.warning("Retrying in 1s [Retry 1/5].")
        message = "[Errno -2] Name or service not known"
        raise OSError(message) from OSError()

    (tmp_path / "store").mkdir()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "store"))
    monkeypatch.setattr(minari, "download_dataset", unreachable)
    with pytest.raises(DataError) as refusal:
        MinariConfig(dataset="D4RL/antmaze/umaze-v1", download=True).build(seed=0, progress=Quiet())
    expected = "Minari data set 'D4RL/antmaze/umaze-v1' cannot be downloaded: [Errno -2] Name or service not known"
    assert str(refusal.value) == expected
    assert caplog.messages == []
    logger.warning("of anything else")
    assert caplog.messages == ["of anything else"]
