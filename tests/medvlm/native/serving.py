"""A server on loopback that answers as vLLM does, with a model of ours, and can be told to misbehave."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load
from torch import Tensor

from medvlm.generation.engine import encode_images
from medvlm.generation.sampling import sample
from medvlm.tree import Tree

from .conftest import Native


class StandIn:
    """The endpoints that a trainer speaks to.

    Attributes:
        asked: Paths in the order in which they came.
        change: Changes the answer of a path before it is sent; may raise or wait.
    """

    def __init__(self, native: Native) -> None:
        self.model, self.processor = deepcopy(native.model).eval(), native.processor
        self.images: dict[str, Tensor] = {}
        self.asked: list[str] = []
        self.info: dict[str, Any] = {
            "model_config": {"logprobs_mode": "processed_logprobs"},
            "weight_transfer_config": {"backend": "http"},
        }
        self.change: dict[str, Callable[[Any], Any]] = {}
        self.lock = threading.Lock()

    def answer(self, path: str, body: bytes) -> Any:
        path = path.partition("?")[0]
        with self.lock:
            self.asked.append(path)
            found = self._answer(path, body)
        return self.change.get(path, lambda same: same)(found)

    def _answer(self, path: str, body: bytes) -> Any:
        if path == "/v1/models":
            return {"data": [{"id": "tiny"}]}
        if path == "/server_info":
            return {"vllm_config": self.info}
        if path == "/v1/chat/completions/render":
            return {"features": self._features(json.loads(body))}
        if path == "/inference/v1/generate":
            return {"choices": self._choices(json.loads(body))}
        if path == "/update_weights":
            self.model.load_state_dict(load(body), strict=False)
        return {}

    def _features(self, body: dict[str, Any]) -> dict[str, Any]:
        names = []
        for part in body["messages"][0]["content"]:
            data = part["image_url"]["url"].removeprefix("data:image/png;base64,")
            pixels = np.array(Image.open(BytesIO(base64.b64decode(data))))
            names.append(f"image-{len(self.images)}")
            self.images[names[-1]] = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        return {
            "mm_hashes": {"image": names},
            "mm_placeholders": {"image": [{"offset": 0, "length": 1} for _ in names]},
        }

    def _choices(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted, features = body["sampling_params"], body["features"]
        names = features["mm_hashes"]["image"] if features else []
        for place in features["mm_placeholders"]["image"] if features else []:
            run = body["token_ids"][place["offset"] : place["offset"] + place["length"]]
            assert set(run) == {self.processor.image_token_id}
        ((found,),) = sample(
            self.model,
            [Tree.of(body["token_ids"])],
            encode_images(self.model, [self.images[name] for name in names], self.processor),
            n=wanted["n"],
            max_new_tokens=wanted["max_tokens"],
            temperature=wanted["temperature"],
            stop=wanted["stop_token_ids"],
            banned=[int(token) for token, bias in wanted["logit_bias"].items() if bias <= -100],
            generator=torch.Generator().manual_seed(wanted["seed"]),
            layout=self.processor.layout,
        )
        return [
            {
                "index": index,
                "token_ids": list(one.tokens),
                "logprobs": {
                    "content": [
                        {"token": f"token_id:{token}", "logprob": logp, "top_logprobs": []}
                        for token, logp in zip(one.tokens, one.logps, strict=True)
                    ]
                },
                "finish_reason": "stop" if one.finished else "length",
            }
            for index, one in reversed(list(enumerate(found)))
        ]


@contextmanager
def serving(stand_in: StandIn) -> Iterator[str]:
    """Serve on a free port of loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                said, status = json.dumps(stand_in.answer(self.path, body)).encode(), 200
            except PermissionError as error:
                said, status = str(error).encode(), int(error.args[0])
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            with contextlib.suppress(BrokenPipeError):  # a client that waited long enough has gone
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *unused: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def slow(seconds: float) -> Callable[[Any], Any]:
    def wait(found: Any) -> Any:
        time.sleep(seconds)
        return found

    return wait
