"""Sequences of tensors, which only the converter knows, against onnxruntime."""
from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

import lite_runtime
from lite_runtime.converter.errors import ConvertError

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
APPEND = """body = b (int64 i, bool go, seq(float[2,A]) old{carried}) => (bool more, seq(float[2,A]) new{results}) {{
            more = Identity(go)
            f = Cast<to=1>(i)
            x2 = Add(x, f)
            new = SequenceInsert(old, x2)
            {more}
        }}"""


def loop(concat: str, first: str = "s = SequenceEmpty()") -> str:
    return f"""m (int64 n, float[2,A] x) => (float[] y) {{
        {first}
        all = Loop(n, , s) <{APPEND.format(carried="", results="", more="")}>
        {concat}
    }}"""


TEXTS = {
    "parts": """m (float[2,3] a, float[2,1] b) => (float[] y, int64 n) {
        s = SequenceConstruct(a, b)
        t = SequenceInsert(s, a)
        p = Constant<value_int=1>()
        u = SequenceInsert(t, b, p)
        v = SequenceErase(u, p)
        n = SequenceLength(v)
        y = ConcatFromSequence<axis=-1>(v)
    }""",
    "inserted from the back": """m (float[2] a, float[2] b, float[2] c) => (float[] y, float[] z) {
        s = SequenceConstruct(a, b)
        p = Constant<value_int=-1>()
        t = SequenceInsert(s, c, p)
        y = ConcatFromSequence<axis=0>(t)
        q = Constant<value_int=-2>()
        u = SequenceInsert(s, c, q)
        v = SequenceErase(u)
        z = ConcatFromSequence<axis=0>(v)
    }""",
    "stack": """m (float[2,3] a) => (float[] y, float[] z) {
        s = SequenceConstruct(a, a, a)
        y = ConcatFromSequence<axis=1, new_axis=1>(s)
        k = Constant<value_int=-2>()
        z = SequenceAt(s, k)
    }""",
    "which": """m (float[2,3] a, float[2,3] b, int64 k) => (float[] y) {
        s = SequenceConstruct(a, b)
        y = SequenceAt(s, k)
    }""",
    "split": """m (float[2,A] x, int64 k) => (float[] y, float[] z, int64 n) {
        s = SplitToSequence<axis=1>(x)
        y = SequenceAt(s, k)
        n = SequenceLength(s)
        t = SplitToSequence<axis=1, keepdims=0>(x)
        z = ConcatFromSequence<axis=0, new_axis=1>(t)
    }""",
    "parts of a size": """m (float[7,2] x) => (float[] y, float[] z) {
        three = Constant<value_int=3>()
        s = SplitToSequence(x, three)
        k = Constant<value_int=2>()
        y = SequenceAt(s, k)
        sizes = Constant<value_ints=[4,0,3]>()
        t = SplitToSequence(x, sizes)
        z = SequenceAt(t, k)
    }""",
    "appended": loop("y = ConcatFromSequence<axis=1>(all)"),
    "appended, axis 0": loop("y = ConcatFromSequence<axis=0>(all)"),
    "appended, new axis": loop("y = ConcatFromSequence<axis=2, new_axis=1>(all)"),
    "appended to two": loop("y = ConcatFromSequence<axis=0>(all)", "s = SequenceConstruct(x, x)"),
    "appended, one of them": loop("one = Constant<value_int=-1>() y = SequenceAt(all, one)"),
    "beside tensors": f"""m (int64 n, float[2,A] x) => (float[] y, float[] last, float[] every) {{
        s = SequenceEmpty()
        all, last, every = Loop(n, , s, x) <{APPEND.format(
            carried=", float[2,A] c", results=", float[2,A] c2, float[2,A] o", more="c2 = Add(c, x2) o = Neg(c2)")}>
        y = ConcatFromSequence<axis=1>(all)
    }}""",
    "read by a loop": """m (float[3,2] x, int64 n) => (float[] y) {
        s = SplitToSequence<keepdims=0>(x)
        zero = Constant<value_floats=[0.0,0.0]>()
        y = Loop(n, , zero) <body = b (int64 i, bool go, float[2] c) => (bool more, float[2] c2) {
            more = Identity(go)
            e = SequenceAt(s, i)
            c2 = Add(c, e)
        }>
    }""",
}
X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def feeds(m: onnx.ModelProto, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    out = {}
    for i in m.graph.input:
        t = i.type.tensor_type
        dims = [d.dim_value or 3 for d in t.shape.dim]
        out[i.name] = np.array(count) if t.elem_type == onnx.TensorProto.INT64 else \
            rng.normal(size=dims).astype(np.float32)
    return out


@pytest.mark.parametrize("count", [1, 0])
@pytest.mark.parametrize("name", TEXTS)
def test_as_onnxruntime(name: str, count: int) -> None:
    m = onnx.parser.parse_model(HEAD + TEXTS[name])
    for o in m.graph.output:
        o.type.tensor_type.ClearField("shape")
    count = count + 2 if "n" in {i.name for i in m.graph.input} else count
    x = feeds(m, count)
    want = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, x)
    with lite_runtime.Session(lite_runtime.convert(m, verify=False)) as session:
        got = session.run(x)
        for o, w in zip(m.graph.output, want, strict=True):
            assert got[o.name].shape == np.shape(w)
            np.testing.assert_array_equal(got[o.name], w)


@pytest.mark.parametrize(("text", "words"), [
    ("m (float[2] x) => (seq(float[2]) y) { y = SequenceConstruct(x) }", "output 'y': it is a sequence of tensors"),
    ("m (seq(float[2]) x) => (float[2] y) { k = Constant<value_int=0>() y = SequenceAt(x, k) }",
     "input 'x': its type is sequence"),
    ("""m (float[2] x) => (float[] y) {
        s = SequenceConstruct(x)
        y = ConcatFromSequence<axis=0, new_axis=4611686018427387904>(s)
    }""",
     "attribute 'new_axis' is 4611686018427387904; 0 to 1 are supported"),
    ("m (float[2] x) => (float[2] y) { s = SequenceConstruct(x) y = Neg(s) }", "input 0 (X) is a sequence of tensors"),
    *((f"""m (float[2] x) => (float[] y) {{
        s = SequenceConstruct(x, x)
        {text}
        y = ConcatFromSequence<axis=0>(t)
    }}""", words) for text, words in (
        ("t = SequenceInsert(s, s)", "input 1 (tensor) is a sequence of tensors"),
        ("p = SequenceAt(s, s) t = SequenceConstruct(p)", "input 1 (position) is a sequence of tensors"),
        ("t = SequenceErase(s, s)", "input 1 (position) is a sequence of tensors"))),
    *((f"""m (float[2] x) => (float[2] y) {{
        s = SequenceConstruct(x)
        y = Loop({inputs}, x) <body = b (int64 i, bool go, float[2] a) => (bool more, float[2] z) {{
            more = Identity(go)
            z = Neg(a)
        }}>
    }}""", words) for inputs, words in (("s, ", "input 0 (M) is a sequence"), (", s", "input 1 (cond) is a sequence"))),
    ("""m (float[2] x, bool c) => (float[] y) {
        s = If(c) <then_branch = t () => (seq(float[2]) p) { p = SequenceConstruct(x) },
                   else_branch = e () => (seq(float[2]) q) { q = SequenceConstruct(x, x) }>
        y = ConcatFromSequence<axis=0>(s)
    }""", "its branches give sequences"),
    ("""m (float[2] x) => (float[] y) { s = SequenceConstruct(x) k = Constant<value_int=1>() y = SequenceAt(s, k) }""",
     "position 1 is out of range for a sequence of 1 tensors"),
    ("""m (int64 n, float[2] x) => (float[] y) {
        s = SequenceConstruct(x)
        t = Loop(n, , s) <body = b (int64 i, bool go, seq(float[2]) a) => (bool more, seq(float[2]) z) {
            more = Identity(go)
            e = SequenceAt(a, i)
            z = SequenceInsert(a, e)
        }>
        y = ConcatFromSequence<axis=0>(t)
    }""", "a sequence that the loop around it appends to"),
    ("""m (int64 n, float[2] x) => (float[] y) {
        s = SequenceConstruct(x)
        t = Loop(n, , s) <body = b (int64 i, bool go, seq(float[2]) a) => (bool more, seq(float[2]) z) {
            more = Identity(go)
            z = SequenceConstruct(x)
        }>
        y = ConcatFromSequence<axis=0>(t)
    }""", "does more with it than to append a tensor"),
])
def test_what_is_refused(text: str, words: str) -> None:
    m = onnx.parser.parse_model(HEAD + text)
    with pytest.raises(ConvertError) as e:
        lite_runtime.convert(m, verify=False)
    assert words in str(e.value)
