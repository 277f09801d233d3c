#!/usr/bin/env python3
"""Exports small models by PyTorch's exporter (dynamo=True) for tests/exported: a CNN, a vision transformer, a decoder
with its cache as inputs and outputs, the same with a cache of fixed size that can be a state, and an LSTM tagger. And
net.onnx, by the older exporter: what net.py of docs/getting_started.md makes.

usage: export_models.py OUT      needs torch, onnx and onnxscript (2.13, 1.23 and 0.7 made what is in the repository)

Weights are seeded. The decoders have the same weights: they must write the same text.
"""
from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCABULARY, WIDTH, HEADS, LAYERS, LONGEST = 96, 32, 4, 2, 80


class Block(nn.Module):
    """Inverted residual with squeeze and excitation."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.Hardswish(),
                                  nn.Conv2d(inner, inner, 3, 1, 1, groups=inner), nn.BatchNorm2d(inner), nn.SiLU())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inner, 4, 1), nn.ReLU(), nn.Conv2d(4, inner, 1),
                                  nn.Sigmoid())
        self.out = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + self.out(y * self.gate(y))


class Cnn(nn.Module):
    """Scores and a map of twice the size of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6())
        self.blocks = nn.Sequential(Block(8, 16), nn.MaxPool2d(3, 2, 1), Block(8, 24))
        self.head = nn.Linear(8, 10)
        self.map = nn.ConvTranspose2d(8, 2, 2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.blocks(self.stem(x))
        up = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.head(y.mean((2, 3))).softmax(-1), self.map(y) + up[:, :2]


class Vit(nn.Module):
    """16 patches and a class token, two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.1)
        self.places = nn.Parameter(torch.randn(1, 17, WIDTH) * 0.1)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1) + self.places
        return self.head(self.norm(self.layers(y))[:, 0])


def turned(x: Tensor, place: Tensor) -> Tensor:
    """Rotary position embedding of x [B H S D] at places [S]."""
    half = x.shape[-1] // 2
    speed = 1.0 / 10000.0 ** (torch.arange(half, dtype=torch.float32) / half)
    angle = place.to(torch.float32)[:, None] * speed
    c, s = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
    return x * c + torch.cat([-x[..., half:], x[..., :half]], -1) * s


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate, self.up = nn.Linear(WIDTH, 64, bias=False), nn.Linear(WIDTH, 64, bias=False)
        self.down = nn.Linear(64, WIDTH, bias=False)

    def heads(self, x: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, s, _ = x.shape
        q, k, v = (t.view(b, s, HEADS, -1).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1))
        return turned(q, place), turned(k, place), v

    def rest(self, x: Tensor, a: Tensor) -> Tensor:
        x = x + self.out(a.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    """Some tokens [B S] and what was before: keys and values [layers B H P D], which grow."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, before = self.words(tokens), keys.shape[3]
        s = tokens.shape[1]
        place = torch.arange(s) + before
        mask = torch.arange(before + s)[None, :] <= place[:, None]
        all_k, all_v = [], []
        for i, layer in enumerate(self.layers):
            q, k, v = layer.heads(x, place)
            k, v = torch.cat([keys[i], k], 2), torch.cat([values[i], v], 2)
            all_k.append(k)
            all_v.append(v)
            x = layer.rest(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        return self.head(self.norm(x)), torch.stack(all_k), torch.stack(all_v)


class FixedDecoder(Decoder):
    """One token [1 1] at place [1]; keys and values [layers 1 H LONGEST D] of which `place` are filled."""

    def forward(self, tokens: Tensor, place: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, mask = self.words(tokens), torch.arange(LONGEST)[None, :] <= place[:, None]
        all_k, all_v = [], []
        for i, layer in enumerate(self.layers):
            q, k, v = layer.heads(x, place)
            k, v = keys[i].index_copy(2, place, k), values[i].index_copy(2, place, v)
            all_k.append(k)
            all_v.append(v)
            x = layer.rest(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
        return self.head(self.norm(x)), torch.stack(all_k), torch.stack(all_v)


class Tagger(nn.Module):
    """Tags of words [B S]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.LSTM(WIDTH, 24, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 12)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.layers(self.words(words))[0]).log_softmax(-1)


def export(out: Path, name: str, model: nn.Module, inputs: tuple[Tensor, ...], names: list[str], outputs: list[str],
           dims: list[dict[int, str]]) -> None:
    named: dict[str, torch.export.Dim] = {}
    shapes = tuple({i: named.setdefault(n, torch.export.Dim(n, min=0 if n == "past" else 1, max=4096))
                    for i, n in d.items()} for d in dims)
    path = out / f"{name}.onnx"
    torch.onnx.export(model.eval(), inputs, str(path), dynamo=True, input_names=names, output_names=outputs,
                      dynamic_shapes=shapes if named else None, external_data=False, verbose=False)
    proto = onnx.load(path)
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.input,
                 *proto.graph.output, *proto.graph.initializer):  # where in whose source each node comes from
        del part.metadata_props[:]
    onnx.save(proto, path)


def calibrated(model: nn.Module, *inputs: Tensor) -> nn.Module:
    """With statistics in its batch normalisations that are not 0 and 1."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(*inputs)
    return model


def export_net(out: Path) -> None:
    """Runs net.py of docs/getting_started.md; the model keeps its text, so that tests see that it is that."""
    page = Path(__file__).resolve().parent.parent / "docs" / "getting_started.md"
    text = re.search(r"^```python\n(# net\.py\n.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    assert text, "the page has no net.py"
    os.chdir(out)  # it writes where it is run
    exec(compile(text[1], "net.py", "exec"), {"__name__": "__main__"})
    proto = onnx.load("net.onnx")
    proto.metadata_props.add(key="made_by", value=text[1])
    onnx.save(proto, "net.onnx")


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20)
    image = torch.randn(2, 3, 32, 32)
    export(out, "cnn", calibrated(Cnn(), image), (image,), ["x"], ["scores", "map"], [{0: "n", 2: "h", 3: "w"}])
    export(out, "vit", Vit(), (image,), ["x"], ["scores"], [{0: "n"}])
    words = torch.randint(0, VOCABULARY, (2, 7))
    export(out, "tagger", Tagger(), (words,), ["words"], ["tags"], [{0: "n", 1: "s"}])
    decoder, fixed = Decoder(), FixedDecoder()
    with torch.no_grad():  # larger weights, so that what it writes has some variety
        for p in decoder.parameters():
            p.mul_(2.5 if p.dim() > 1 else 1)
    fixed.load_state_dict(decoder.state_dict())
    # keys and values are two tensors: the exporter makes one input of a tensor that is given twice
    cache = torch.randn(LAYERS, 2, HEADS, 5, WIDTH // HEADS)
    export(out, "decoder", decoder, (words, cache, cache + 1), ["tokens", "keys", "values"],
           ["scores", "new_keys", "new_values"], [{0: "n", 1: "s"}, {1: "n", 3: "past"}, {1: "n", 3: "past"}])
    full = torch.zeros(LAYERS, 1, HEADS, LONGEST, WIDTH // HEADS)
    export(out, "decoder_fixed", fixed, (words[:1, :1], torch.tensor([3]), full, full + 1),
           ["tokens", "place", "keys", "values"], ["scores", "new_keys", "new_values"], [{}, {}, {}, {}])
    export_net(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
