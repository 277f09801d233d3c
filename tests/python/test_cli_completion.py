"""lite-opt completion, in the shells for which it is."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from lite_runtime.converter.cli.app import run

CODE = "from lite_runtime.converter.cli import main; main()"


@pytest.fixture
def complete(tmp_path):
    """What bash would offer for a line, with the script of `lite-opt completion bash` loaded."""
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("missing: bash")
    shim = tmp_path / "lite-opt"
    shim.write_text(f"#!{sys.executable}\n{CODE}\n")
    shim.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def of(line, cwd=tmp_path):
        script = f"""set -u
eval "$(lite-opt completion bash)"
compopt() {{ :; }}  # works inside of a completion alone
read -ra COMP_WORDS <<< {line!r}
[[ {line!r} == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
how=$(complete -p lite-opt); how=${{how##*-F }}; how=${{how%% *}}
COMPREPLY=()
$how lite-opt "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' ${{COMPREPLY+"${{COMPREPLY[@]}}"}}
"""
        p = subprocess.run([bash, "--norc", "-c", script], cwd=cwd, env=env, capture_output=True, text=True)
        assert p.returncode == 0 and p.stderr == "", p.stderr
        return p.stdout.split()

    return of


def test_completion(complete, tmp_path):
    assert complete("lite-opt co") == ["compare", "completion", "convert"]
    assert complete("lite-opt convert --expl") == ["--explain"]
    assert complete("lite-opt run --resize ") == ["stretch", "crop", "pad"]
    assert complete("lite-opt completion z") == ["zsh"]
    here = tmp_path / "work"
    (here / "models" / "inner").mkdir(parents=True)
    for name in ("a.onnx", "b.lrm", "notes.txt", "models/c.onnx", "models/inner/d.lrm"):
        (here / name).write_text("")
    assert complete("lite-opt run ", here) == ["a.onnx", "b.lrm", "models/"]
    assert complete("lite-opt show ", here) == ["b.lrm", "models/"]
    assert complete("lite-opt convert mo", here) == ["models/c.onnx", "models/inner/"]  # no space behind a folder
    assert complete("lite-opt show models/", here) == ["models/inner/d.lrm"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell, capsys):
    assert run(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_LITE_OPT_COMPLETE={shell}_complete" in text
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"missing: {shell}")
    p = subprocess.run([program, "-n"], input=text, capture_output=True, text=True)
    assert p.returncode == 0 and p.stderr == "", p.stderr
