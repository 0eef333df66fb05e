"""Pyramid attention in numpy on exported cases in f32, f16 or bf16: python run_numpy.py CASES OUTPUTS

Put your kernel in the place of `attend`, or call `main(attend)` from a file of your own. `attend` gets q, k and v as
float64 [batch, heads, tokens, dimension] in the order in which blocks are cut, and returns outputs in the same order;
`main` puts them back into the order of the file, which verify compares.
"""
import sys

import numpy as np
from case_files import run_cases

TYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def attend(q, k, v, levels, p):
    block, tokens, scale = p["blockN"], k.shape[2], p["scale"]
    out, whole = np.zeros(q.shape[:3] + v.shape[3:]), p["tail"] == "replicate"
    for b, h, m in np.ndindex(levels.shape[:3]):
        head, rows = h * k.shape[1] // q.shape[1], np.arange(q.shape[2])[m * p["blockM"]:(m + 1) * p["blockM"]]
        firsts = [(j * block + t, r) for j, r in enumerate(levels[b, h, m]) if r > 0 for t in range(0, block, r)]
        spans = [np.arange(t, t + r if whole and r > 1 else min(t + r, tokens)) for t, r in firsts]
        spans = [span for span in spans if len(span) > 0 and (len(span) > 1 or span[0] < tokens)]
        if not spans:
            continue  # nothing is seen: 0
        keys, values = (np.stack([x[b, head, np.minimum(s, tokens - 1)].mean(0) for s in spans]) for x in (k, v))
        scores = scale * q[b, h, rows] @ keys.T + np.log([len(s) for s in spans])
        if p["causal"]:
            last = np.array([s[-1] for s in spans])
            scores[last[None, :] > rows[:, None] + tokens - q.shape[2]] = -np.inf
        most = scores.max(1, keepdims=True)
        weights = np.exp(scores - np.where(np.isfinite(most), most, 0))
        out[b, h, rows] = weights @ values / np.maximum(weights.sum(1, keepdims=True), 1e-300)
    return out


def decoded(dtype, shape, data):
    """A tensor of a case; bfloat16 is the upper half of float32."""
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, TYPES[dtype]).reshape(shape)


def runner(attend):
    """What run_cases calls: brings tokens into the order of the blocks, and outputs back into that of the file."""
    def run(tensors, parameters):
        arrays = {name: decoded(*tensors[name]) for name in ("q", "k", "v", "levels", "order") if name in tensors}
        q, k, v = (arrays[name].astype(float) for name in "qkv")
        moved = arrays.get("order", [])
        order = [np.r_[moved, len(moved):x.shape[2]].astype(int) for x in (q, k, v)]
        q, k, v = (x[:, :, places] for x, places in zip((q, k, v), order))
        given = {"scale": q.shape[3] ** -0.5, **parameters}
        out = attend(q, k, v, arrays["levels"], given)[:, :, np.argsort(order[0])]
        return {"out": ("F32", list(out.shape), out.astype("<f4").tobytes())}

    return run


def main(attend):
    """Runs attend on every case of the command line's first folder, and writes outputs to the second."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    run_cases(sys.argv[1], sys.argv[2], runner(attend))


if __name__ == "__main__":
    main(attend)
