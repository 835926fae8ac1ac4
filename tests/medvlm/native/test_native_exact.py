"""What the toolkit computes for a native model on prefix trees is what the model's own forward computes row by row."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from medvlm.generation.engine import encode_images
from medvlm.generation.sampling import sample
from medvlm.logps import branch_logps
from medvlm.rows import pack
from medvlm.tree import Tree

from .conftest import Native

ANSWERS = ("small effusion", "no", "left pneumothorax large opacity")


def own_inputs(native: Native, text: str, images: list[Tensor]) -> dict[str, Any]:
    """The model's own processor on the same pictures."""
    pictures = [(image * 255).round().to(torch.uint8) for image in images]
    inputs = dict(
        native.processor.native(text=[text], images=[pictures], return_tensors="pt", add_special_tokens=False)
    )
    inputs.pop("labels", None)
    return inputs


def own_logps(native: Native, model: Any, text: str, images: list[Tensor], answer: list[int]) -> Tensor:
    """One row, the model's own forward, log-probabilities of the answer."""
    inputs = own_inputs(native, text, images)
    length = inputs["input_ids"].shape[1]
    ids = torch.tensor([answer])
    for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
        if name in inputs:
            ones, answer_type = torch.ones_like(ids), int(native.name == "paligemma")  # its answers are of type 1
            more = {"input_ids": ids, "attention_mask": ones}.get(name, ones * answer_type)
            inputs[name] = torch.cat([inputs[name], more], dim=1)
    scores = model(**inputs, use_cache=False).logits[0, length - 1 : -1].float()
    found: Tensor = scores.log_softmax(-1).gather(-1, ids[0][:, None])[:, 0]
    return found


def forest(native: Native) -> tuple[list[Tree], list[list[Tensor]], list[tuple[str, list[Tensor], list[int]]]]:
    """Two trees: one image with two questions, two images with one; ragged answers below each."""
    one, two = native.images
    if native.processor.layout.ahead == "prompt":  # such a model cannot share an image between questions
        return one_question(native)
    cases = [([one], ["Is there a pleural effusion?", "Which finding is shown? left right"]), ([two, one], ["nodule?"])]
    trees, images, rows = [], [], []
    for shown, questions in cases:
        samples = [native.sample(question, len(shown)) for question in questions]
        prompts = [native.prompter.prompt(one) for one in samples]
        tree = Tree.from_sequences(prompts, [[0.0] * len(prompt) for prompt in prompts])
        for leaf, asked in zip(tree.leaves, samples, strict=True):
            for answer in ANSWERS[: 2 + len(shown) % 2]:
                ids = native.prompter.completion(answer)
                tree.add(ids, parent=leaf)
                rows.append((native.prompter.text(asked), shown, ids))
        trees.append(tree)
        images.append(shown)
    return trees, images, rows


def one_question(
    native: Native,
) -> tuple[list[Tree], list[list[Tensor]], list[tuple[str, list[Tensor], list[int]]]]:
    """Two trees of one question each, ragged answers below."""
    trees, images, rows = [], [], []
    one, two = native.images
    for shown, question in (([one], "Is there a pleural effusion?"), ([two, one], "nodule?")):
        asked = native.sample(question, len(shown))
        tree = Tree.of(native.prompter.prompt(asked))
        for answer in ANSWERS:
            ids = native.prompter.completion(answer)
            tree.add(ids)
            rows.append((native.prompter.text(asked), shown, ids))
        trees.append(tree)
        images.append(shown)
    return trees, images, rows


def test_prompts_are_those_of_its_own_processor(native: Native) -> None:
    asked = native.sample(images=2)
    wanted = own_inputs(native, native.prompter.text(asked), list(native.images))["input_ids"][0].tolist()
    assert native.prompter.prompt(asked) == wanted
    assert wanted.count(native.processor.image_token_id) == 2 * native.processor.count_tokens("image")


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_branches_have_the_log_probabilities_of_rows(native: Native, padding_side: Any) -> None:
    trees, images, rows = forest(native)
    packed = pack(trees, 0, padding_side=padding_side, layout=native.processor.layout)
    with torch.no_grad():
        features = encode_images(native.model, [image for shown in images for image in shown], native.processor)
        found, _ = branch_logps(native.model, packed, features)
        wanted = torch.cat([own_logps(native, native.model, *row) for row in rows])
    assert torch.allclose(found, wanted, atol=1e-5), (found - wanted).abs().max()
    assert wanted.std() > 0.1


def test_the_image_matters(native: Native) -> None:
    trees, _, _ = forest(native)
    one, two = native.images
    rows = pack(trees[:1], 0, layout=native.processor.layout)
    with torch.no_grad():
        first, second = (
            branch_logps(native.model, rows, encode_images(native.model, [image], native.processor))[0]
            for image in (one, two)
        )
    assert (first - second).abs().max() > 1e-3


def test_gradients_are_those_of_rows(native: Native) -> None:
    trees, images, rows = forest(native)
    packed = pack(trees, 0, layout=native.processor.layout)
    grads = []
    for by_tree in (True, False):
        model = copy.deepcopy(native.model)
        if by_tree:
            features = encode_images(model, [image for shown in images for image in shown], native.processor)
            loss = branch_logps(model, packed, features)[0].sum()
        else:
            loss = torch.cat([own_logps(native, model, *row) for row in rows]).sum()
        loss.backward()
        grads.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, wanted in grads[1].items():
        assert torch.allclose(grads[0][name], wanted, atol=1e-5 + 2e-5 * float(wanted.abs().max())), name


def test_greedy_sampling_is_its_own_generation(native: Native) -> None:
    one, two = native.images
    cases = [(native.sample(), [one]), (native.sample("Which finding is shown? nodule", 2), [two, one])]
    prompter = native.prompter
    trees = [Tree.of(prompter.prompt(asked)) for asked, _ in cases]
    features = encode_images(native.model, [image for _, shown in cases for image in shown], native.processor)
    found = sample(
        native.model, trees, features, max_new_tokens=12, temperature=0.0, stop=[], banned=prompter.banned,
        layout=native.processor.layout,
    )  # fmt: skip
    for (asked, shown), ((completion,),) in zip(cases, found, strict=True):
        inputs = own_inputs(native, prompter.text(asked), shown)
        with torch.no_grad():
            out = native.model.generate(
                **inputs, do_sample=False, max_new_tokens=12, min_new_tokens=12, eos_token_id=[],
                suppress_tokens=prompter.banned,
            )  # fmt: skip
        assert list(completion.tokens) == out[0, inputs["input_ids"].shape[1] :].tolist()
