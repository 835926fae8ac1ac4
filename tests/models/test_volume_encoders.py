"""Every registered 3D encoder keeps the same promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, SiglipVisionModel, ViTConfig, ViTModel

from medvlm.models.encoders import encode, encoder_spec
from medvlm.models.encoders.volume import VolumeEncoderConfig, encode_volume
from medvlm.models.encoders.volume_monai import MonaiResNet, MonaiSwin, MonaiViT
from medvlm.models.encoders.volume_networks import NETWORKS
from medvlm.models.encoders.volumes import list_volume_encoders, volume_encoder_spec
from medvlm.models.parts import checkpoint_activations
from medvlm.study import ImageError, WeightsError

TINY = list_volume_encoders("*_tiny")
SIGLIP: dict[str, Any] = {
    "name": "siglip_tiny",
    "image_size": 32,
    "patch_size": 8,
    "width": 32,
    "layers": 2,
    "heads": 2,
}


def volumes(spec: Any, count: int = 2) -> torch.Tensor:
    slices, rows, columns = spec.volume_traits.size
    return torch.randn(count, slices, 3, rows, columns, generator=torch.Generator().manual_seed(0))


def test_no_registered_encoder_goes_untested() -> None:
    assert {volume_encoder_spec(name).config.kind for name in TINY} == set(NETWORKS)
    assert {f"{name}_tiny" for name in list_volume_encoders() if name not in {*TINY, "volume_folder"}} == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_as_many_tokens_come_out_as_were_announced(name: str) -> None:
    spec = volume_encoder_spec(name)
    traits = spec.volume_traits
    tokens = encode_volume(spec.build().eval(), volumes(spec))
    assert tokens.shape == (2, traits.grid[0], spec.tokens() // traits.grid[0], traits.width)
    assert spec.traits.grid == traits.grid[1:]


@pytest.mark.parametrize("name", TINY)
def test_saved_encoders_are_the_same(name: str, tmp_path: Path) -> None:
    spec = volume_encoder_spec(name)
    tower = spec.build().eval()
    tower.save_pretrained(tmp_path)
    again = volume_encoder_spec("volume_folder", weights=str(tmp_path))
    assert (again.volume_traits, again.mean, again.std) == (spec.volume_traits, spec.mean, spec.std)
    pixels = volumes(spec)
    with torch.no_grad():
        assert torch.equal(encode_volume(again.build().eval(), pixels), encode_volume(tower, pixels))


@pytest.mark.parametrize("name", TINY)
def test_recomputing_changes_no_gradient(name: str) -> None:
    spec = volume_encoder_spec(name)
    tower, pixels = spec.build().train(), volumes(spec)
    plain = gradients(tower, pixels)
    assert set(plain) == {name for name, _ in tower.named_parameters()}
    checkpoint_activations(tower)
    assert any(getattr(module, "gradient_checkpointing", False) for module in tower.modules())
    for key, value in gradients(tower, pixels).items():
        torch.testing.assert_close(value, plain[key], atol=1e-6, rtol=1e-4)


def gradients(tower: Any, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    tower.zero_grad()
    tokens = encode_volume(tower, pixels)
    (tokens * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    return {name: p.grad.clone() for name, p in tower.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", [name for name in TINY if "resnet" not in name])
def test_token_order_is_slabs_then_rows_then_columns(name: str) -> None:
    """A token depends most on the voxels of its own place."""
    torch.manual_seed(0)
    spec = volume_encoder_spec(name)
    traits, pixels = spec.volume_traits, volumes(spec, 1).requires_grad_()
    slab, place = traits.grid[0] - 1, 1
    (encode_volume(spec.build().eval(), pixels)[0, slab, place] @ torch.randn(traits.width)).backward()
    assert pixels.grad is not None
    energy = torch.nn.functional.adaptive_avg_pool3d(pixels.grad.square().sum(2), traits.grid)[0]
    assert int(energy.argmax()) == slab * traits.grid[1] * traits.grid[2] + place


@pytest.mark.parametrize(
    ("name", "tokens", "width", "parameters"),
    [
        ("vit3d", 2048, 768, 87e6),  # M3D-CLIP
        ("ctvit", 13824, 512, 23.4e6),  # CT-CLIP
        ("monai_vit", 216, 768, 88e6),
        ("monai_resnet", 256, 2048, 46.2e6),
        # blocks of 12 d^2 (twice 48, 96, 192), mergings of 16 d^2, 13^3 position biases a head: 1.935 M + 0.092 M
        ("monai_swin", 216, 384, 2.03e6),
        ("inflated", 8192, 1152, 411e6),  # SigLIP so400m without its pooling head
    ],
)
def test_published_sizes(name: str, tokens: int, width: int, parameters: float) -> None:
    spec = volume_encoder_spec(name)
    assert (spec.tokens(), spec.volume_traits.width) == (tokens, width)
    with torch.device("meta"):
        tower = AutoModel.from_config(spec.config)
    assert sum(p.numel() for p in tower.parameters()) == pytest.approx(parameters, rel=0.05)


def test_monai_networks_give_what_monai_gives() -> None:
    from monai.networks.nets.resnet import ResNet
    from monai.networks.nets.swin_unetr import SwinTransformer
    from monai.networks.nets.vit import ViT

    pixels = torch.randn(1, 3, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    vit = ViT(3, (32, 32, 32), 16, 16, 32, num_layers=2, num_heads=2).eval()
    swin = SwinTransformer(3, 8, (4, 4, 4), (2, 2, 2), (2, 2, 2, 2), (1, 2, 4, 8), downsample="mergingv2").eval()
    resnet = ResNet("basic", [1] * 4, [8, 8, 8, 8], n_input_channels=3, feed_forward=False).eval()
    maps: list[torch.Tensor] = []
    resnet.layer4.register_forward_hook(lambda *given: maps.append(given[-1]))
    with torch.no_grad():
        resnet(pixels)
        expected = {"vit": vit(pixels)[0], "swin": flat(swin(pixels)[2]), "resnet": flat(maps[0])}
    size, step = (32, 32, 32), (16, 16, 16)
    ours = {
        "vit": MonaiViT(size, step, 3, 16, layers=2, heads=2, hidden=32),
        "swin": MonaiSwin(size, (8, 8, 8), 3, 32, depths=(2, 2), heads=(1, 2), window=4),
        "resnet": MonaiResNet(size, step, 3, 8, block="basic", layers=[1] * 4, planes=[8] * 4, norm="batch"),
    }
    for name, theirs in {"vit": vit, "swin": swin, "resnet": resnet}.items():
        fill(ours[name], theirs)
        with torch.no_grad():
            torch.testing.assert_close(ours[name].eval()(pixels), expected[name])


def flat(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(2).transpose(1, 2)


def fill(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """Copy MONAI's weights; what ours lacks are norms without weights there, what it leaves are parts never built."""
    names = {
        r"^patch_embed(ding)?": "patches",
        r"^blocks\.(\d)": r"blocks.\1.block",
        "^conv1": "stem.0",
        "^bn1": "stem.1",
    }
    state = {}
    for name, value in theirs.state_dict().items():
        for old, new in names.items():
            name = re.sub(old, new, name)
        name = re.sub(r"^layers(\d)\.0", lambda found: f"stages.{int(found[1]) - 1}.block", name)
        state[re.sub(r"^layer(\d)", lambda found: f"stages.{int(found[1]) - 1}.0", name)] = value
    left = ours.load_state_dict(state, strict=False)
    assert set(left.missing_keys) <= {"norm.weight", "norm.bias"}


def test_an_inflated_encoder_reads_equal_slices_as_the_2d_one_reads_one(tmp_path: Path) -> None:
    plane = encoder_spec(**SIGLIP)
    tower = plane.build(seed=3).eval()
    tower.save_pretrained(tmp_path)
    spec = volume_encoder_spec("inflated", plane=str(tmp_path), slices=8, patch=2)
    slice_ = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = encode(tower, slice_, plane.traits)
        found = encode_volume(spec.build().eval(), slice_.expand(1, 8, 3, 32, 32))
    assert isinstance(tower, SiglipVisionModel)
    for slab in found[0]:
        torch.testing.assert_close(slab, expected[0], atol=1e-5, rtol=1e-5)


def test_an_inflated_encoder_with_a_class_token(tmp_path: Path, monkeypatch: Any) -> None:
    numbers: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    tower = ViTModel(ViTConfig(image_size=32, patch_size=16, **numbers)).eval()
    tower.save_pretrained(tmp_path)
    (tmp_path / "planes.py").write_text(
        "from transformers import AutoConfig\nfrom medvlm.models import EncoderSpec\n"
        "def vit(*, weights):\n    return EncoderSpec(AutoConfig.from_pretrained(weights), weights)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    spec = volume_encoder_spec("inflated", plane={"name": "planes:vit", "weights": str(tmp_path)}, slices=4, patch=2)
    slice_ = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = tower(slice_).last_hidden_state[0, 1:]
        found = encode_volume(spec.build().eval(), slice_.expand(1, 4, 3, 32, 32))
    for slab in found[0]:
        torch.testing.assert_close(slab, expected, atol=1e-5, rtol=1e-5)


def test_one_channel_is_the_mean_of_three() -> None:
    spec = volume_encoder_spec("vit3d", size=(4, 16, 16), patch=(2, 8, 8), width=16, layers=1, heads=1)
    tower, gray = spec.build().eval(), torch.randn(1, 4, 1, 16, 16)
    torch.testing.assert_close(encode_volume(tower, gray.expand(1, 4, 3, 16, 16)), encode_volume(tower, gray))


def test_volumes_of_another_size_are_refused() -> None:
    tower = volume_encoder_spec("vit3d_tiny").build()
    with pytest.raises(ImageError, match=r"takes volumes of 8 x 32 x 32 .* got 1 x 32 x 32"):
        tower(torch.zeros(1, 1, 3, 32, 32))
    with pytest.raises(ImageError, match="got a tensor of 1 x 3 x 32 x 32"):
        tower(torch.zeros(1, 3, 32, 32))


def test_numbers_that_do_not_fit_are_explained() -> None:
    with pytest.raises(ValueError, match="4 x 16 x 16 voxels do not tile a volume of 30 x 256 x 256"):
        volume_encoder_spec("vit3d", size=(30, 256, 256))
    with pytest.raises(ValueError, match="channels=2: a volume has 1 or 3"):
        volume_encoder_spec("vit3d", channels=2)
    with pytest.raises(ValueError, match="heads=5 does not divide width=768"):
        volume_encoder_spec("vit3d", heads=5).build()
    with pytest.raises(ValueError, match="Nearest: vit3d_tiny"):
        volume_encoder_spec("vit3d_tinny")
    with pytest.raises(ValueError, match="no 3D network"):
        AutoModel.from_config(VolumeEncoderConfig(kind="vit4d"))
    with pytest.raises(TypeError, match="depht"):
        volume_encoder_spec("ctvit", depht=3)


def test_encoders_that_cannot_be_inflated(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "clips.py").write_text(
        "from transformers import CLIPVisionConfig\nfrom medvlm.models import EncoderSpec\n"
        "def clip():\n    return EncoderSpec(CLIPVisionConfig())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="'clip_vision_model' encoder cannot be inflated"):
        volume_encoder_spec("inflated", plane="clips:clip")
    with pytest.raises(ValueError, match="clips:clip is a 2D encoder"):
        volume_encoder_spec("clips:clip")
    encoder_spec(**SIGLIP).build().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="holds a 'siglip_vision_model', expected 'medvlm_volume_encoder'"):
        volume_encoder_spec("volume_folder", weights=str(tmp_path))
