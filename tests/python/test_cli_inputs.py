"""lite-opt run: inputs from pictures, files and words, against numpy and pillow."""
from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import lite_runtime


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_of, add_model, cnn_model, counter_model):
    """Models that give back their input, of several layouts and dtypes; and others."""
    path = tmp_path_factory.mktemp("models")
    kinds = {"nchw": (1, [1, 3, 4, 6]), "nhwc": (1, [1, 4, 6, 3]), "grey": (1, [1, 1, 4, 6]), "hw": (1, [4, 6]),
             "chw": (1, [3, 4, 6]), "bytes": (TensorProto.UINT8, [1, 4, 6, 3]),
             "half": (TensorProto.FLOAT16, [1, 3, 4, 6]), "open": (1, ["n", 3, "h", "w"]),
             "unknown": (1, ["a", "b", "c", "d"]), "two": (1, [2, 3, 4, 6]),
             "ints": (TensorProto.INT32, [1, 3, 4, 6]), "list": (TensorProto.INT64, ["k"]),
             "bools": (TensorProto.BOOL, [3]), "wide": (1, [1, 8, 4, 6]), "scores": (1, [2, 5])}
    for name, of in kinds.items():
        model = model_of([helper.make_node("Identity", ["x"], ["y"])], {"x": of}, {"y": of})
        onnx.save(model, path / f"{name}.onnx")
    for name, model in {"add": add_model, "cnn": cnn_model, "counter": counter_model}.items():
        onnx.save(model, path / f"{name}.onnx")
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A photo.png of 12 x 8 pixels (RGB noise), and others made of it."""
    image = pytest.importorskip("PIL.Image", reason="missing: pillow")
    path = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(5).integers(0, 256, (8, 12, 3), np.uint8)
    image.fromarray(pixels).save(path / "photo.png")
    image.fromarray(pixels[:4, :6]).save(path / "exact.png")
    turned = image.fromarray(np.rot90(pixels[:4, :6]).copy())
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(path / "turned.png", exif=exif)
    image.fromarray(pixels[:, :, 0].astype(np.uint16) * 200).save(path / "deep.png")
    image.fromarray(np.full((40, 60, 3), 100, np.uint8)).save(path / "flat.jpg")
    (path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 9)
    return path


@pytest.fixture
def output(lite_opt, tmp_path):
    """What `run` computes, here what it takes for x."""
    def of(model, *args):
        r = lite_opt("run", model, *args, "-o", tmp_path / "y.npz")
        assert r.code == 0, r.err
        return np.load(tmp_path / "y.npz")["y"]
    return of


# ---- pictures ----
def exact(pictures):
    """Its pixels, by pillow alone."""
    from PIL import Image

    return np.asarray(Image.open(pictures / "exact.png"), np.float32)


@pytest.mark.parametrize(("model", "make"), [
    ("nchw", lambda p: p.transpose(2, 0, 1)[None]), ("nhwc", lambda p: p[None]),
    ("chw", lambda p: p.transpose(2, 0, 1)), ("bytes", lambda p: p[None].astype(np.uint8)),
    ("half", lambda p: p.transpose(2, 0, 1)[None].astype(np.float16))])
def test_a_picture_in_the_layout_of_the_model(folder, pictures, output, model, make):
    y = output(folder / f"{model}.onnx", "--input", f"x={pictures / 'exact.png'}")
    want = make(exact(pictures))
    assert y.dtype == want.dtype
    np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize(("model", "shape"), [("grey", (1, 1, 4, 6)), ("hw", (4, 6))])
def test_grey(folder, pictures, output, model, shape):
    from PIL import Image

    want = np.asarray(Image.open(pictures / "exact.png").convert("L"), np.float32).reshape(shape)
    np.testing.assert_array_equal(output(folder / f"{model}.onnx", "--input", f"x={pictures / 'exact.png'}"), want)


def test_normalisation_and_colours(folder, pictures, output):
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    y = output(folder / "nhwc.onnx", "--input", f"x={pictures / 'exact.png'}", "--scale", "1/255", "--mean",
               "0.485,0.456,0.406", "--std", "0.229:0.224:0.225")
    np.testing.assert_allclose(y[0], (exact(pictures) / 255 - mean) / std, rtol=1e-5, atol=1e-5)
    # mean is in the order of the input's channels, here b, g, r
    y = output(folder / "nhwc.onnx", "--input", f"x={pictures / 'exact.png'}", "--colour", "bgr", "--mean", "1,2,3")
    np.testing.assert_allclose(y[0], exact(pictures)[:, :, ::-1] - [1, 2, 3], rtol=1e-6)


def test_resizing(folder, pictures, output):
    """Half the size is the mean of blocks; crop and pad keep the form; of an even grey all is that grey or black."""
    from PIL import Image

    pixels = np.asarray(Image.open(pictures / "photo.png"), np.float64)
    y = output(folder / "nhwc.onnx", "--input", f"x={pictures / 'photo.png'}")
    np.testing.assert_allclose(y[0], pixels.reshape(4, 2, 6, 2, 3).mean((1, 3)), atol=0.5)  # rounded to bytes
    given = ["--input", f"x={pictures / 'exact.png'}", "--shape"]
    square = [folder / "open.onnx", *given, "x=1,3,4,4"]
    want = exact(pictures).transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(output(*square, "--resize", "crop"), want[..., 1:5])
    y = output(folder / "open.onnx", *given, "x=1,3,6,6", "--resize", "pad")
    np.testing.assert_array_equal(y[:, :, 1:5], want)
    assert not y[:, :, 0].any() and not y[:, :, 5].any()
    flat = f"x={pictures / 'flat.jpg'}"
    np.testing.assert_allclose(output(folder / "open.onnx", "-i", flat, "--shape", "x=1,3,7,9"), 100, atol=2)


def test_a_camera_that_was_turned(folder, pictures, output):
    y = output(folder / "nhwc.onnx", "--input", f"x={pictures / 'turned.png'}")
    np.testing.assert_array_equal(y[0], exact(pictures))


def test_a_file_says_its_layout(folder, pictures, output, tmp_path):
    """A converted model whose input is adapted: bytes, channels last, although [3 h w] looks like channels first."""
    (tmp_path / "m.lrm").write_bytes(lite_runtime.convert(str(folder / "nchw.onnx"), inputs={"x": "u8,nhwc"}))
    y = output(tmp_path / "m.lrm", "--input", f"x={pictures / 'exact.png'}")
    np.testing.assert_array_equal(y, exact(pictures).transpose(2, 0, 1)[None])


def test_pictures_that_do_not_fit(folder, pictures, fails):
    photo = f"x={pictures / 'photo.png'}"
    fails(folder / "open.onnx", "--input", photo, words="give --shape x=1,3,8,12 (the picture's own size)")
    fails(folder / "unknown.onnx", "--input", photo, words="give --layout nchw or nhwc")
    fails(folder / "unknown.onnx", "--input", photo, "--layout", "nhwc", words="give --shape x=1,8,12,3")
    fails(folder / "two.onnx", "--input", photo, words="takes 2 pictures at once")
    fails(folder / "ints.onnx", "--input", photo, words="is of type int32; pictures become float32, float16 or uint8")
    fails(folder / "wide.onnx", "--input", photo, words="is not that of a picture")
    fails(folder / "bytes.onnx", "--input", photo, "--mean", "3", words="leave out --mean, --std and --scale")
    fails(folder / "nchw.onnx", "--input", photo, "--mean", "1,2", words="--mean: has 2 numbers")
    fails(folder / "nchw.onnx", "--input", photo, "--std", "0", words="has a zero", code=2)
    fails(folder / "nchw.onnx", "--input", photo, "--scale", "1/0", words="is not one number", code=2)
    fails(folder / "nchw.onnx", "--input", f"x={pictures / 'deep.png'}", words="more than 8 bits")
    fails(folder / "nchw.onnx", "--input", f"x={pictures / 'bad.png'}", words="bad.png: is not a picture")
    fails(folder / "nchw.onnx", "--input", f"x={pictures / 'no.png'}", words="no.png: no such file")


def test_without_pillow(folder, pictures):
    code = "import sys; sys.modules['PIL'] = None; from lite_runtime.converter.cli import main; main()"
    args = ["run", folder / "nchw.onnx", "--input", f"x={pictures / 'photo.png'}"]
    p = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True)
    assert p.returncode == 1 and p.stderr.endswith("run: pip install pillow\n") and p.stderr.count("\n") == 1


# ---- files, numbers, words ----
def test_files(folder, output, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    np.save("x.npy", x)
    np.savez("one.npz", other=x)
    np.savez("two.npz", x=x, q=x + 1)
    model = folder / "scores.onnx"
    for given in ("x=x.npy", "x=one.npz", "x=two.npz"):
        np.testing.assert_array_equal(output(model, "-i", given), x)
    np.savez("all.npz", x=x)
    np.testing.assert_array_equal(output(model, "--inputs", "all.npz"), x)
    np.testing.assert_array_equal(output(model, "--inputs", "all.npz", "-i", "x=zeros"), 0 * x)
    np.savez("none.npz", p=x, q=x)
    fails(model, "-i", "x=none.npz", words="none.npz has no array 'x'; it has p, q")
    fails(model, "-i", "two.npz", words="or --inputs two.npz for all inputs that it has")
    fails(model, "--inputs", "two.npz", words="has an array 'q'")
    fails(model, "--inputs", "x.npy", words="holds one array without a name")
    fails(model, "-i", "x=x.npy", "-i", "x=ones", words="'x' is given twice")
    fails(model, "-i", "z=x.npy", words="no input 'z'; it has x")


def test_numbers(folder, output, fails):
    np.testing.assert_array_equal(output(folder / "scores.onnx", "-i", "x=[[1,2,3,4,5],[-1,0.5,1e3,0,0]]"),
                                  np.array([[1, 2, 3, 4, 5], [-1, 0.5, 1e3, 0, 0]], np.float32))
    y = output(folder / "scores.onnx", "-i", "x=0,1,2,3,4,5,6,7,8,9")
    np.testing.assert_array_equal(y, np.arange(10).reshape(2, 5))
    y = output(folder / "list.onnx", "-i", "x=3,-1,9007199254740993")
    assert y.dtype == np.int64 and y.tolist() == [3, -1, 9007199254740993]
    assert output(folder / "bools.onnx", "-i", "x=true,false,1").tolist() == [True, False, True]
    # the open size of one input is that of the other's
    y = output(folder / "add.onnx", "-i", "a=1,2,3,4,5,6", "-i", "b=ones")
    np.testing.assert_array_equal(y, [[2, 3, 4], [5, 6, 7]])
    fails(folder / "scores.onnx", "-i", "x=1,2,3", words="has 3 numbers, the input needs 10, [2 5]")
    fails(folder / "list.onnx", "-i", "x=1.5", words="cannot hold; it is of type int64")
    for number in ("1e6", "-1e6", "[[[[65536]]]]"):
        fails(folder / "half.onnx", "-i", f"x={number}", words="cannot hold; it is of type float16")
    fails(folder / "scores.onnx", "-i", "x=1e39", words="cannot hold; it is of type float32")
    fails(folder / "add.onnx", "-i", "a=1,2", words="needs a multiple of 3, [n 3]")
    fails(folder / "open.onnx", "-i", "x=1,2", words="leaves 3 sizes open")
    fails(folder / "scores.onnx", "-i", "x=one", words="nor numbers like 1,2,3 or [[1,2],[3,4]], nor random")
    fails(folder / "scores.onnx", "-i", f"x={folder / 'add.onnx'}", words="is a file of a kind that is not known")
    fails(folder / "scores.onnx", "-i", "x=[[1,2],[3]]", words="nor numbers")


def test_words_and_what_is_not_given(folder, lite_opt, output):
    for word, value in (("zeros", 0), ("ones", 1)):
        np.testing.assert_array_equal(output(folder / "scores.onnx", "-i", f"x={word}"), np.full((2, 5), value))
    one, two, other = (output(folder / "scores.onnx", *a) for a in ([], ["-i", "x=random"], ["--seed", "7"]))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    r = lite_opt("run", folder / "add.onnx", "-i", "a=ones", "--shape", "a=4,3", "--seed", "7")
    assert r.code == 0 and "not given, so random (--seed 7): b\n" in r.out and "b [4 3]" in r.out
    facts = json.loads(lite_opt("run", folder / "add.onnx", "-i", "a=ones", "--json").out)
    assert facts["random"] == ["b"] and facts["seed"] == 0


def test_states_go_from_run_to_run(folder, lite_opt, tmp_path):
    args = ["--state", "y=s", "-i", "x=1,10", "--repeat", "3", "-o", tmp_path / "o"]
    r = lite_opt("run", folder / "counter.onnx", *args)
    assert r.code == 0 and "3 runs" in r.out
    assert np.load(tmp_path / "o" / "z.npy").tolist() == [-3, -30]


def test_other_commands_take_the_same(folder, pictures, lite_opt):
    given = ["-i", f"x={pictures / 'photo.png'}", "--shape", "x=1,3,8,12", "--scale", "1/255", "--json"]
    for name, args in (("compare", [folder / "cnn.onnx"]), ("diff", [folder / "cnn.onnx", folder / "cnn.onnx"]),
                       ("bench", [folder / "cnn.onnx", "--seconds", "0.02"]),
                       ("report", [folder / "cnn.onnx", "--no-verify", "--compare"])):
        r = lite_opt(name, *args, *given)
        facts = json.loads(r.out)
        assert r.code == 0, r.err
        assert {"compare": facts.get("ok"), "diff": facts.get("equal"),
                "bench": facts.get("inputs") == {"x": ["float32", [1, 3, 8, 12]]},
                "report": facts.get("shapes") == {"x": [1, 3, 8, 12]}}[name], facts


def test_a_source_and_its_file_give_the_same(folder, output, fails, tmp_path):
    (tmp_path / "cnn.lrm").write_bytes(lite_runtime.convert(str(folder / "cnn.onnx"), verify=False))
    one, two = (output(m, "--shape", "x=1,3,16,16") for m in (folder / "cnn.onnx", tmp_path / "cnn.lrm"))
    np.testing.assert_array_equal(one, two)
    fails(tmp_path / "cnn.lrm", "--dim", "h=16", words="are for an ONNX model", code=2)
