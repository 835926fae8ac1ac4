"""A model behind an OpenAI-compatible address: chat completions with retries, a cache on disk, and limits.

What comes back is untrusted text: its size is limited, it is never evaluated, and bytes that no UTF-8 file can hold are
replaced. The key is read from an environment variable when it is needed; it is in no cache, message or representation,
and redirects are refused, for they would carry it to another host. Images and questions leave the machine: what may
not leave it must not be asked here.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from medvlm.files import write_whole
from medvlm.study import MedvlmError

Message = Mapping[str, Any]
"""``{"role": ..., "content": ...}`` as the protocol has it."""

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
MOST_BYTES = 16 * 2**20
LONGEST_WAIT = 60.0


class EndpointError(MedvlmError, RuntimeError):
    """An endpoint cannot be reached, refuses, or does not speak the protocol."""


@dataclass(frozen=True, slots=True)
class Said:
    """One completion of an endpoint.

    Attributes:
        text: What it wrote, cut at the limit.
        finished: Whether it ended by itself.
    """

    text: str
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an address.

    Attributes:
        url: Up to and with the version, ``http://localhost:8000/v1``.
        model: Name under which it serves the model.
        key: Name of the environment variable that holds the key; nothing is sent where it is not set.
        cache: Folder of answers; None asks every time.
        timeout: Seconds until an attempt is given up.
        tries: Attempts at a request.
        backoff: Seconds before the second attempt; doubled before each further one.
        most_chars: Longest text that is kept of a completion.
        sleep: Waits; tests replace it.
    """

    url: str
    model: str
    key: str = "OPENAI_API_KEY"
    cache: Path | None = None
    timeout: float = 120.0
    tries: int = 5
    backoff: float = 1.0
    most_chars: int = 32_768
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"endpoint {self.url!r}: expected an address like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError(f"endpoint at {parts.hostname}: the key belongs into the variable {self.key}, not the URL")
        if not self.model or self.tries < 1:
            raise ValueError(f"endpoint model={self.model!r} tries={self.tries}: expected a name, and 1 try or more")

    def chat(
        self,
        messages: Sequence[Message],
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int | None = None,
    ) -> list[Said]:
        """Complete a conversation ``n`` times; each completion is a request of its own, cached by its number.

        Args:
            messages: The conversation.
            n: Completions; not every server knows the parameter of that name.
            temperature: 0 is greedy; then all completions are likely equal.
            max_tokens: Where the server cuts.
            seed: Of the first completion; the others count on. Without it the server draws.

        Raises:
            EndpointError: If it cannot be reached in all attempts, refuses, or answers outside the protocol.
        """
        body = {
            "model": self.model,
            "messages": [dict(message) for message in messages],
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
        seeds = [{} if seed is None else {"seed": seed + index} for index in range(n)]
        return [self._cached(body | extra, index) for index, extra in enumerate(seeds)]

    def chats(
        self, conversations: Sequence[Sequence[Message]], *, workers: int = 8, **options: Any
    ) -> list[list[Said]]:
        """`chat` for several conversations, some at a time.

        Args:
            conversations: Conversations.
            workers: Requests under way at once.
            **options: See `chat`.

        Raises:
            EndpointError: See `chat`; what was answered before is in the cache.
        """
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda messages: self.chat(messages, **options), conversations))

    def _cached(self, body: Mapping[str, Any], index: int) -> Said:
        """A completion from the cache, or asked for and put there."""
        if self.cache is None:
            return self._ask(body)
        name = hashlib.sha256(json.dumps([self.url, body, index], sort_keys=True).encode()).hexdigest()
        path = self.cache / name[:2] / f"{name}.json"
        found = _read(path)
        if found is None:
            found = self._ask(body)
            write_whole(path, json.dumps({"text": found.text, "finished": found.finished}), sync=False)
        return found

    def _ask(self, body: Mapping[str, Any]) -> Said:
        """Post a request until it is answered."""
        data, problem = json.dumps(body).encode(), ""
        for attempt in range(self.tries):
            try:
                return self._said(self._post(data))
            except urllib.error.HTTPError as error:
                with error:
                    problem = self._hidden(f"HTTP {error.code} {_line(error.read(2000))}")
                    asked = error.headers.get("Retry-After")
                if error.code not in RETRIED:
                    raise EndpointError(f"{self.url} refused a request for {self.model!r}: {problem}") from None
            except (OSError, HTTPException) as error:
                problem, asked = self._hidden(str(error) or type(error).__name__), None
            if attempt + 1 < self.tries:
                self.sleep(_wait(attempt, self.backoff, asked))
        raise EndpointError(f"{self.url} gave no answer in {self.tries} attempts, the last said: {problem}")

    def _post(self, data: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "User-Agent": "medvlm"}
        if key := os.environ.get(self.key):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url.rstrip('/')}/chat/completions", data, headers)
        opener = urllib.request.build_opener(_NoRedirect)
        answer: HTTPResponse
        with opener.open(request, timeout=self.timeout) as answer:
            found = answer.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise EndpointError(f"{self.url} sent more than {MOST_BYTES >> 20} MiB for one completion")
        return found

    def _said(self, data: bytes) -> Said:
        """The first choice of an answer."""
        try:
            choice = json.loads(data)["choices"][0]
            text, reason = choice["message"]["content"], choice.get("finish_reason")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise EndpointError(f"{self.url} sent no chat completion: {self._hidden(_line(data[:200]))}") from None
        if not isinstance(text, str | None):
            raise EndpointError(f"{self.url} sent content of type {type(text).__name__}, expected text")
        text = _clean(text or "")
        return Said(text[: self.most_chars], reason != "length" and len(text) <= self.most_chars)

    def _hidden(self, text: str) -> str:
        """A text without the key, should a server quote it."""
        key = os.environ.get(self.key)
        return text.replace(key, "...") if key else text


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be an error."""

    def redirect_request(self, *unused: Any) -> None:
        """Follow none."""


def user_message(text: str, images: Sequence[str] = ()) -> dict[str, Any]:
    """A user's message.

    Args:
        text: Its words.
        images: Data URIs (``data:image/png;base64,...``) shown before them.
    """
    if not images:
        return {"role": "user", "content": text}
    shown = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def _wait(attempt: int, backoff: float, asked: str | None) -> float:
    """Seconds before the next attempt: as the server asks, else doubled each time, with up to a quarter more."""
    if asked and asked.isdecimal():
        return min(float(asked), LONGEST_WAIT)
    doubled: float = backoff * 2**attempt
    return min(doubled, LONGEST_WAIT) * (1 + random.random() / 4)


def _clean(text: str) -> str:
    """A text that any UTF-8 file can hold: lone surrogates and NUL are replaced."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _line(data: bytes) -> str:
    """The beginning of what a server sent, on one line."""
    return " ".join(data.decode("utf-8", "replace").split())[:300]


def _read(path: Path) -> Said | None:
    """A cached completion; None where there is none, or a damaged one, which is asked for again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Said(str(found["text"]), bool(found["finished"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
