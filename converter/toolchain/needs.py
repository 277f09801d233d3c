"""What a runtime must have for models: operators, kernels and cases within these. It follows from the graph and the
declared types alone, so it is the same for every target, CPU and shape (`lite_runtime/ops/needs.c`)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import lite_runtime


@dataclass(frozen=True)
class Needs:
    """What is to be built in: names in order, as the options of `meson.options` take them."""

    ops: tuple[str, ...] = ()
    """Operators of `spec/ops.py`."""
    kernels: tuple[str, ...] = ()
    """Signatures of `kernels.inc`, but for those of pictures, which `image` brings."""
    posts: tuple[str, ...] = ()
    """Cases within kernels: post-ops of `spec/postops.py`, `reduce_<kind>` of reductions, `cast_<dtype>` for each type
    that casts are from or to, and tiles that only save time."""
    image: bool = False
    """`lite_image.h`: that is for the app to say, a model does not know."""

    def union(self, other: Needs) -> Needs:
        """What both need."""
        return Needs(*(tuple(sorted({*a, *b})) for a, b in ((self.ops, other.ops), (self.kernels, other.kernels),
                                                              (self.posts, other.posts))), self.image or other.image)

    def meson_options(self) -> list[str]:
        """Options for `meson setup`, without the target."""
        def listed(option: str, names: tuple[str, ...]) -> str:
            return f"-D{option}={','.join(names) or 'none'}"

        return [listed("ops", self.ops), listed("kernels", self.kernels), listed("posts", self.posts),
                f"-Dimage={str(self.image).lower()}"]


def needs(paths: Iterable[Path | bytes], image: bool = False) -> Needs:
    """What .lrm files (or their bytes) need together; none: what every runtime has. Raises what `lite_runtime.Model`
    raises."""
    result = Needs(image=image)
    for path in paths:
        result = result.union(Needs(*(tuple(sorted(names)) for names in lite_runtime.Model(path).needs())))
    return result
