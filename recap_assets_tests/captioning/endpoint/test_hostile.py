"""Servers that fail, lie, hang and die: retried in bounds, then a row with the reason."""

from __future__ import annotations

import gzip
import json
import time
from http.server import BaseHTTPRequestHandler

import pytest

from recap_assets.captioning.endpoint.batches import batches
from recap_assets.captioning.endpoint.pace import Pace
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.endpoint.asking import Pictures, answers, ask, question, settings
from recap_assets_tests.captioning.endpoint.hostile import (
    Behaviour,
    Call,
    Hostile,
    completion,
    hang_up,
)

GOOD = Generated("a wall", True, 3)


def once(bad: Behaviour) -> Behaviour:
    """Answers well, but badly at the first attempt of each prompt."""
    return lambda call: call.answer() if call.attempt else bad(call)


def status(code: int, body: bytes = b"", **headers: str) -> Behaviour:
    return lambda call: call.send(code, body, **headers)


def changed(**changes: object) -> Behaviour:
    return lambda call: call.answer("a wall", **changes)


def said(content: object) -> Behaviour:
    return lambda call: call.answer(content)


def raw(body: bytes, **headers: str) -> Behaviour:
    return lambda call: call.send(200, body, **headers)


def cut(call: Call) -> None:
    call.begin(200, Content_Length="500")
    call.write(b'{"id": "chatcmpl-1", "choices"')
    call.hang_up()


def hung_up(call: Call) -> None:
    call.hang_up()


def endless(call: Call) -> None:
    call.begin(200, Content_Type="application/json")
    while True:
        call.write(b" " * (1 << 16))


FAILURES: dict[str, tuple[Behaviour, str]] = {
    "500": (status(500, b'{"error": {"message": "out of\\nmemory"}}'), "HTTP 500: out of memory"),
    "503": (status(503, b"<html>busy</html>"), "HTTP 503: <html>busy</html>"),
    "429": (status(429, b'{"detail": "slow down"}', Retry_After="0"), "HTTP 429: slow down"),
    "408": (status(408), "HTTP 408"),
    "reset": (hung_up, ""),
    "cut": (cut, ""),
}
NONSENSE: dict[str, tuple[Behaviour, str]] = {
    "no JSON": (raw(b"{'a': 1"), "no chat completion came back"),
    "nothing": (raw(b""), "no chat completion came back"),
    "204": (status(204), "no chat completion came back"),
    "HTML": (raw(b"<html>", Content_Type="text/html"), "no chat completion came back"),
    "packed": (
        raw(gzip.compress(json.dumps(completion()).encode()), Content_Encoding="gzip"),
        "no chat completion came back",
    ),
    "deep": (raw(b"[" * 200_000), "no chat completion came back"),
    "a list": (raw(b"[]"), "no chat completion came back"),
    "no choices": (raw(b'{"id": "1"}'), "no chat completion came back (choices: Field required)"),
    "empty choices": (changed(choices=[]), "no chat completion came back (choices"),
    "no message": (changed(choices=[{"index": 0}]), "no chat completion came back (choices.0.mess"),
    "null": (said(None), "the caption is no text but NoneType"),
    "parts": (said([{"type": "text", "text": "a wall"}]), "the caption is no text but list"),
    "empty": (said(" \n "), "the caption is empty"),
    "another model": (changed(model="other"), "the answer is of another model, 'other'"),
    "too long": (said("a" * 5000), "5000 characters came back where 8 tokens were the limit"),
    "too many": (
        changed(usage={"completion_tokens": 900}),
        "900 tokens came back where 8 were the limit",
    ),
    "no end": (endless, "bytes came back"),
    "tools": (changed(finish_reason="tool_calls"), "the caption ended with 'tool_calls'"),
    "aborted": (changed(finish_reason=None), "the caption ended with None"),
}


@pytest.mark.parametrize("name", [*FAILURES, *NONSENSE])
def test_what_fails_once_is_asked_again(name: str) -> None:
    bad, _ = {**FAILURES, **NONSENSE}[name]
    with Hostile(once(bad)) as server:
        assert answers(server.url, 3) == [GOOD] * 3
    assert len(server.calls) == 6


@pytest.mark.parametrize(
    ("name", "requests"), [*((n, 5) for n in FAILURES), *((n, 3) for n in NONSENSE)]
)
def test_what_always_fails_becomes_a_row_with_the_reason(name: str, requests: int) -> None:
    bad, reason = {**FAILURES, **NONSENSE}[name]

    def behave(call: Call) -> None:
        call.answer() if call.prompt == "short 0" else bad(call)

    with Hostile(behave) as server:
        good, failed = answers(server.url, 2, endpoint_retries=4)
    assert good == GOOD
    assert failed[:3] == ("", False, 0)
    assert failed.error is not None
    assert reason in failed.error
    assert failed.error.endswith(f"(asked {requests} times)")
    assert len(server.calls) == 1 + requests


def test_a_server_that_sends_nothing_for_one_picture_fails_that_one() -> None:
    def behave(call: Call) -> None:
        server.stop.wait() if call.prompt == "short 1" else call.answer()

    with Hostile(behave) as server:
        made = answers(server.url, 4, endpoint_timeout=1.0)
    assert [one.error is None for one in made] == [True, False, True, True]
    assert made[1].error == "no whole answer within 1 s (asked 3 times)"
    assert (len(server.calls), server.probes) == (6, ["/v1/models"])


def test_a_body_that_drips_is_cut_off_by_the_same_time() -> None:
    def behave(call: Call) -> None:
        call.begin(200, Content_Length="100000")
        while not server.stop.wait(0.01):
            call.write(b" ")

    with Hostile(behave) as server:
        began = time.monotonic()
        (made,) = answers(server.url, 1, endpoint_timeout=0.3, endpoint_retries=1)
        assert time.monotonic() - began < 10
    assert made.error == "no whole answer within 0.3 s (asked 2 times)"


def test_retry_after_is_waited_for() -> None:
    times: list[float] = []

    def behave(call: Call) -> None:
        times.append(time.monotonic())
        call.answer() if call.attempt else call.send(429, b"", Retry_After="0.5")

    with Hostile(behave) as server:
        pace = Pace(first=0.001, most=5.0)
        ((_, made),) = batches(settings(server.url), Pictures(1), 1, [question(1)], pace=pace)
    assert made["short"] == [GOOD]
    assert times[1] - times[0] >= 0.5


@pytest.mark.parametrize("code", [400, 413, 415, 422])
def test_a_request_that_is_rejected_is_not_made_again(code: int) -> None:
    body = json.dumps({"error": {"message": "the picture is too large", "code": code}}).encode()

    def behave(call: Call) -> None:
        call.send(code, body) if call.prompt == "short 1" else call.answer()

    with Hostile(behave) as server:
        made = answers(server.url, 4)
    assert (
        made
        == [GOOD, Generated("", False, 0, f"HTTP {code}: the picture is too large")] + [GOOD] * 2
    )
    assert len(server.calls) == 4


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (401, "refuses the key (HTTP 401: no); name the environment variable"),
        (403, "refuses the key (HTTP 403: no)"),
        (404, "has no model 'served/model' or no chat completions (HTTP 404: no); correct `model`"),
    ],
)
def test_a_wrong_key_or_model_stops(code: int, told: str) -> None:
    behave = status(code, b'{"error": "no"}')
    with Hostile(behave) as server, pytest.raises(UserError) as raised:
        answers(server.url, 100, endpoint_concurrency=2)
    message = str(raised.value)
    assert told in message
    assert server.url in message
    assert "\n" not in message
    assert len(server.calls) <= 2


def test_a_filtered_or_refused_caption_is_a_row_at_once() -> None:
    def behave(call: Call) -> None:
        if call.prompt == "short 0":
            call.answer(None, finish_reason="content_filter")
        else:
            message = {"content": None, "refusal": "I cannot\ndo that"}
            call.answer(choices=[{"message": message, "finish_reason": "stop"}])

    with Hostile(behave) as server:
        made = answers(server.url, 2)
    assert [one.error for one in made] == [
        "the server's content filter withheld the caption",
        "refused: I cannot do that",
    ]
    assert [one.text for one in made] == ["", ""]
    assert len(server.calls) == 2


def test_filtered_captions_never_stop_a_shard() -> None:
    with Hostile(lambda call: call.answer(None, finish_reason="content_filter")) as server:
        assert len(answers(server.url, 40)) == 40


def test_length_is_a_caption_that_did_not_finish() -> None:
    with Hostile(changed(finish_reason="length", usage=None)) as server:
        assert answers(server.url, 1) == [Generated("a wall", False, 0)]


@pytest.mark.parametrize(
    "name", [None, "", "served/model", "served/model@main", "served/model-2024-08-06"]
)
def test_a_model_may_be_unnamed_or_named_with_its_version(name: str | None) -> None:
    with Hostile(changed(model=name)) as server:
        assert answers(server.url, 1) == [GOOD]


@pytest.mark.parametrize("name", ["served/model-mini", "served", "model", 7])
def test_a_similar_name_is_another_model(name: object) -> None:
    with Hostile(changed(model=name)) as server:
        assert "another model" in (answers(server.url, 1)[0].error or "")


def test_nobody_there_stops_after_all_retries() -> None:
    with Hostile(said("")) as server:
        url = server.url
    with pytest.raises(UserError, match=f"served/model: {url} does not answer .*asked 3 times"):
        answers(url, 100)


def test_a_server_that_only_hangs_stops() -> None:
    def behave(_: Call) -> None:
        server.stop.wait()

    class Silent(Hostile):
        def probe(self, _: object) -> None:
            self.stop.wait()

    told = r"does not answer \(no whole answer within 0.2 s"
    with Silent(behave) as server, pytest.raises(UserError, match=told):
        answers(server.url, 100, endpoint_timeout=0.2, endpoint_retries=1)
    assert len(server.calls) <= 32


def test_a_server_that_dies_midway_leaves_the_batches_before() -> None:
    def behave(call: Call) -> None:
        call.answer() if int(call.prompt.split()[1]) < 5 else call.hang_up()

    class Dying(Hostile):
        def probe(self, handler: BaseHTTPRequestHandler) -> None:
            hang_up(handler)

    with Dying(behave) as server:
        done = []
        with pytest.raises(UserError, match="does not answer"):
            for start, made in ask(server.url, 100, endpoint_concurrency=1):
                done.append((start, made["short"]))
    assert done == [(0, [GOOD] * 2), (2, [GOOD] * 2)]


@pytest.mark.parametrize(
    ("bad", "requests"), [(status(500), 16 * 3), (status(400, b"no such option"), 16)]
)
def test_a_server_that_answers_and_never_captions_stops(bad: Behaviour, requests: int) -> None:
    told = "no caption for 16 requests in a row"
    with Hostile(bad) as server, pytest.raises(UserError, match=told):
        answers(server.url, 100, endpoint_concurrency=1)
    assert len(server.calls) == requests


def test_a_server_that_captions_may_reject_any_number() -> None:
    def behave(call: Call) -> None:
        call.answer() if call.prompt == "short 0" else call.send(400, b"too large")

    with Hostile(behave) as server:
        made = answers(server.url, 40, endpoint_concurrency=1)
    assert [one.error for one in made] == [None] + ["HTTP 400: too large"] * 39


def test_an_answer_that_names_another_request_is_not_taken() -> None:
    """A server that mixes up its answers, but does give each its name."""
    names: list[str] = []

    def behave(call: Call) -> None:
        names.append(call.headers["X-Request-Id"])
        other = names[0] if call.prompt == "short 1" and call.attempt < 2 else names[-1]
        call.answer("a wall", id=f"chatcmpl-{other}")

    with Hostile(behave) as server:
        assert answers(server.url, 2, endpoint_concurrency=1) == [GOOD] * 2
    assert len(server.calls) == 4


def test_the_name_of_the_same_request_made_before_is_taken() -> None:
    """A cache in front of the server answers a second attempt with what the first one asked."""
    names: list[str] = []

    def behave(call: Call) -> None:
        names.append(call.headers["X-Request-Id"])
        call.answer("a wall", id=names[0]) if call.attempt else call.send(500, b"")

    with Hostile(behave) as server:
        assert answers(server.url, 1) == [GOOD]
    assert len(server.calls) == 2


def test_retries_may_be_none() -> None:
    with Hostile(status(500)) as server:
        assert answers(server.url, 1, endpoint_retries=0)[0].error == "HTTP 500 (asked 1 times)"
    assert len(server.calls) == 1
