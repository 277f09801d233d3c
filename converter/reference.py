"""Runs the source model: onnxruntime where it is installed, else ONNX's own evaluator."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import onnx

Feeds = dict[str, np.ndarray]
T = TypeVar("T")


class TimeLimit(Exception):
    """The time for a proof is over."""


class Clock:
    """Counts down from a number of seconds."""

    def __init__(self, seconds: float) -> None:
        self.start = time.monotonic()
        self.end = self.start + seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def remaining(self) -> float:
        """Seconds left, more than 0; else TimeLimit."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeLimit
        return left

    def call(self, function: Callable[[], T], stop: Callable[[], object] | None = None, native: bool = False) -> T:
        """Calls the function, but returns (with TimeLimit) when the time is over, after asking it to stop. What cannot
        be stopped ends in its own time: in a thread that does not keep the process alive, or (native: C++ that must not
        be left behind when the process ends) in one that does."""
        result: list[T] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                result.append(function())
            except BaseException as e:
                failure.append(e)

        left = self.remaining()
        thread = threading.Thread(target=work, daemon=not native)
        thread.start()
        try:
            thread.join(left)
        finally:  # also when the user interrupts
            if thread.is_alive() and stop:
                stop()
        if thread.is_alive():
            raise TimeLimit
        if failure:
            raise failure[0]
        return result[0]


class Reference(Protocol):
    """Something that computes an ONNX model."""

    name: str

    def twin(self, clock: Clock) -> Reference | None:
        """One that computes the same in another order, to see how exact this one is; None when there is no such."""

    def run(self, feeds: Feeds, clock: Clock) -> Feeds:
        """All outputs by name."""


class OnnxRuntime:
    """onnxruntime on the CPU. level: 'DISABLE_ALL' keeps every node, 'BASIC' computes the same with fewer, 'ALL' in
    another order."""

    def __init__(self, model: onnx.ModelProto, clock: Clock, level: str = "BASIC") -> None:
        import onnxruntime as ort

        self.model = model
        self.name = f"onnxruntime {ort.__version__}"
        options = ort.SessionOptions()
        options.log_severity_level = 4
        levels = ort.GraphOptimizationLevel
        options.graph_optimization_level = {"DISABLE_ALL": levels.ORT_DISABLE_ALL, "BASIC": levels.ORT_ENABLE_BASIC,
                                            "ALL": levels.ORT_ENABLE_ALL}[level]
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        data = exact_spectra(model).SerializeToString()
        self.session = clock.call(lambda: ort.InferenceSession(data, options, providers=["CPUExecutionProvider"]),
                                  native=True)
        self.outputs = [o.name for o in self.session.get_outputs()]
        self.ort = ort

    def twin(self, clock: Clock) -> Reference | None:
        try:
            return OnnxRuntime(self.model, clock, "ALL")
        except TimeLimit:
            raise
        except Exception:  # its optimiser may fail where it does without
            return None

    def run(self, feeds: Feeds, clock: Clock) -> Feeds:
        options = self.ort.RunOptions()
        options.log_severity_level = 4

        def stop() -> None:
            options.terminate = True

        values = clock.call(lambda: self.session.run(self.outputs, feeds, options), stop, native=True)
        return dict(zip(self.outputs, values, strict=True))


class Evaluator:
    """onnx.reference: slow, but it knows every operator of the installed onnx."""

    def __init__(self, model: onnx.ModelProto, clock: Clock) -> None:
        from onnx.reference import ReferenceEvaluator
        from onnx.reference.op_run import OpRun

        class BatchNormalization(OpRun):
            """As opsets 9 to 13 define inference, where onnx's evaluator (1.23) computes the statistics of training."""

            def _run(self, x: Any, scale: Any, bias: Any, mean: Any, var: Any, epsilon: float = 1e-5, **_: Any) -> Any:
                shape = (1, -1, *[1] * (x.ndim - 2))
                s, b, m, v = (a.reshape(shape) for a in (scale, bias, mean, var))
                return ((s * (x - m) / np.sqrt(v + np.asarray(epsilon, x.dtype)) + b).astype(x.dtype),)

        opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        ours = [BatchNormalization] if opset < 14 else []
        self.name = f"onnx.reference {onnx.__version__}"
        self.outputs = [o.name for o in model.graph.output]
        self.evaluator = clock.call(lambda: ReferenceEvaluator(model, new_ops=ours))

    def twin(self, clock: Clock) -> Reference | None:
        return None

    def run(self, feeds: Feeds, clock: Clock) -> Feeds:
        values: Any = clock.call(lambda: self.evaluator.run(self.outputs, feeds))
        return {n: np.asarray(v) for n, v in zip(self.outputs, values, strict=True)}


def exact_spectra(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with DFT and STFT in f64: in f32 onnxruntime loses four digits where a length is no power of 2."""
    places = [i for i, n in enumerate(model.graph.node) if n.op_type in ("DFT", "STFT") and n.domain in ("", "ai.onnx")]
    if not places:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = list(copy.graph.node)
    for i in reversed(places):
        node, make = nodes[i], onnx.helper.make_node
        like, y = node.input[0], node.output[0]
        floats = [k for k in ([0] if node.op_type == "DFT" else [0, 2]) if k < len(node.input) and node.input[k]]
        widened = [make("Cast", [node.input[k]], [f"{y}~{k}"], to=onnx.TensorProto.DOUBLE) for k in floats]
        for k in floats:
            node.input[k] = f"{y}~{k}"
        node.output[0] = f"{y}~"
        nodes[i:i + 1] = [*widened, node, make("CastLike", [f"{y}~", like], [y])]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def references(model: onnx.ModelProto, clock: Clock, refusals: list[str],
               level: str = "BASIC") -> Iterator[Reference]:
    """Each reference that takes the model, the best first; why the others did not goes into `refusals`."""
    makers: list[tuple[str, Callable[[], Reference]]] = [
        ("onnxruntime", lambda: OnnxRuntime(model, clock, level)),
        ("onnx.reference", lambda: Evaluator(model, clock)),
    ]
    for name, make in makers:
        try:
            yield make()
        except TimeLimit:
            raise
        except ModuleNotFoundError:
            refusals.append(f"{name} is not installed")
        except Exception as e:  # whatever another project raises on a model that it cannot take
            refusals.append(f"{name}: {first_line(e)}")


def first_line(e: BaseException) -> str:
    """The first line of an exception's text, of reasonable length."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    text = lines[0] if lines else type(e).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def with_outputs(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """A copy of the model in which these tensors of the main graph are outputs (only)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names)
    return copy
