"""The report: one page that needs nothing else, says what is true, and shows what a model calls its tensors as text."""
from __future__ import annotations

import base64
import hashlib
import itertools
import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lite_runtime

HOSTILE = ["</script><img src=x onerror=\"window.pwned=1\">", "\"><svg onload=window.pwned=2>",
           "'); window.pwned=3; //", "{{ 7 * 7 }}", "]]><script>window.pwned=4</script>", "<!--", "\u2028</title><b>"]
SIZES = [(1200, 900), (400, 800)]


def lite_opt(*args):
    code = "from lite_runtime.converter.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=False)


def branches(name, then, other):
    """An `If` that adds or subtracts."""
    def body(op, out):
        return helper.make_graph([helper.make_node(op, ["x", "x"], [out], name=f"{op}_inside")], op, [],
                                 [helper.make_tensor_value_info(out, TensorProto.FLOAT, [2])])
    return helper.make_node("If", ["c"], ["y"], name=name, then_branch=body(then, "t"), else_branch=body(other, "e"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cnn_model, model_of):
    path = tmp_path_factory.mktemp("report")
    onnx.save(cnn_model, path / "cnn.onnx")
    (path / "cnn.lrm").write_bytes(lite_runtime.convert(cnn_model, verify=False))
    other = onnx.ModelProto()
    other.CopyFrom(cnn_model)
    b = next(t for t in other.graph.initializer if t.name == "b2")
    b.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(b) + 0.5, "b2"))
    onnx.save(other, path / "other.onnx")
    nodes = [helper.make_node("Relu", ["x"], ["r"], name="first"), branches("choice", "Add", "Sub")]
    onnx.save(model_of(nodes, {"x": [2], "c": (TensorProto.BOOL, [])}, {"y": [2], "r": [2]}), path / "if.onnx")
    onnx.save(hostile(model_of), path / "hostile.onnx")
    p = lite_opt("report", path / "cnn.onnx", "--shape", "x=1,3,32,48", "--bench", "--compare", "--seconds", 0.05,
                 "-o", path / "cnn.html")
    assert p.returncode == 0, p.stderr
    for name in ("if", "hostile"):
        p = lite_opt("report", path / f"{name}.onnx", "-o", path / f"{name}.html")
        assert p.returncode == 0, p.stderr
    return path


def hostile(model_of):
    """Names of tensors, nodes, dims and metadata that try to be markup."""
    x, m, y = HOSTILE[:3]
    nodes = [helper.make_node("Exp", [x], [m], name=HOSTILE[4]),
             helper.make_node("Add", [m, x], [HOSTILE[3]], name=HOSTILE[5]),
             helper.make_node("Softmax", [HOSTILE[3]], [y], name=HOSTILE[6], axis=0)]
    model = model_of(nodes, {x: [HOSTILE[0], 4]}, {y: [HOSTILE[0], 4]})
    model.producer_name = HOSTILE[1]
    for k, name in enumerate(HOSTILE):
        model.metadata_props.add(key=f"{k}{name}", value=name)
    return model


class Page(HTMLParser):
    """Elements with their attributes, and the text of each kind of element."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.open = [], {}, [""]
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"'{tag}' closes nothing"

    def handle_data(self, data):
        self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data


def data_of(page):
    script = page.text["script"]
    return json.JSONDecoder().raw_decode(script[script.index("{"):])[0]


# ---- the page ----
@pytest.mark.parametrize("name", ["cnn", "if", "hostile"])
def test_self_contained(folder, name):
    """Nothing is loaded, no event handler stands in the markup, and the policy allows our script and style alone."""
    page = Page(folder / f"{name}.html")
    assert page.open == [""]
    for tag, attrs in page.elements:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "image", "use", "foreignobject", "b")
        assert not {k for k in attrs if k.startswith("on") or k in ("src", "srcset", "style", "xlink:href", "action")}
        assert attrs.get("href", "#").startswith("#")
    assert [t for t, _ in page.elements].count("script") == 2 and [t for t, _ in page.elements].count("style") == 1
    style = page.text["style"]
    assert "url(" not in style and "@import" not in style
    policy = next(a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    text = (folder / f"{name}.html").read_text(encoding="utf-8")
    script = text[text.rindex("<script>") + 8: text.rindex("</script>")]
    for part in (style, script):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" in policy
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text


def test_hostile_names_are_text(folder):
    page = Page(folder / "hostile.html")
    assert any(HOSTILE[4] in str(n) for n in data_of(page)["nodes"].values())
    for name in (HOSTILE[0], HOSTILE[2], *[f"{k}{n}" for k, n in enumerate(HOSTILE)]):
        assert name in page.text["td"], name
    assert "49" not in page.text["td"]  # no template ran


def test_facts(folder):
    """What --json says is what the file, onnx and numpy say."""
    p = lite_opt("report", folder / "cnn.onnx", "--shape", "x=1,3,32,48", "--compare", "--json")
    facts = json.loads(p.stdout)
    assert p.returncode == 0 and not (folder / "report.html").exists() and facts["output"] is None
    data = (folder / "cnn.lrm").read_bytes()
    assert facts["bytes"] == len(data) and facts["shapes"] == {"x": [1, 3, 32, 48]} and facts["chosen"] == []
    assert facts["proof"]["verdict"] == "proven" and all(x["ok"] for x in facts["layers"])
    nodes = {n["name"]: n for n in facts["graphs"][0]["nodes"] if n["op"] in ("conv", "matmul")}
    first = nodes["conv1#2" if "conv1#2" in nodes else "conv1"]
    assert first["sources"] == ["conv1", "bn1", "relu1"] and first["attrs"]["stride_h"] == 2
    assert first["program"] == ["acc = relu(acc)"] and first["told"]["pad_left"] == 1
    assert any("scale_into_weights" in r for r in first["rules"])
    made = facts["graphs"][0]["tensors"][first["outputs"][0]]
    assert made["planned"] == [1, 16, 24, 8]  # stride 2, channels last
    assert {facts["sources"][s]["op"] for s in first["sources"]} == {"Conv", "BatchNormalization", "Relu"}
    # f32 numbers that are left: two convolutions with bias, and the classifier
    assert facts["weights"]["bytes"] >= 4 * (8 * 27 + 8 + 8 * 72 + 8 + 40)
    assert {s["op"] for s in facts["steps"]} >= {"conv", "matmul"} and facts["bench"] is None
    assert any("--bench" in u for u in facts["unknown"])


def test_memory_picture(folder):
    """No two pieces that live at the same time overlap, and the plan is as large as its highest end."""
    p = lite_opt("report", folder / "cnn.onnx", "--shape", "x=1,3,32,48", "--no-verify", "--json")
    facts = json.loads(p.stdout)
    own = [b for i, b in enumerate(facts["buffers"]) if b["where"] == "plan" and b["root"] == i and b["bytes"]]
    assert own and max(b["offset"] + b["bytes"] for b in own) <= facts["plan_bytes"] == facts["memory"]
    for a, b in itertools.combinations(own, 2):
        if a["first"] <= b["last"] and b["first"] <= a["last"]:
            assert a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"], (a, b)
    shapes = {t["name"]: t["planned"] for t in facts["graphs"][0]["tensors"] if "planned" in t}
    checked = [b for b in facts["buffers"] if not b["scratch"] and b["where"] == "plan" and b["name"] in shapes]
    assert checked and all(b["bytes"] == 4 * np.prod(shapes[b["name"]]) for b in checked)
    for b in facts["buffers"]:
        if b["where"] == "plan" and facts["buffers"][b["root"]] is not b:
            root = facts["buffers"][b["root"]]
            assert root["offset"] <= b["offset"] and b["offset"] + b["span"] <= root["offset"] + root["bytes"]
            assert root["first"] <= b["first"] and b["last"] <= root["last"]


def test_of_a_file(folder):
    """What the file alone keeps; with its source, all; with another source, that it is another."""
    alone = json.loads(lite_opt("report", folder / "cnn.lrm", "--json").stdout)
    assert alone["proof"] is None and alone["rules"] is None and alone["sources"] is None
    assert len(alone["unknown"]) == 4 and any(n["sources"] for n in alone["graphs"][0]["nodes"])
    p = lite_opt("report", folder / "cnn.lrm", "--source", folder / "cnn.onnx", "--json")
    whole = json.loads(p.stdout)
    assert p.returncode == 0 and whole["proof"]["verdict"] == "proven" and whole["rules"] and whole["sources"]
    page = folder / "wrong.html"
    p = lite_opt("report", folder / "cnn.lrm", "--source", folder / "other.onnx", "--compare", "-o", page)
    assert p.returncode == 1 and "wrong result" in p.stdout and "outside of their limits" in p.stdout
    assert "wrong result" in Page(page).text["p"]
    other = json.loads(lite_opt("report", folder / "cnn.lrm", "--source", folder / "other.onnx", "--json").stdout)
    assert other["rules"] is None and any("converts to another file" in u for u in other["unknown"])


@pytest.mark.parametrize(("args", "words", "code"), [
    (["no.onnx"], "no.onnx: no such file", 1),
    (["cnn.onnx", "--source", "cnn.onnx"], "is a source itself", 2),
    (["cnn.lrm", "--compare"], "--compare needs the ONNX model", 2),
    (["cnn.onnx", "--shape", "q=1"], "no input 'q'", 1),
    (["cnn.onnx", "-o", "no/x.html"], "the folder does not exist", 1),
    (["cnn.onnx", "--seconds", "0"], "--seconds", 2),
])
def test_refuses(folder, tmp_path, args, words, code):
    known = {"cnn.onnx", "cnn.lrm", "no.onnx"}
    p = lite_opt("report", *[folder / a if a in known else a for a in args],
                 *([] if "-o" in args else ["-o", tmp_path / "x.html"]))
    assert p.returncode == code and words in p.stderr and p.stdout == ""
    assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_open_shape_that_has_no_plan(folder):
    """The rest is reported all the same, and why there is no plan."""
    facts = json.loads(lite_opt("report", folder / "cnn.lrm", "--shape", "x=1,3,0,0", "--json").stdout)
    assert facts["graphs"] and not facts["steps"]
    assert any("no plan could be made" in u and "the window spans 3" in u for u in facts["unknown"])


def test_without_jinja2(folder):
    code = "import sys; sys.modules['jinja2'] = None; from lite_runtime.converter.cli import main; main()"
    p = subprocess.run([sys.executable, "-c", code, "report", str(folder / "cnn.onnx")], capture_output=True, text=True,
                       check=False)
    assert p.returncode == 1 and "the package 'jinja2' is missing; run: pip install" in p.stderr and not p.stdout


def test_nested_graphs(folder):
    data = data_of(Page(folder / "if.html"))
    titles = {v["title"] for v in data["views"].values()}
    assert "main graph" in titles and {"then of choice", "else of choice"} <= titles
    links = [s["links"] for n in data["nodes"].values() for s in n["sections"] if s.get("title") == "graphs"]
    assert len(links) == 1 and len(links[0]) == 2 and all(key in data["views"] for _, key in links[0])


# ---- in a browser ----
@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", ["cnn", "if", "hostile"])
def test_opens(folder, browser, name, width, height, dark):
    """It fits the width, follows the colour scheme, and shows the first node."""
    b = browser(width, height, dark)
    b.open(folder / f"{name}.html")
    assert b.js("document.documentElement.scrollWidth") == width
    light = b.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((x, y) => x + y)")
    assert (light < 200) == dark
    seen = b.js("(() => { const r = document.querySelector('.box.node rect').getBoundingClientRect(), "
                "c = document.getElementById('canvas').getBoundingClientRect(); "
                "return r.width > 30 && r.left >= c.left - 1 && r.right <= c.right + 1 && r.top >= c.top - 1; })()")
    assert seen
    assert b.js("window.pwned === undefined")


@pytest.mark.browser
def test_search_select_open(folder, browser):
    b = browser()
    b.open(folder / "cnn.html")
    b.click("#search")
    b.type("bn1")  # a source of conv1
    assert b.js("document.getElementById('found').textContent") == "1 node"
    b.key("Enter")
    panel = b.js("document.getElementById('panel').innerText")
    for words in ("conv 3×3", "BatchNormalization", "acc = relu(acc)", "kernel", "time", "error", "f32 8×3×3×3",
                  "stride_h"):
        assert words in panel, words
    assert b.js("document.querySelectorAll('.box.on').length") == 1
    b.key("Escape")
    b.click(".box.on .open")
    assert "sources of conv1" in b.js("document.getElementById('path').innerText")
    assert b.js("[...document.querySelectorAll('.box.node .t')].map((t) => t.textContent)") == \
        ["Conv", "BatchNormalization", "Relu"]
    b.key("Escape")
    assert b.js("document.getElementById('path').innerText") == ""
    b.js("document.getElementById('canvas').focus()")
    b.key("o")  # what is selected
    assert "sources of" in b.js("document.getElementById('path').innerText")
    b.click("#path button")
    b.click("#steps tr[data-step='1']")
    assert b.js("document.querySelector('.box.on title').textContent") != ""
    b.click("#time th.n")
    assert b.js("document.querySelector('#time th[aria-sort]') !== null")


@pytest.mark.browser
def test_move_and_zoom(folder, browser):
    b = browser()
    b.open(folder / "cnn.html")
    b.js("document.getElementById('graph').scrollIntoView()")
    where = "document.getElementById('world').getAttribute('transform').match(/-?[\\d.]+/g).map(Number)"
    x, y, k = b.js(where)
    b.drag(300, 500, 80, -40)
    assert b.js(where) == pytest.approx([x + 80, y - 40, k])
    b.wheel(300, 500, -200)
    assert b.js(where)[2] > k
    b.click("#out")
    b.click("#fit")
    fitted = b.js(where)
    b.click("#in")
    assert b.js(where)[2] > fitted[2]
    b.js("document.getElementById('canvas').focus()")
    b.key("0")
    assert b.js(where) == pytest.approx(fitted)
    b.key("ArrowDown")
    assert b.js(where)[1] == pytest.approx(fitted[1] - 60)
    b.key("f")
    assert b.js("document.getElementById('stage').classList.contains('full')")


@pytest.mark.browser
def test_nested_and_hostile(folder, browser):
    b = browser()
    b.open(folder / "if.html")
    b.click("#search")
    b.type("choice")
    b.key("Enter")
    b.click("#panel button:last-of-type")
    assert "else of choice" in b.js("document.getElementById('path').innerText")
    b.open(folder / "hostile.html")
    b.click("#search")
    b.type("softmax")
    b.key("Enter")
    assert HOSTILE[2] in b.js("document.getElementById('panel').textContent")
    assert b.js("document.querySelectorAll('img, b, iframe').length") == 0 and b.js("window.pwned === undefined")


@pytest.mark.browser
def test_paper(folder, browser):
    b = browser()
    b.open(folder / "cnn.html")
    assert b.pdf().startswith(b"%PDF")
    assert b.js("document.querySelectorAll('#canvas > svg').length") == 0  # as it was before
