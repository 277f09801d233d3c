"""Options that several commands have. Imports nothing that is slow: a shell that completes waits for it."""
from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
QUIET = "lite_runtime.quiet"  # in the context's meta


@dataclass(frozen=True)
class Picture:
    """How a picture becomes an input, as the command line says it: x = (scale * pixel - mean) / std of pixels from 0
    to 255."""

    resize: str = "stretch"
    """stretch, crop or pad."""
    layout: str = ""
    """nchw, nhwc, or "": what the input's shape says."""
    colour: str = "rgb"
    """The order of the input's channels: rgb or bgr."""
    mean: tuple[float, ...] = ()
    """None, one number, or one for each channel in the input's order."""
    std: tuple[float, ...] = ()
    """The same."""
    scale: float | None = None
    """None where it is not given: 1."""


@dataclass(frozen=True)
class Given:
    """What the command line says about inputs."""

    texts: tuple[str, ...]
    """NAME=VALUE each, as they were written."""
    archive: str | None
    """An .npz file with inputs by name."""
    shapes: dict[str, tuple[int, ...]]
    """Of inputs that are not given, or whose values do not say theirs."""
    seed: int
    """Of random inputs."""
    picture: Picture

    @property
    def values(self) -> bool:
        """Whether any values are given."""
        return bool(self.texts or self.archive)


class ModelFile(click.Path):
    """A path that shells complete with folders, and the files whose names end as those of models do."""

    name = "file"

    def __init__(self, *endings: str) -> None:
        super().__init__()
        self.endings = endings or (".onnx", ".lrm")

    def shell_complete(self, ctx: click.Context, param: click.Parameter,
                       incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """The matching paths; where there are none, the shell's own list of files."""
        from .completion import complete_path

        found = [click.shell_completion.CompletionItem(p) for p in complete_path(incomplete, self.endings)]
        return found or super().shell_complete(ctx, param, incomplete)


def _quiet(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    ctx.meta[QUIET] = value


def common(function: F) -> F:
    """--json, --quiet and --debug."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback with an error."),
        click.option("--quiet", "-q", is_flag=True, expose_value=False, callback=_quiet,
                     help="Show no progress (there is none with --json, or when stderr is no terminal)."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts; also for an error."),
    ):
        function = option(function)
    return function


def seconds_option(help: str) -> Callable[[F], F]:
    """--seconds, of a measurement."""
    return click.option("--seconds", type=click.FloatRange(min=0, min_open=True, max=86400), metavar="SECONDS",
                        default=2.0, show_default=True, help=help)


def rows_option(help: str) -> Callable[[F], F]:
    """--top, of tables for people."""
    return click.option("--top", type=click.IntRange(0), metavar="N", default=20, show_default=True, help=help)


def split(text: str, form: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not equal or not name or not value:
        raise click.BadParameter(f"'{text}' is not of the form {form}")
    return name, value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [n for n, _ in pairs]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"'{twice}' is given twice")
    return dict(pairs)


def _pairs(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    return unique([split(t, "OUTPUT=INPUT") for t in texts])


def _values(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    pairs = []
    for name, text in (split(t, "INPUT=VALUE") for t in texts):
        try:
            import numpy as np

            value = json.loads(text)
            if np.asarray(value).dtype.kind not in "biuf":
                raise ValueError
        except (ValueError, RecursionError) as e:
            raise click.BadParameter(f"'{text}' is not a number, true, false or a JSON list of these") from e
        pairs.append((name, value))
    return unique(pairs)


def _integer(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise click.BadParameter(f"'{text}' is not {what}")
    return int(text)


def _dims(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, int | str]:
    pairs = [split(t, "NAME=SIZE") for t in texts]
    return unique([(n, v if ".." in v or "," in v else _integer(v, "a size")) for n, v in pairs])


def shapes_option(ctx: click.Context, option: click.Parameter,
                  texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The values of --shape."""
    pairs = [split(t, "NAME=1,3,64,64") for t in texts]
    return unique([(n, tuple(_integer(d, "a shape like 1,3,64,64") for d in v.replace("x", ",").split(",")))
                    for n, v in pairs])


def conversion(function: F) -> F:
    """--set, --state and --dim."""
    for option in (
        click.option("--dim", "dims", multiple=True, metavar="NAME=SIZE|RANGE", callback=_dims,
                     help="Fix a symbolic dim (batch=1), or declare its range: batch=1..8, h=32..640/32, n=1,2,4. May "
                          "be repeated."),
        click.option("--state", multiple=True, metavar="OUTPUT=INPUT", callback=_pairs,
                     help="Make INPUT a state that OUTPUT replaces after each run. May be repeated."),
        click.option("--set", "set_", multiple=True, metavar="INPUT=VALUE", callback=_values,
                     help="Make INPUT a constant: a number, true, false, or a JSON list. May be repeated."),
    ):
        function = option(function)
    return function


def _number(text: str) -> float:
    """A number, or a fraction like 1/255."""
    above, slash, below = text.strip().partition("/")
    value = float(above) / (float(below) if slash else 1.0)
    if not abs(value) < float("inf"):
        raise ValueError
    return value


def _numbers(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    try:
        values = tuple(_number(t) for t in text.replace(":", ",").split(",")) if text is not None else ()
    except (ValueError, ZeroDivisionError) as e:
        raise click.BadParameter(f"'{text}' is not one number, nor several with commas between them") from e
    if option.name != "mean" and 0.0 in values:
        raise click.BadParameter(f"'{text}' has a zero, by which nothing can be divided")
    return values


def _scale(ctx: click.Context, option: click.Parameter, text: str | None) -> float | None:
    values = _numbers(ctx, option, text)
    if len(values) > 1:
        raise click.BadParameter(f"'{text}' is not one number; for several, one for each channel, there is --std")
    return values[0] if values else None


PICTURES = (
    click.option("--resize", type=click.Choice(["stretch", "crop", "pad"]), default="stretch", show_default=True,
                 help="How a picture gets the input's size: out of shape, without its edges, or with black around it."),
    click.option("--scale", metavar="N", callback=_scale,
                 help="A picture's input is (SCALE * pixel - MEAN) / STD, of pixels from 0 to 255. For example 1/255; "
                      "default: 1."),
    click.option("--mean", metavar="N[,N,N]", callback=_numbers,
                 help="One number, or one for each of the input's channels; default: 0."),
    click.option("--std", metavar="N[,N,N]", callback=_numbers, help="As --mean; default: 1."),
    click.option("--colour", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True,
                 help="Order of the input's channels. An input of one channel is grey."),
    click.option("--layout", type=click.Choice(["nchw", "nhwc"]), default=None,
                 help="Where a picture's input has its channels; default: what its shape says."),
)
INPUTS = (
    click.option("--input", "-i", "texts", multiple=True, metavar="NAME=VALUE",
                 help="Value of an input: FILE.npy, FILE.npz, a picture (.png, .jpg), numbers like 1,2,3 or "
                      "[[1,2],[3,4]], or random, zeros, ones. May be repeated. Others are random."),
    click.option("--inputs", "archive", type=click.Path(), metavar="FILE.npz",
                 help="Read all inputs that the file has, by name; --input goes before it."),
    click.option("--shape", "shapes", multiple=True, metavar="NAME=1,3,64,64", callback=shapes_option,
                 help="Shape of an input, where its values do not say it; so the size of a picture. May be repeated."),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", default=0, show_default=True,
                 help="For random inputs."),
)


def inputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """--input, --inputs, --shape, --seed and those of pictures; the command gets them as `given`, a Given."""

    @functools.wraps(function)
    def gathered(*args: Any, texts: tuple[str, ...], archive: str | None, shapes: dict[str, tuple[int, ...]], seed: int,
                 resize: str, layout: str | None, colour: str, mean: tuple[float, ...], std: tuple[float, ...],
                 scale: float | None, **others: Any) -> Any:
        picture = Picture(resize, layout or "", colour, mean, std, scale)
        return function(*args, given=Given(texts, archive, shapes, seed, picture), **others)

    for option in (*reversed(PICTURES), *reversed(INPUTS)):
        gathered = option(gathered)
    return gathered
