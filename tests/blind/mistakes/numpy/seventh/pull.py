"""Attention in two passes over explicit work lists: the first finds every row's log-sum-exp, the second pulls the values.

The work lists of all heads lie in one array, and `starts` says where those of a head's query blocks begin, M + 1 numbers for
each head. Weights are exp(score - lse), so that the second pass divides by nothing. `x` is the mistake. With `online` the
first pass reads every key once, and lists go from coarse to fine.
"""
import numpy as np

F = np.float32


class Lists:
    """The key blocks of every query block of every head, with their levels."""

    def __init__(self, levels, coarse_first, x):
        heads, blocks_q, _ = levels.shape
        self.entries, self.starts, self.stride = [], [], blocks_q if x == 25 else blocks_q + 1
        for pair in range(heads):
            for row in levels[pair]:
                self.starts.append(len(self.entries))
                listed = [(int(r), j) for j, r in enumerate(row) if r > 0]
                front = [entry for entry in listed if entry[0] == 1]
                back = sorted(entry for entry in listed if entry[0] > 1)
                if x == 31:
                    back = back[:-1]
                self.entries += (front + back)[::-1] if coarse_first else front + back
            self.starts.append(len(self.entries))

    def of(self, pair, m):
        at = pair * self.stride + m
        return self.entries[self.starts[at]:self.starts[at + 1]]


class Level:
    """The pooled rows of one key head at a level, with the tokens that they count and the last that they cover."""

    def __init__(self, tokens, head, ratio, p, x):
        heads, length, channels = tokens.shape
        bn = p["blockN"]
        self.rows, blocks = bn // ratio, -(-length // bn)
        places, repeats = np.arange(blocks * bn), p["tail"] == "replicate" and ratio > 1
        real = np.ones(len(places), F) if repeats or x == 29 else (places < length).astype(F)
        padded = tokens[head][np.minimum(places, length - 1)] * real[:, None]
        if x == 29 and not repeats:
            padded[length:] = 0
        shape, axis = ((blocks, ratio, self.rows), 1) if x == 28 else ((blocks, self.rows, ratio), 2)
        sums = padded.reshape(*shape, channels).sum(axis=axis, dtype=F)
        many = real.reshape(shape).sum(axis=axis, dtype=F)
        self.means = (sums / np.maximum(many, 1)[..., None]).reshape(-1, channels)
        self.counts = real.reshape(blocks * self.rows, ratio).sum(axis=1, dtype=F)
        self.lasts = places[::ratio] + self.counts.astype(int) - 1

    def block(self, j):
        places = np.arange(j * self.rows, (j + 1) * self.rows)
        return places[self.counts[places] > 0]


class Pass:
    """The scores of a query block, key block by key block."""

    def __init__(self, q, keys, lists, p, x):
        self.q, self.keys, self.lists, self.p, self.x = q, keys, lists, p, x

    def rows(self, m):
        return np.arange(m * self.p["blockM"], min((m + 1) * self.p["blockM"], self.q.shape[1]))

    def scores(self, pair, head, m):
        """The level, the places of its rows, and the scores of all listed key blocks."""
        rows = self.rows(m)
        positions = rows + self.p["seqK"] - self.q.shape[1]
        for ratio, j in self.lists.of(pair, m):
            level = self.keys[head][ratio]
            places = level.block(j)
            s = F(self.p["scale"]) * (self.q[pair, rows] @ level.means[places].T) + np.log(level.counts[places])
            ends = level.lasts[places[-1]]
            if self.p["causal"] and ends > positions[-1 if self.x == 30 else 0]:
                s = np.where(level.lasts[places][None] <= positions[:, None], s, F(-np.inf))
            yield ratio, places, s


def finite(x):
    return np.where(np.isfinite(x), x, F(0)).astype(F)


def statistics(passes, pair, head, m, online):
    """The log-sum-exp of the rows of a query block."""
    rows = passes.rows(m)
    most, total = np.full(len(rows), -np.inf, F), np.zeros(len(rows), F)
    if online:
        for _, _, s in passes.scores(pair, head, m):
            now = np.maximum(most, s.max(axis=1))
            total = total * np.exp(most - finite(now)) + np.exp(s - finite(now)[:, None]).sum(axis=1, dtype=F)
            most = now
    else:
        for _, _, s in passes.scores(pair, head, m):
            most = np.maximum(most, s.max(axis=1))
        for _, _, s in passes.scores(pair, head, m):
            total = total + np.exp(s - finite(most)[:, None]).sum(axis=1, dtype=F)
    with np.errstate(divide="ignore"):
        return finite(most) + np.log(total)


def attend(q, k, v, levels, p, x, online=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    pairs, group, blocks_q = batch * heads, heads // kv_heads, levels.shape[2]
    ratios = sorted({int(r) for r in np.unique(levels) if r > 0})
    keys, values = ([{r: Level(t.reshape(-1, lk, t.shape[3]), g, r, p, x) for r in ratios}
                     for g in range(batch * kv_heads)] for t in (k, v))
    passes = Pass(q.reshape(pairs, lq, d), keys, Lists(levels.reshape(pairs, blocks_q, -1), online, x), p, x)
    out, lse = np.zeros((pairs, lq, dv), F), np.zeros((pairs, lq), F)
    stride = blocks_q * p["blockM"] if x == 27 else lq
    kept = np.zeros(pairs * blocks_q * p["blockM"], F)
    kept_at = (lambda pair: pair // group) if x == 26 else (lambda pair: pair)
    for pair, m in np.ndindex(pairs, blocks_q):
        rows = passes.rows(m)
        lse[pair, rows] = statistics(passes, pair, pair // group, m, online)
        kept[kept_at(pair) * lq + rows] = lse[pair, rows]
    for pair, m in np.ndindex(pairs, blocks_q):
        rows = passes.rows(m)
        less = finite(kept[kept_at(pair) * stride + rows])
        for ratio, places, s in passes.scores(pair, pair // group, m):
            out[pair, rows] += np.exp(s - less[:, None]) @ values[pair // group][ratio].means[places]
    return out.reshape(batch, heads, lq, dv), lse.reshape(batch, heads, lq)
