"""Runs models with an installed lite_runtime, on this machine or on another: on_device.py FOLDER OUT.npz

FOLDER holds NAME.lrm with NAME.npz (inputs by their names), and picture.npz: `frame`, an NV21 picture of u8
[H * 3 / 2, W]. OUT gets the outputs as NAME/OUTPUT, and `picture`, f32 [1, 3, 24, 32] made of the frame. Prints one
line of JSON: the module's file, the version, the CPU's features, and of a benchmark of the first model the operators of
its steps, the peak GFLOP/s (null where the CPU has no kernel to measure it with) and the median.
"""
import json
import sys
from pathlib import Path

import numpy as np

import lite_runtime

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
results = {}
for path in sorted(folder.glob("*.lrm")):
    with lite_runtime.Session(str(path), threads=2) as session, np.load(path.with_suffix(".npz")) as feeds:
        for name, value in session.run(dict(feeds)).items():
            results[f"{path.stem}/{name}"] = value
with np.load(folder / "picture.npz") as f:
    results["picture"] = lite_runtime.image.to_input(f["frame"], format="nv21", size=(32, 24), layout="nchw",
                                                     mean=[120, 110, 100], std=58)
first = min(folder.glob("*.lrm"))
with np.load(first.with_suffix(".npz")) as feeds:
    bench = lite_runtime.benchmark(str(first), dict(feeds), threads=1, seconds=0.2)
np.savez(out, **results)
print(json.dumps({"file": lite_runtime._lr.__file__, "version": lite_runtime.__version__,
                  "features": list(lite_runtime.cpu_features()), "steps": [s.op for s in bench.steps],
                  "peak_gflops": bench.peak_gflops, "median_ms": bench.times.median}))
