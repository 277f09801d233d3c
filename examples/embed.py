"""Which sentences mean the same? Embeds them with a sentence encoder and prints the cosines between all of them.

usage: embed.py MODEL.lrm TOKENIZER.json [SENTENCE ...]      TOKENIZER.json: of the library tokenizers, BERT's WordPiece

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers": words in lower case and without accents,
punctuation apart, each word as the longest pieces of the vocabulary from its start on.
"""
from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np

SENTENCES = ["A man is eating food.", "Somebody is having a meal.", "The girl is carrying a baby.",
             "A woman holds a small child.", "The stock market fell by three percent."]
LONGEST = 128  # tokens


def words(text: str) -> list[str]:
    """Lower-case words without accents; a sign of punctuation or a Chinese character is a word of its own."""
    out: list[str] = []
    new = True
    lower = "".join(map(str.lower, text))  # each by itself: in a word the last sigma becomes another
    for c in unicodedata.normalize("NFD", lower):
        kind = unicodedata.category(c)
        if kind == "Mn" or (kind in ("Cc", "Cf", "Co") and c not in "\t\n\r"):
            continue
        chinese = unicodedata.name(c, "").startswith("CJK UNIFIED")
        apart = kind[0] == "P" or (c.isascii() and kind[0] == "S") or chinese
        if c.isspace() or apart:
            out += [c] if apart else []
            new = True
            continue
        if new:
            out.append("")
        out[-1] += c
        new = False
    return out


class Tokenizer:
    def __init__(self, path: str) -> None:
        self.ids: dict[str, int] = json.loads(Path(path).read_text(encoding="utf-8"))["model"]["vocab"]

    def pieces(self, word: str) -> list[int]:
        """Ids of a word's pieces; of [UNK] when it cannot be made of them."""
        out, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            end = next((e for e in range(len(word), start, -1) if mark + word[start:e] in self.ids), 0)
            if not end or len(word) > 100:
                return [self.ids["[UNK]"]]
            out.append(self.ids[mark + word[start:end]])
            start = end
        return out

    def encode(self, text: str) -> list[int]:
        inner = [i for w in words(text) for i in self.pieces(w)]
        return [self.ids["[CLS]"], *inner[:LONGEST - 2], self.ids["[SEP]"]]


def batch(rows: list[list[int]]) -> dict[str, np.ndarray]:
    """Rows of ids, filled up to the longest, and which of them count."""
    ids = np.zeros((len(rows), max(len(r) for r in rows)), np.int64)
    mask = np.zeros_like(ids)
    for i, r in enumerate(rows):
        ids[i, :len(r)], mask[i, :len(r)] = r, 1
    return {"input_ids": ids, "attention_mask": mask}


def cosines(embeddings: np.ndarray) -> np.ndarray:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return unit @ unit.T


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__)
        return 2
    import lite_runtime

    sentences = sys.argv[3:] or SENTENCES
    tokenizer = Tokenizer(sys.argv[2])
    with lite_runtime.Session(sys.argv[1]) as session:
        # of the outputs, the one with a row for each sentence
        name = next(o.name for o in session.outputs if o.dtype == np.float32 and len(o.shape) == 2)
        table = cosines(session.run(batch([tokenizer.encode(s) for s in sentences]))[name])
    for row, sentence in zip(table, sentences, strict=True):
        print(" ".join(f"{v:6.3f}" for v in row), "", sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
