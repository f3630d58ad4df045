"""What recap.yaml may say about a captioner that is served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from recap_assets.experiment.config import Config
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.load import load_config

GUIDE = Path(__file__).parents[2] / "docs" / "endpoints.md"
PASTED = "gsk_9aB7cD5eF3"


def load(folder: Path, captioner: dict[str, Any] | None = None, **endpoint: Any) -> Config:
    served = {"url": "http://127.0.0.1:8000/v1", **endpoint}
    settings = {
        "dataset": {"urls": "*.tar"},
        "captioners": {"big": {"model": "served/model", "endpoint": served, **(captioner or {})}},
    }
    (folder / "recap.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return load_config(folder / "recap.yaml")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1/",
        "http://[::1]:8000/v1",
        "https://host.example/openai/v1",
    ],
)
def test_these_may_have_a_key(tmp_path: Path, url: str) -> None:
    loaded = load(tmp_path, url=url, key="OPENAI_API_KEY")
    assert loaded.captioners["big"].endpoint is not None
    assert loaded.captioners["big"].endpoint.url == url


def test_an_address_without_a_key_may_be_plain(tmp_path: Path) -> None:
    load(tmp_path, url="http://10.0.0.7:8000/v1")


def test_what_means_something_to_a_server_may_be_set(tmp_path: Path) -> None:
    captioner = {"revision": "2", "system": "Be brief.", "view": "square", "max_pixels": 9}
    load(tmp_path, {**captioner, "batch": 8, "reranker": "clip"})


@pytest.mark.parametrize(
    ("captioner", "told"),
    [
        ({"tune": {"steps": 3}}, "captioners.big.tune: means nothing with an endpoint; null it"),
        ({"compile": True}, "captioners.big.compile: "),
        ({"decoders": 0}, "captioners.big.decoders: "),
        ({"precision": "bfloat16"}, "captioners.big.precision: "),
        ({"trust_remote_code": True}, "captioners.big.trust_remote_code: "),
    ],
)
def test_what_is_of_loaded_models_is_refused(
    tmp_path: Path, captioner: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError) as raised:
        load(tmp_path, captioner)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("127.0.0.1:8000", "is no http or https address"),
        ("ftp://host/v1", "is no http or https address"),
        ("file:///etc/passwd", "is no http or https address"),
        ("http://", "is no http or https address"),
        ("http://host:99999/v1", "is no http or https address"),
        ("http://ho st/v1\n", "is no http or https address"),
        ("http://[::1/v1", "is no http or https address"),
        (f"https://user:{PASTED}@host/v1", "holds more than host and path"),
        (f"https://{PASTED}@host/v1", "holds more than host and path"),
        (f"https://host/v1?key={PASTED}", "holds more than host and path"),
        (f"https://host/v1#{PASTED}", "holds more than host and path"),
        ("http://127.0.0.1:8000/v1/chat/completions", "goes too far; end it at the version"),
        ("http://host/v1", "would send the key unencrypted to host; use https"),
        ("http://127.0.0.1.example.com/v1", "would send the key unencrypted"),
        ("http://localhost.example.com/v1", "would send the key unencrypted"),
        ("http://10.0.0.7/v1", "would send the key unencrypted"),
    ],
)
def test_a_wrong_address_is_told_without_what_may_be_secret(
    tmp_path: Path, url: str, told: str
) -> None:
    with pytest.raises(UserError) as raised:
        load(tmp_path, url=url, key="KEY")
    assert f"captioners.big.endpoint.url: {told}" in str(raised.value)
    assert PASTED not in str(raised.value)


@pytest.mark.parametrize("key", [PASTED, "sk-abc", "my_key", "${KEY}", "7UP"])
def test_a_key_in_place_of_its_variable_is_not_repeated(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match="is no name of an environment variable") as raised:
        load(tmp_path, key=key)
    assert key not in str(raised.value)


def test_the_settings_of_the_guide_load(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "recap.yaml").write_text(f'dataset: {{urls: "*.tar"}}\n{text}', encoding="utf-8")
    loaded = load_config(tmp_path / "recap.yaml")
    assert loaded.captioners["big"].endpoint is not None
    assert not loaded.styles["short"].picture
