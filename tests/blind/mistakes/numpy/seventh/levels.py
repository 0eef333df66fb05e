"""Attention as one masked dense product for each level: the state of all rows waits between the levels.

The rows of the query heads that share a key head are packed, the head changing fastest: row i is token i // group of head
i % group. The mean of all keys is subtracted from the keys, which changes each score of a row by the same number and leaves
smaller numbers to multiply; the log-sum-exp gets it back at the end. Scores are in base 2. `x` is the mistake. With `lazy`
levels go from coarse to fine, and sums are rescaled only where the maximum grows by more than 8.
"""
import numpy as np

F = np.float32
LOG2E, LN2 = 1.4426950408889634, 0.6931471805599453
GROWTH = 8


class Level:
    """The rows of all key blocks at a level."""

    def __init__(self, k, v, middle, ratio, p, x):
        length, bn = len(k), p["blockN"]
        padded = -(-length // bn) * bn
        windows = np.arange(padded).reshape(-1, ratio)
        repeats = p["tail"] == "replicate" and ratio > 1
        real = np.ones_like(windows, bool) if repeats else windows < length
        there = real.any(axis=1)
        windows, real = windows[there], real[there]
        self.counts, self.blocks = real.sum(axis=1), windows[:, 0] // bn
        self.lasts = windows[:, 0] + self.counts - 1
        places, weights = np.minimum(windows, length - 1), real[..., None].astype(F)
        many = self.counts[:, None].astype(F)
        self.keys = ((k[places] - middle) * weights).sum(axis=1, dtype=F) / many
        self.values = (v[places] * weights).sum(axis=1, dtype=F)
        if x != 35:
            self.values = self.values / many
        if x == 37:
            self.keys, self.values = (self.running(t[places], real) for t in (k - middle, v))

    @staticmethod
    def running(tokens, real):
        """Means that are updated by half of each further token."""
        mean = tokens[:, 0]
        for t in range(1, real.shape[1]):
            mean = np.where(real[:, t, None], (mean + tokens[:, t]) * F(0.5), mean)
        return mean


class State:
    """Reference, sum and weighted values of all packed rows."""

    def __init__(self, rows, channels, lazy, x):
        self.base, self.total = np.full(rows, -np.inf, F), np.zeros(rows, F)
        self.acc, self.lazy, self.x = np.zeros((rows, channels), F), lazy, x

    def add(self, s, values):
        now = np.maximum(self.base, s.max(axis=1, initial=-np.inf))
        grown = ~(now - self.base <= GROWTH) if self.lazy else np.ones(len(now), bool)
        moved = np.where(grown, now, self.base)
        safe = np.where(np.isfinite(moved), moved, F(0)).astype(F)
        old = np.where(grown, np.exp2(self.base - safe), F(1)).astype(F)
        if self.x == 34:  # the reference follows the maximum, though nothing is rescaled
            moved = now
            safe = np.where(np.isfinite(moved), moved, F(0)).astype(F)
        weights = np.exp2(s - safe[:, None])
        self.total = self.total * old + weights.sum(axis=1, dtype=F)
        self.acc = self.acc * old[:, None] + weights @ values
        self.base = moved


def attend(q, k, v, levels, p, x, lazy=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    group, bm = heads // kv_heads, p["blockM"]
    lazy = lazy or x == 34
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    packed = np.arange(lq * group)
    token, member = packed // group, packed % group
    asked = (packed % lq, packed // lq) if x == 36 else (token, member)
    position = (packed if x == 32 else token) + lk - lq
    ratios = sorted({int(r) for r in np.unique(levels) if r > 0}, reverse=lazy)
    for b, g in np.ndindex(batch, kv_heads):
        own = np.arange(g * group, (g + 1) * group)
        rows = q[b, own][member, token]
        chosen = levels[b, own][asked[1], asked[0] // bm]
        middle = k[b, g].mean(axis=0, dtype=F)
        state = State(len(packed), dv, lazy, x)
        for ratio in ratios:
            level = Level(k[b, g], v[b, g], middle, ratio, p, x)
            seen = chosen[:, level.blocks] == ratio
            if p["causal"]:
                seen = seen & (level.lasts[None] <= position[:, None])
            s = rows @ level.keys.T * F(p["scale"] * LOG2E) + np.log2(level.counts).astype(F)
            state.add(np.where(seen, s, F(-np.inf)).astype(F), level.values)
        some = state.total > 0
        safe = np.where(some, state.total, F(1))
        sums = np.where(some, state.base, F(0)) + np.log2(safe)
        back = F(0) if x == 33 else F(p["scale"]) * (rows @ middle)
        out[b, own[member], token] = state.acc / safe[:, None]
        lse[b, own[member], token] = np.where(some, sums * F(LN2) + back, F(-np.inf))
    return out, lse
