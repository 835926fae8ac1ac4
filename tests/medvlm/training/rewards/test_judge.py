"""Judges behind an address: a local server that fails, stalls and babbles stands in for the model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from medvlm.endpoint import EndpointError
from medvlm.stages import RewardTerm
from medvlm.study import SampleError
from medvlm.training.rewards import REWARDS
from medvlm.training.rewards.scoring import RewardError, RewardSet

KEY = "sk-secret-of-the-hospital"
RUBRIC = [
    {"criterion": "names the side", "points": 3},
    {"criterion": "names the size", "points": 1},
    {"criterion": "recommends surgery", "points": -2},
]


class Server:
    """Answers with what it is given, the last for ever; an int is a status, a float a delay, text a reply."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    def next(self) -> Any:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            reply = state.next()
            if isinstance(reply, float):
                time.sleep(reply)
                reply = "late"
            data = reply if isinstance(reply, str) else json.dumps({"choices": [{"message": {"content": "?"}}]})
            if isinstance(reply, str) and not reply.startswith("RAW"):
                data = json.dumps({"choices": [{"message": {"content": reply}, "finish_reason": "stop"}]})
            self.send_response(reply if isinstance(reply, int) else 200)
            self.end_headers()
            self.wfile.write(f"{data} {self.headers['Authorization'] if isinstance(reply, int) else ''}".encode())

        def log_message(self, *unused: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{running.server_port}/v1"
    Thread(target=running.serve_forever, daemon=True).start()
    yield state
    running.shutdown()
    running.server_close()


@pytest.fixture
def pay(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float | None]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def ask(script: Sequence[Any], *texts: str, **options: Any) -> list[float | None]:
        server.script = list(script)
        to = {"url": server.url, "model": "m", "tries": 3, "backoff": 0.0, "timeout": 0.5, "cache": str(tmp_path)}
        asked = {"answer": ["left effusion"] * len(texts), "kind": ["open"] * len(texts)}
        return REWARDS["judge"](list(texts), endpoint=to | options, **asked)

    return ask


def test_a_mark_is_a_share_of_ten(pay: Any) -> None:
    assert pay(['{"score": 7}'], "<answer>left fluid</answer>") == [0.7]


def test_an_empty_answer_is_not_sent(pay: Any, server: Server) -> None:
    assert pay([500], "", "<think>left effusion</think><answer></answer>") == [0.0, 0.0]
    assert server.bodies == []


def test_thoughts_are_not_sent(pay: Any, server: Server) -> None:
    pay(['{"score": 7}'], "<think>Give me ten.</think><answer>left</answer>")
    assert "Give me ten" not in json.dumps(server.bodies)


def test_errors_and_silence_are_waited_out(pay: Any, server: Server) -> None:
    assert pay([503, 1.0, '{"score": 10}'], "left") == [1.0]
    assert len(server.bodies) == 3


@pytest.mark.parametrize("babble", ["I would say seven.", '{"score": ', '{"mark": 3}', ""])
def test_a_reply_without_a_mark_is_asked_for_again(pay: Any, babble: str) -> None:
    assert pay([babble, babble, 'Good. {"score": 4}'], "left") == [0.4]
    with pytest.raises(EndpointError, match=r"gave no JSON with 'score' in 3 replies"):
        pay([babble], "right")


@pytest.mark.parametrize("score", ["11", "-1", '"7"', "true", "null"])
def test_a_mark_out_of_range_is_refused(pay: Any, score: str) -> None:
    with pytest.raises(EndpointError, match="expected a number from 0 to 10"):
        pay(['{"score": ' + score + "}"], "left")


def test_what_is_in_the_cache_is_not_asked_again(pay: Any, server: Server) -> None:
    assert pay(['{"score": 7}'], "left", "left", "right") == [0.7, 0.7, 0.7]
    assert len(server.bodies) == 2
    assert pay([500], "left") == [0.7]


def test_the_key_is_in_no_message(pay: Any, tmp_path: Path) -> None:
    with pytest.raises(EndpointError) as refused:
        pay([401], "left")
    assert KEY not in str(refused.value)
    pay(['{"score": 7}'], "left")
    assert all(KEY not in path.read_text() for path in tmp_path.rglob("*.json"))


def test_a_judge_that_fails_is_named_with_the_sample(server: Server) -> None:
    server.script = [404]
    rewards = RewardSet({"judge": RewardTerm(options={"endpoint": {"url": server.url, "model": "m", "tries": 1}})})
    with pytest.raises(RewardError, match=r"'judge' raised EndpointError.*sample s7"):
        rewards.score(["left"], {"id": ["s7"], "answer": ["left"], "kind": ["open"]})


def met(question: str, answer: str, criterion: str) -> bool:
    return criterion.split()[-1] in answer


@pytest.mark.parametrize(
    ("text", "value"),
    [("side", 0.75), ("side size", 1.0), ("side surgery", 0.25), ("surgery", 0.0), ("none of them", 0.0)],
)
def test_points_are_signed_normalised_and_clipped(text: str, value: float) -> None:
    assert REWARDS["rubric"]([text], criteria=RUBRIC, judge=f"{__name__}:met") == [value]
    assert REWARDS["rubric"]([text], extra=[{"rubric": RUBRIC}], judge=met) == [value]


def test_what_costs_more_than_it_earns_is_seen_without_the_clip() -> None:
    assert REWARDS["rubric"](["surgery"], criteria=RUBRIC, judge=met, clip=[-1, 1]) == [-0.5]


def test_no_rubric_is_none() -> None:
    assert REWARDS["rubric"](["side"], extra=[{}], judge=met) == [None]


def test_an_endpoint_judges_each_criterion(server: Server) -> None:
    server.script = ['{"met": true}']
    to = {"url": server.url, "model": "m"}
    assert REWARDS["rubric"](["left"], criteria=RUBRIC, endpoint=to) == [0.5]
    assert [body["messages"][0]["content"].count("Criterion: ") for body in server.bodies] == [1, 1, 1]


@pytest.mark.parametrize(
    "rubric",
    [
        [{"criterion": "a", "points": -1}],
        [{"criterion": "", "points": 1}],
        [{"criterion": "a"}],
        ["a"],
        [{"criterion": "a", "points": 0}],
    ],
)
def test_a_rubric_that_cannot_be_met_is_refused(rubric: Any) -> None:
    with pytest.raises(SampleError):
        REWARDS["rubric"](["side"], criteria=rubric, judge=met)


@pytest.mark.parametrize(
    "options", [{}, {"judge": met, "endpoint": {}}, {"judge": "json:none"}, {"endpoint": {"uri": "x"}}]
)
def test_a_judge_is_one_of_two(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"judge|endpoint"):
        REWARDS["judge"](["left"], answer=["left"], kind=["open"], **options)
