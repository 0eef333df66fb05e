"""Attention by key block: every key block is read once, pooled to the levels that are asked for, and added to the query
blocks that see it. The running maximum, sum and output of every row wait in memory between key blocks. `x` is the mistake.
"""
import numpy as np

F = np.float32


def pooled(tokens, j, level, p):
    """The rows of block j at a level, how many tokens each counts, and the last that it covers."""
    bn, length = p["blockN"], len(tokens)
    index = np.arange(j * bn, (j + 1) * bn).reshape(-1, level)
    real = index < length
    if p["tail"] == "replicate" and level > 1:
        real[:] = True
    kept = real.any(axis=1)
    index, real = index[kept], real[kept]
    counts = real.sum(axis=1)
    rows = np.where(real[..., None], tokens[np.minimum(index, length - 1)], F(0)).sum(axis=1, dtype=F)
    return rows / counts[:, None].astype(F), counts, index[:, 0] + counts - 1


def bfloat16(x):
    """Rounded to the nearest bfloat16, ties to even."""
    bits = x.astype(F).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(F)


class State:
    """The running maximum, sum and output of all rows of a head."""

    def __init__(self, rows, channels, x):
        self.most, self.x = np.full(rows, -np.inf, F), x
        self.total, self.acc = np.zeros(rows, F), np.zeros((rows, channels), F)

    def add(self, rows, s, values):
        now = np.maximum(self.most[rows], s.max(axis=1))
        base = np.where(np.isfinite(now), now, F(0)).astype(F)
        old, weights = np.exp(self.most[rows] - base), np.exp(s - base[:, None])
        total = self.total[rows] * old + weights.sum(axis=1, dtype=F)
        self.total[rows] = total.astype(np.float16) if self.x == 11 else total
        self.acc[rows] = self.acc[rows] * old[:, None] + weights @ values
        self.most[rows] = now

    def finish(self):
        seen = self.total > 0
        safe = np.where(seen, self.total, F(1))
        out = self.acc / safe[:, None]
        lse = np.where(seen, np.where(seen, self.most, F(0)) + np.log(safe), F(-np.inf))
        return (bfloat16(out) if self.x == 24 else out), lse


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, _), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, bn, (blocks_q, blocks_k) = p["blockM"], p["blockN"], levels.shape[2:]
    out, lse = np.full((batch, heads, lq, dv), 777, F), np.full((batch, heads, lq), 777, F)
    for b, h in np.ndindex(batch, heads):
        g, state = h * kv_heads // heads, State(lq, dv, x)
        for j in range(blocks_k):
            first = j * bn if x == 20 else j * bn - (lk - lq)
            begin = max(0, first) // bm if p["causal"] else 0
            cache = {}
            for m in range(begin, blocks_q):
                level = int(levels[b, h, m // 2 * 2 if x == 24 else m, j])
                if level == 0:
                    continue
                if level not in cache:
                    keys, counts, lasts = pooled(k[b, g], j, level, p)
                    cache[level] = keys, np.log(counts.astype(F)), lasts, pooled(v[b, g], j, level, p)[0]
                keys, logs, lasts, values = cache[level]
                rows = np.arange(m * bm, min((m + 1) * bm, lq))
                s = F(p["scale"]) * (q[b, h, rows] @ keys.T) + logs
                if p["causal"]:
                    s = np.where(lasts[None] <= (rows + lk - lq)[:, None], s, F(-np.inf))
                state.add(rows, s, values)
        out[b, h], lse[b, h] = state.finish()
    return out, lse
