"""The key: from the environment to its server alone, and to nobody's eyes."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator

import pytest

from recap_assets.captioning.endpoint import key
from recap_assets.captioning.endpoint.client import Client
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.endpoint.asking import FAST, answers, settings
from recap_assets_tests.captioning.endpoint.hostile import Behaviour, Call, Hostile

SECRET = "sk-2fQ9x7Lm4Tz8"
NAME = "RECAP_TEST_KEY"


@pytest.fixture(autouse=True)
def _in_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(NAME, SECRET)
    yield


def bearer(call: Call) -> str:
    return str(call.headers["Authorization"])


def test_it_is_sent_as_bearer() -> None:
    with Hostile(lambda call: call.answer()) as server:
        answers(server.url, 2, endpoint_key=NAME)
        answers(server.url, 1)
    assert [bearer(call) for call in server.calls] == [f"Bearer {SECRET}"] * 2 + ["None"]


def repeated(call: Call) -> str:
    """What the server was sent of the key, as it might repeat it."""
    return f"you sent {bearer(call)} and {SECRET}"


def body(call: Call) -> bytes:
    return json.dumps({"error": {"message": repeated(call)}}).encode()


def escaped(call: Call) -> bytes:
    letters = "".join(f"\\u{ord(letter):04x}" for letter in SECRET)
    return b'{"detail": "%b"}' % letters.encode()


ECHOES: dict[str, Behaviour] = {
    "400": lambda call: call.send(400, body(call)),
    "400 escaped": lambda call: call.send(400, escaped(call)),
    "400 at the cut": lambda call: call.send(400, b"x" * 195 + SECRET.encode()),
    "401": lambda call: call.send(401, body(call)),
    "404": lambda call: call.send(404, repeated(call).encode()),
    "500": lambda call: call.send(500, body(call)),
    "307": lambda call: call.send(307, b"", Location=f"http://127.0.0.1:1/{SECRET}"),
    "307 query": lambda call: call.send(307, b"", Location=f"/v1?key={SECRET}"),
    "caption": lambda call: call.answer(repeated(call)),
    "model": lambda call: call.answer("a wall", model=SECRET),
    "finish": lambda call: call.answer("a wall", finish_reason=SECRET),
    "refusal": lambda call: call.answer(choices=[{"message": {"refusal": repeated(call)}}]),
    "header": lambda call: call.send(400, b"", X_Echo=SECRET, Content_Type=SECRET),
    "no JSON": lambda call: call.send(200, repeated(call).encode()),
    "field": lambda call: call.send(200, json.dumps({SECRET: SECRET, "choices": SECRET}).encode()),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_server_that_repeats_it_makes_nobody_show_it(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    with Hostile(ECHOES[name]) as server:
        try:
            rows = answers(server.url, 2, endpoint_key=NAME)
            assert all(row.error for row in rows)
            shown = repr(rows)
        except UserError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error)
        assert len(server.calls) >= 1
    out, err = capfd.readouterr()
    for text in (shown, caplog.text, out, err):
        assert SECRET not in text
        assert SECRET[:8] not in text


def test_no_repr_shows_it() -> None:
    its = settings("https://host/v1", endpoint_key=NAME)
    found = key.read(its)
    client = Client(its, FAST)
    for one in (its, found, client, vars(client), vars(client._connection)):
        assert SECRET not in repr(one)
    assert SECRET not in its.model_dump_json()


def test_it_does_not_follow_to_another_host() -> None:
    with Hostile(lambda call: call.answer()) as other:
        to = f"{other.url}/chat/completions"
        for code in (301, 302, 303, 307, 308):

            def behave(call: Call, code: int = code) -> None:
                call.send(code, b"", Location=to)

            told = pytest.raises(UserError, match=rf"sends requests elsewhere .*to {to}")
            with Hostile(behave) as server, told:
                answers(server.url, 3, endpoint_key=NAME, endpoint_concurrency=1)
            assert len(server.calls) == 1
        assert other.calls == []
        assert other.probes == []


def test_it_does_not_go_to_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Hostile(lambda call: call.answer("of the proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with Hostile(lambda call: call.answer()) as server:
            assert answers(server.url, 1, endpoint_key=NAME) == [Generated("a wall", True, 3)]
    assert proxy.calls == []


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(NAME) if value is None else monkeypatch.setenv(NAME, value)
    told = pytest.raises(UserError, match=f"environment variable {NAME} is not set")
    with Hostile(lambda call: call.answer()) as server, told:
        answers(server.url, 1, endpoint_key=NAME)
    assert server.calls == []


@pytest.mark.parametrize("value", ["sk-a b", "sk-\u00e9", "sk-1\nX-Other: 2"])
def test_what_is_no_key_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(UserError, match=f"{NAME} holds blanks or letters") as raised:
        answers("http://127.0.0.1:1/v1", 1, endpoint_key=NAME)
    assert "sk-" not in str(raised.value)


def test_a_placeholder_may_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "a")
    with Hostile(lambda call: call.answer()) as server:
        assert answers(server.url, 1, endpoint_key=NAME)[0].text == "a wall"
