"""A vLLM server that samples: its own environment, spoken to over HTTP, its weights kept those of the trainer.

The requests are those of ``vllm serve`` as TRL 1.16 speaks them: ``/health``, ``/v1/models``, ``/server_info``,
``/v1/chat/completions/render`` (images become features, once for all questions and samples) and
``/inference/v1/generate`` (tokens in, tokens and their log-probabilities out). An update is
``/start_weight_update``, ``/update_weights``, ``/finish_weight_update`` and ``/reset_prefix_cache``.

What differs: weights travel as safetensors in the body of ``/update_weights``, in chunks. vLLM itself receives them by
NCCL, which needs CUDA and its package on both sides; a server that does (``weight_transfer_config.backend`` is not
``http``) is refused before the first rollout, so that no run learns from answers of an old policy without knowing it.
"""

from __future__ import annotations

import base64
import json
import math
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from io import BytesIO
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from medvlm.generation.sampling import Completion
from medvlm.study import MedvlmError

CHUNK = 1 << 28
"""Bytes of weights that travel together."""
START = "VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --logprobs-mode processed_logprobs --enable-scale-out"
RETRIED = (500, 502, 503)


class RemoteError(MedvlmError, RuntimeError):
    """A server that samples cannot be reached, refuses, or answers something else than it was asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How answers are sampled.

    Attributes:
        n: Answers to a prompt.
        max_new_tokens: Where an answer is cut.
        temperature: 0 takes the likeliest token.
        stop: Tokens that end an answer.
        banned: Tokens that are never drawn (image placeholders, padding).
    """

    n: int
    max_new_tokens: int
    temperature: float
    stop: Collection[int]
    banned: Sequence[int] = ()

    def parameters(self, seed: int) -> dict[str, Any]:
        """The request's ``sampling_params``: the whole distribution, as a policy gradient needs it."""
        return {
            "n": self.n,
            "max_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "logprobs": 0,  # of the sampled token alone
            "seed": seed,
            "stop_token_ids": sorted(self.stop),
            "logit_bias": {str(token): -100.0 for token in self.banned},
            "output_kind": 2,  # all n answers at the end
        }


@dataclass(slots=True)
class Server:
    """A vLLM server.

    Attributes:
        url: ``http://host:port``.
        timeout: Seconds until a request is given up.
        tries: Attempts at a request that meets no server, or a passing trouble.
        backoff: Seconds before the second attempt, doubled before each further one.
        together: Requests at one time.
    """

    url: str
    timeout: float = 240.0
    tries: int = 4
    backoff: float = 1.0
    together: int = 32
    _model: str = field(default="", init=False)

    def check(self) -> None:
        """See that the server is there, gives the log-probabilities that are learned from, and takes weights.

        Raises:
            RemoteError: If not; the message says how to start it.
        """
        self._call("/health", None)
        self._model = str(self._pick(self._call("/v1/models", None), "data", 0, "id"))
        info = self._pick(self._call("/server_info?config_format=json", None), "vllm_config")
        mode = self._pick(info, "model_config", "logprobs_mode")
        if mode != "processed_logprobs":
            raise RemoteError(
                f"{self.url} gives {mode} where log-probabilities at the sampling temperature are needed: {START}"
            )
        backend = (info.get("weight_transfer_config") or {}).get("backend")
        if backend != "http":
            raise RemoteError(
                f"{self.url} takes weights by {backend or 'no way'}, expected http (safetensors): a server with NCCL "
                "transfer alone cannot follow this trainer; leave `rollouts` out to sample here."
            )

    def features(self, images: Sequence[Tensor]) -> dict[str, Any]:
        """What the server makes of the images of a prompt, to be sent with each prompt that shows them.

        Args:
            images: Planes ``(3, H, W)`` in [0, 1], in the order of their placeholders.

        Raises:
            RemoteError: If the server cannot be reached, or refuses.
        """
        parts = [{"type": "image_url", "image_url": {"url": _picture(image)}} for image in images]
        body = {"model": self._model, "messages": [{"role": "user", "content": parts}], "max_tokens": 1}
        found: dict[str, Any] = self._pick(self._call("/v1/chat/completions/render", body), "features")
        return found

    def generate(
        self, prompts: Sequence[Sequence[int]], features: Sequence[Any], wanted: Wanted, seeds: Sequence[int]
    ) -> list[list[Completion]]:
        """Answers to each prompt, ``wanted.n`` each.

        Args:
            prompts: Tokens, image placeholders expanded.
            features: What `features` gave, with its placeholders where those of the prompt are; None without images.
            wanted: How they are sampled.
            seeds: Of each prompt.

        Raises:
            RemoteError: If the server cannot be reached, refuses, or an answer has not what was asked for.
        """

        def ask(place: int) -> list[Completion]:
            body = {
                "request_id": uuid.uuid4().hex,
                "model": self._model,
                "token_ids": list(prompts[place]),
                "features": features[place],
                "sampling_params": wanted.parameters(seeds[place]),
            }
            choices = self._pick(self._call("/inference/v1/generate", body), "choices")
            return self._completions(choices, wanted)

        with ThreadPoolExecutor(max_workers=self.together) as pool:
            return list(pool.map(ask, range(len(prompts))))

    def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Let the server go on with these weights.

        Args:
            weights: By name.

        Raises:
            RemoteError: If the server cannot be reached, or refuses.
        """
        self._call("/start_weight_update", {})
        chunk: dict[str, Tensor] = {}
        size = 0
        for name, weight in weights:
            chunk[name] = weight.detach().cpu().contiguous().clone()  # tied ones share memory, which the format refuses
            size += weight.numel() * weight.element_size()
            if size >= CHUNK:
                self._call("/update_weights", save(chunk))
                chunk, size = {}, 0
        if chunk:
            self._call("/update_weights", save(chunk))
        self._call("/finish_weight_update", {})
        self._call("/reset_prefix_cache", {})

    def _completions(self, choices: Any, wanted: Wanted) -> list[Completion]:
        """Choices of one prompt in order, once they are what was asked for."""
        if not isinstance(choices, list) or len(choices) != wanted.n:
            count = len(choices) if isinstance(choices, list) else repr(choices)[:80]
            raise RemoteError(f"{self.url} gave {count} answers to a prompt, expected {wanted.n}.")
        ordered = sorted(choices, key=lambda choice: int(self._pick(choice, "index")))
        return [self._completion(choice, wanted.max_new_tokens) for choice in ordered]

    def _completion(self, choice: Any, longest: int) -> Completion:
        tokens = self._pick(choice, "token_ids")
        logps = [self._pick(entry, "logprob") for entry in self._pick(choice, "logprobs", "content")]
        if not 0 < len(tokens) <= longest:
            raise RemoteError(f"{self.url} gave an answer of {len(tokens)} tokens, expected 1 to {longest}.")
        if len(logps) != len(tokens):
            raise RemoteError(f"{self.url} gave {len(logps)} log-probabilities for {len(tokens)} tokens.")
        if not all(isinstance(logp, int | float) and math.isfinite(logp) and logp <= 1e-3 for logp in logps):
            raise RemoteError(f"{self.url} gave log-probabilities that are none: {logps[:8]}.")
        return Completion(tuple(map(int, tokens)), tuple(map(float, logps)), choice.get("finish_reason") == "stop")

    def _pick(self, found: Any, *path: str | int) -> Any:
        """What stands at a place of an answer."""
        for key in path:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                raise RemoteError(f"{self.url} gave no {key!r} in {repr(found)[:120]}; {START}") from None
        return found

    def _call(self, path: str, body: Mapping[str, Any] | bytes | None) -> Any:
        """An answer of the server, asked again where the trouble may pass."""
        for attempt in range(self.tries):
            try:
                return self._once(path, body)
            except urllib.error.HTTPError as error:
                if error.code not in RETRIED or attempt == self.tries - 1:
                    said = error.read(200).decode(errors="replace")
                    raise RemoteError(f"{self.url}{path} refused ({error.code}): {said}. {START}") from None
            except TimeoutError:
                raise RemoteError(
                    f"{self.url}{path} gave no answer within {self.timeout:g} s; raise rollouts.timeout, or look at "
                    "the server. Nothing is lost: the run goes on from its last checkpoint."
                ) from None
            except (OSError, HTTPException) as error:
                if attempt == self.tries - 1:
                    raise RemoteError(
                        f"{self.url} cannot be reached ({error}); start it ({START}), then run the same command again: "
                        "it goes on from its last checkpoint."
                    ) from None
            time.sleep(self.backoff * 2**attempt)
        raise RemoteError(f"{self.url}: rollouts.tries={self.tries}, expected at least 1.")

    def _once(self, path: str, body: Mapping[str, Any] | bytes | None) -> Any:
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                said = response.read()
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            raise (error.reason if isinstance(error.reason, OSError) else error) from None
        try:
            return json.loads(said) if said.strip() else {}
        except ValueError:
            raise RemoteError(f"{self.url}{path} answered with something else than JSON: {said[:80]!r}.") from None


def _picture(image: Tensor) -> str:
    """A plane as the data address of a PNG."""
    from PIL import Image

    array = (image * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
