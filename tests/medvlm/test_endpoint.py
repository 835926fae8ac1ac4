"""A client against a local server that speaks the protocol, fails, and lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from medvlm.endpoint import Endpoint, EndpointError, Said, user_message

ASK = [user_message("Is there a nodule?")]


def completion(text: Any, reason: str = "stop") -> tuple[int, bytes, dict[str, str]]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return 200, json.dumps({"choices": [choice]}).encode(), {}


class Stand(ThreadingHTTPServer):
    """Gives the answers of a list in turn, the last one for ever, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes, dict[str, str]]] = [completion("Yes")]
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    server: Stand

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.heads.append(dict(self.headers) | {"path": self.path})
        answers = self.server.answers
        code, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused: Any) -> None:
        """Print nothing."""


@pytest.fixture
def stand() -> Iterator[Stand]:
    with Stand() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def client(stand: Stand, **options: Any) -> Endpoint:
    numbers: dict[str, Any] = {"sleep": lambda seconds: None, "key": "STAND_KEY", "timeout": 5.0} | options
    return Endpoint(f"http://127.0.0.1:{stand.server_port}/v1", "big", **numbers)


def test_a_question_with_an_image_is_sent_as_the_protocol_says(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_KEY", "secret-1")
    said = client(stand).chat([user_message("?", ["data:image/png;base64,AA"])], n=2, seed=5, temperature=0.7)
    assert said == [Said("Yes"), Said("Yes")]
    first, second = stand.bodies
    assert first["messages"][0]["content"][0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    assert (first["model"], first["temperature"], first["seed"], second["seed"]) == ("big", 0.7, 5, 6)
    assert (stand.heads[0]["path"], stand.heads[0]["Authorization"]) == ("/v1/chat/completions", "Bearer secret-1")


def test_what_was_answered_is_not_asked_again(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_KEY", "secret-1")
    asked = client(stand, cache=tmp_path)
    stand.answers = [completion("a"), completion("b"), completion("c")]
    assert asked.chat(ASK, n=2, temperature=1.0) == [Said("a"), Said("b")]  # without a seed too, two are two
    assert asked.chat(ASK, n=3, temperature=1.0) == [Said("a"), Said("b"), Said("c")]
    assert len(stand.bodies) == 3
    files = list(tmp_path.rglob("*.json"))
    assert not any("secret-1" in file.read_text() for file in files)
    files[0].write_text('{"text": ')  # a damaged entry is asked for again
    assert len(asked.chat(ASK, n=3, temperature=1.0)) == 3
    assert len(stand.bodies) == 4


def test_a_busy_server_is_asked_again_as_it_wishes(stand: Stand) -> None:
    waits: list[float] = []
    stand.answers = [(429, b"", {"Retry-After": "7"}), (503, b"", {}), completion("No")]
    assert client(stand, sleep=waits.append, backoff=2.0).chat(ASK) == [Said("No")]
    assert waits[0] == 7
    assert 4 <= waits[1] <= 5  # 2 x 2, and up to a quarter more


def test_one_that_stays_away_is_an_error_that_names_it(stand: Stand) -> None:
    stand.answers = [(500, b"out of memory", {})]
    with pytest.raises(EndpointError, match="no answer in 3 attempts, the last said: HTTP 500 out of memory"):
        client(stand, tries=3).chat(ASK)
    stand.server_close()
    stand.shutdown()
    with pytest.raises(EndpointError, match=r"in 2 attempts, the last said: .*refused"):
        client(stand, tries=2).chat(ASK)


@pytest.mark.parametrize("code", [400, 401, 404, 302])
def test_a_refusal_is_not_repeated_and_shows_no_key(stand: Stand, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_KEY", "secret-1")
    stand.answers = [(code, b"bad key secret-1", {"Location": f"http://127.0.0.1:{stand.server_port}/elsewhere"})]
    asked = client(stand)
    with pytest.raises(EndpointError, match=f"HTTP {code} bad key") as caught:
        asked.chat(ASK)
    assert len(stand.bodies) == 1
    assert "secret-1" not in f"{caught.value} {asked!r}"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": [1]}}]}', b"[" * 100_000]
)
def test_what_is_no_completion_is_said(stand: Stand, body: bytes) -> None:
    stand.answers = [(200, body, {})]
    with pytest.raises(EndpointError, match=r"sent (no chat completion|content of type list)"):
        client(stand).chat(ASK)


def test_text_from_outside_is_limited_and_cleaned(stand: Stand) -> None:
    stand.answers = [completion("x" * 50), completion("cut", "length"), completion("a\ud800b\0"), completion(None)]
    asked = client(stand, most_chars=10)
    assert asked.chat(ASK, n=4) == [Said("x" * 10, False), Said("cut", False), Said("a?b\ufffd"), Said("")]


def test_several_at_once_come_back_in_order(stand: Stand, tmp_path: Path) -> None:
    found = client(stand, cache=tmp_path).chats([[user_message(str(index))] for index in range(5)], workers=3)
    assert found == [[Said("Yes")]] * 5
    assert sorted(body["messages"][0]["content"] for body in stand.bodies) == list("01234")


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "http://user:pw@host/v1", "http://h/v1?key=a"])
def test_addresses_of_another_form_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint") as caught:
        Endpoint(url, "m")
    assert "pw" not in str(caught.value)
