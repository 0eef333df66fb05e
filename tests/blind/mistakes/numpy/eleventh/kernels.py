"""Two kernels, each with mistakes of its own: python3 kernels.py CASES OUT --mistake N [--kernel NAME]

CASES is a folder of `deno task export --filter attention` (safetensors). OUT gets `out` and `lse` of each case and
declares.json. N = 0 is without a mistake, for the kernel named; statements.json says what each number is.

- sections, sections-whole (sections.py): rows of segments in three parts or in one.
- shared, shared-two (shared.c): a workspace of four or two parts, joined by a second kernel.
"""
import argparse
import ctypes
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, *[".."] * 5, "docs", "drivers"))
from case_files import run_cases  # noqa: E402
import sections  # noqa: E402

TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4"}
NAMES = ["sections", "sections-whole", "shared", "shared-two"]
SHARED = [15, 16, 17, 18, 19, 23]
F = np.float32


def attend_shared(q, k, v, levels, p, mistake, folder, parts):
    library = os.path.join(folder, "shared.so")
    if not os.path.exists(library):
        source = os.path.join(HERE, "shared.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    flags = [p["causal"], p["tail"] == "replicate", parts, mistake]
    sizes = [batch, heads, kv_heads, lq, lk, d, dv, p["blockM"], p["blockN"], *flags]
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    arrays = [np.array(sizes, np.int32)] + [np.ascontiguousarray(x, F) for x in (q, k, v)]
    arrays += [np.ascontiguousarray(levels, np.int32), out, lse]
    ctypes.CDLL(library).attend(*[ctypes.c_void_p(x.ctypes.data) for x in arrays], ctypes.c_float(p["scale"]))
    return out, lse


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("outputs")
    parser.add_argument("--mistake", type=int, default=0)
    parser.add_argument("--kernel", choices=NAMES)
    args = parser.parse_args()
    x = args.mistake
    name = args.kernel if x == 0 and args.kernel else "shared" if x in SHARED else "sections"
    folder = tempfile.TemporaryDirectory()

    def attend(*given):
        if name.startswith("shared"):
            return attend_shared(*given, x, folder.name, 2 if name == "shared-two" else 4)
        return sections.attend(*given, x, 1 if name == "sections-whole" else 3)

    def run(tensors, p):
        arrays = {n: np.frombuffer(data, TYPES[dtype]).reshape(shape)
                  for n, (dtype, shape, data) in tensors.items() if dtype in TYPES}
        moved = arrays.get("order", np.arange(0))
        order = {n: np.r_[moved, np.arange(len(moved), arrays[n].shape[2])].astype(int) for n in "qkv"}
        if x == 24:
            order["v"] = np.arange(len(order["v"]))
        q, k, v = (arrays[n].astype(F)[:, :, order[n]] for n in "qkv")
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            results = attend(q, k, v, arrays["levels"], {"scale": q.shape[3] ** -0.5, **p})
        back = np.argsort(order["q"])
        results = [np.ascontiguousarray(x[:, :, back], F) for x in results]
        return {n: ("F32", list(x.shape), x.tobytes()) for n, x in zip(("out", "lse"), results)}

    run_cases(args.cases, args.outputs, run)


if __name__ == "__main__":
    main()
