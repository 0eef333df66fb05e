"""Attention as in Triton: a program for a query block of a head, offsets into flat memory, loads with masks. The pyramid was made
by another kernel. Scores are in base 2. `x` is the mistake."""
import numpy as np

F = np.float32
LOG2E, LN2 = F(1.4426950408889634), F(0.6931471805599453)


def cdiv(a, b):
    return -(-a // b)


def load(memory, offsets, mask=True):
    """Elements of flat memory; 0 where the mask is not set and outside of the memory."""
    inside = mask & (offsets >= 0) & (offsets < memory.size)
    return np.where(inside, memory[np.where(inside, offsets, 0)], memory.dtype.type(0))


def store(memory, offsets, values, mask):
    inside = mask & (offsets < memory.size)
    memory[offsets[inside]] = values[inside]


def pool(tokens, level, p):
    """A level of all heads, flat: [heads, rows, width]."""
    bn, (_, _, length, width) = p["blockN"], tokens.shape
    whole = cdiv(length, bn) * bn
    t = np.arange(whole).reshape(-1, level)
    there = (t < length) | (p["tail"] == "replicate" and level > 1)
    rows = tokens.reshape(-1, length, width)[:, np.minimum(t, length - 1)] * there[:, :, None]
    return (rows.sum(2) / np.maximum(there.sum(1), 1)[:, None]).astype(F).ravel()


def counts_of(first, level, p, lk):
    """How many tokens the pooled tokens stand for that begin at `first`."""
    return np.full(len(first), level) if p["tail"] == "replicate" and level > 1 else np.clip(lk - first, 0, level)


def program(m, pair, memory, p, sizes, x):
    heads, kv_heads, lq, lk, d, dv, query_blocks = sizes
    bn = p["blockN"]
    bm, blocks = bn if x == 8 else p["blockM"], cdiv(lk, bn)
    owner = pair // heads * kv_heads + pair % heads // (heads // kv_heads)
    rows, channels = m * bm + np.arange(bm), np.arange(min(d, 64) if x == 17 else d)
    q = load(memory["q"], (pair * lq + rows)[:, None] * d + channels, (rows < lq)[:, None])
    most, total = np.full(bm, -np.inf, F), np.zeros(bm, F)
    acc = np.zeros((bm, dv), F)
    end = blocks
    if p["causal"]:
        reach = (m + 1) * bm + lk - lq
        end = min(blocks, max(0, reach // bn if x == 18 else cdiv(reach, bn)))
    start = 0
    for j in range(end):
        level = int(load(memory["levels"], np.array((pair * query_blocks + m) * blocks + j)))
        begin = start
        if level == 0:
            start += 0 if x == 6 else bn
            continue
        start += bn
        local = np.arange(bn // level)
        at = (owner * blocks * bn + begin) // level + local
        keys = load(memory["keys"][level], at[:, None] * d + channels)
        values = load(memory["values"][level], at[:, None] * dv + np.arange(dv))
        first = j * bn + local * level
        counts = counts_of(first, level, p, lk)
        s = (q @ keys.T) * F(p["scale"] * LOG2E) + np.log2(counts).astype(F)
        if p["causal"]:
            s = np.where((first + counts - 1)[None] <= (rows + lk - lq)[:, None], s, F(-np.inf))
        now = np.maximum(most, s.max(1))
        safe = np.where(np.isfinite(now), now, F(0))
        alpha, weights = np.exp2(most - safe), np.exp2(s - safe[:, None])
        total = total * alpha + weights.sum(1)
        acc = acc * alpha[:, None] + weights @ values
        most = now
    there = total > 0
    out = acc / np.where(there, total, F(1))[:, None]
    lse = np.where(there, (np.where(there, most, F(0)) + np.log2(np.where(there, total, F(1)))) * LN2, F(-np.inf))
    store(memory["out"], (pair * lq + rows)[:, None] * dv + np.arange(dv), out, (rows < lq)[:, None] & np.full((1, dv), True))
    store(memory["lse"], pair * (query_blocks * bm if x == 18 else lq) + rows, lse, rows < lq)


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    used = [int(level) for level in set(levels.flat) - {0}]
    memory = {"q": q.ravel(), "out": np.zeros(batch * heads * lq * dv, F), "lse": np.zeros(batch * heads * lq, F)}
    memory["levels"] = levels.astype("<i8").view("<i4").ravel() if x == 5 else levels.ravel()
    memory["keys"] = {level: pool(k, level, p) for level in used}
    memory["values"] = {level: pool(v, level, p) for level in used}
    block = p["blockN"] if x == 8 else p["blockM"]
    grid = lq // block if x == 7 else cdiv(lq, block)
    for pair in range(batch * heads):
        for m in range(grid):
            program(m, pair, memory, p, (heads, kv_heads, lq, lk, d, dv, levels.shape[2]), x)
    return memory["out"].reshape(batch, heads, lq, dv), memory["lse"].reshape(batch, heads, lq)
