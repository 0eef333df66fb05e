"""Attention over a table in which the levels of a head's pyramid lie one after the other, finest first.

A program takes a query block of all query heads that share a key head; their rows lie one head after the other. It
gathers the table's rows of every block that one of the heads sees, and masks what a head does not. `x` is the mistake.
"""
import numpy as np

F = np.float32


class Table:
    """The pooled rows of one batch entry and key head; `rows(j, level)` are the places of a block's rows."""

    def __init__(self, tokens, ratios, bn, whole, x, values):
        length = len(tokens)
        self.bn, self.parts, self.counts, self.lasts, self.start, self.of = bn, [], [], [], {}, {}
        at, fine, fine_counts = 0, None, None
        for level in ratios:
            firsts = [t for j in range(0, length, bn) for t in range(j, j + bn, level)
                      if t < length or (whole and level > 1)]
            spans = [np.arange(t, t + level if whole and level > 1 else min(t + level, length)) for t in firsts]
            if x == 23 and values and level > 1:
                part = np.array([tokens[min(s[len(s) // 2], length - 1)] for s in spans], F)
            elif x == 19 and level > 1:
                part = self.pairs(tokens, spans, length)
            else:
                part = np.array([tokens[np.minimum(s, length - 1)].mean(axis=0, dtype=F) for s in spans], F)
            self.start[level] = at
            self.of[level] = np.array([t // bn for t in firsts])
            self.parts.append(part.reshape(len(spans), tokens.shape[1]))
            self.counts.append(np.array([len(s) for s in spans], F))
            self.lasts.append(np.array([s[-1] for s in spans]))
            at += length // level if x == 15 else len(spans)
        self.rows_of_table = np.concatenate(self.parts)
        self.counts, self.lasts = np.concatenate(self.counts), np.concatenate(self.lasts)
        self.lengths = {level: len(self.of[level]) for level in ratios}

    def pairs(self, tokens, spans, length):
        """Means by halving: pairs of tokens, pairs of pairs; an odd one goes on as it is."""
        def halve(part):
            while len(part) > 1:
                whole = len(part) // 2 * 2
                halves = (part[0:whole:2] + part[1:whole:2]) * F(0.5)
                part = np.concatenate([halves, part[whole:]])
            return part[0]
        return np.array([halve(tokens[np.minimum(s, length - 1)].astype(F)) for s in spans], F)

    def rows(self, j, level):
        return self.start[level] + np.flatnonzero(self.of[level] == j)


def softmax(q, keys, values, counts, seen, scale):
    """Output and lse of rows that see some of the keys: the largest score first, then the sums."""
    s = F(scale) * (q @ keys.T) + np.log(counts)
    s = np.where(seen, s, F(-np.inf))
    most = s.max(axis=1, initial=-np.inf)
    base = np.where(np.isfinite(most), most, F(0)).astype(F)
    weights = np.exp(s - base[:, None])
    total = weights.sum(axis=1, dtype=F)
    some = total > 0
    safe = np.where(some, total, F(1))
    return weights @ values / safe[:, None], np.where(some, base + np.log(safe), F(-np.inf))


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    group, bm, blocks = heads // kv_heads, p["blockM"], levels.shape[3]
    out, lse = np.full((batch, heads, lq, dv), 777, F), np.full((batch, heads, lq), 777, F)
    ratios = sorted({int(r) for r in np.unique(levels) if r > 0})
    flat = levels.reshape(-1, levels.shape[2], blocks)
    for b, g in np.ndindex(batch, kv_heads):
        whole = p["tail"] == "replicate"
        keys = Table(k[b, g], ratios, p["blockN"], whole, x, False)
        values = Table(v[b, g], ratios, p["blockN"], whole, x, True)
        mine = range(g, heads, kv_heads) if x == 23 else range(g * group, (g + 1) * group)
        for m in range(levels.shape[2]):
            lines = [flat[b * (kv_heads if x == 17 else heads) + h, m] for h in mine]
            rows = np.arange(m * bm, min((m + 1) * bm, lq))
            wanted = [(j, r) for r in ratios for j in range(blocks) if any(line[j] == r for line in lines)]
            places = np.concatenate([keys.rows(j, r) for j, r in wanted] or [np.zeros(0, int)])
            own = [np.concatenate([np.full(len(keys.rows(j, r)), line[j] > 0 if x == 18 else line[j] == r)
                                   for j, r in wanted] or [np.zeros(0, bool)]) for line in lines]
            lasts = np.concatenate([keys.lasts[keys_of(keys, j, r)] for j, r in wanted] or [np.zeros(0, int)])
            counts = np.concatenate([keys.counts[keys_of(keys, j, r)] for j, r in wanted] or [np.zeros(0, F)])
            reach = lasts[None, :] <= (rows + lk - lq)[:, None] if p["causal"] else np.ones((len(rows), len(places)), bool)
            seen = np.concatenate([line[None, :] & reach for line in own])
            packed = np.concatenate([q[b, h, rows] for h in mine])
            o, s = softmax(packed, keys.rows_of_table[places], values.rows_of_table[places], counts, seen, p["scale"])
            if x == 16:  # unpacked as if the heads of a row lay side by side
                o, s = o.reshape(len(rows), group, dv).swapaxes(0, 1), s.reshape(len(rows), group).T
            else:
                o, s = o.reshape(group, len(rows), dv), s.reshape(group, len(rows))
            for i, h in enumerate(mine):
                out[b, h, rows], lse[b, h, rows] = o[i], s[i]
    return out, lse


def keys_of(table, j, level):
    """Where counts and last tokens of a block's rows lie; these do not depend on where the level is thought to start."""
    levels = list(table.lengths)
    before = sum(table.lengths[r] for r in levels[:levels.index(level)])
    return before + np.flatnonzero(table.of[level] == j)
