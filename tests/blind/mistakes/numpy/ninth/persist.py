"""Attention by programs that stay: work items (batch, head, query block) lie in a queue, the longest lists first, and sixteen
programs take every sixteenth. Tiles have 16 keys; blocks that need no mask come first, then those that do. `x` is the mistake;
with `short` the shortest lists come first."""
import numpy as np

from pooling import F, pooled

PROGRAMS, TILE = 16, 16


def tiles_of(entries, keys, values, p):
    """Keys, values, counts and last positions, 16 rows at a time, of a list of (key block, level)."""
    for block, level in entries:
        means, counts, lasts = pooled(keys, block, level, p)
        own = pooled(values, block, level, p)[0]
        for first in range(0, len(counts), TILE):
            part = slice(first, first + TILE)
            yield means[part], own[part], counts[part], lasts[part]


def is_masked(block, first_position, lk, p):
    """Whether a key block needs a mask for some row of a query block."""
    end = (block + 1) * p["blockN"]
    return end > lk or (p["causal"] and end - 1 > first_position)


def list_of(levels, first_position, lk, p):
    """The entries without a mask and those with one."""
    entries = [(block, int(level)) for block, level in enumerate(levels) if level > 0]
    return [[e for e in entries if is_masked(e[0], first_position, lk, p) == masked] for masked in (False, True)]


class Rows:
    """The running state of the rows of a query block."""

    def __init__(self, count, channels, x):
        self.most, self.total = np.full(count, -np.inf, F), np.zeros(count, F)
        self.acc, self.x = np.zeros((count, channels), F), x

    def add(self, s, values):
        most = np.maximum(self.most, s.max(axis=1, initial=-np.inf))
        safe = np.where(np.isfinite(most), most, F(0)).astype(F)
        old, weights = np.exp(self.most - safe), np.exp(s - safe[:, None])
        self.total = self.total * old + weights.sum(axis=1, dtype=F)
        if self.x == 71:
            row = np.arange(len(old))
            old = old[row - row % 16 // 8 * 8]
        self.acc = self.acc * old[:, None] + self.products(weights.astype(F), values)
        self.most = most

    def products(self, weights, values):
        if self.x != 72:
            return weights @ values
        result = np.zeros_like(self.acc)
        for first in range(0, len(weights), TILE):
            rows = weights[first:first + TILE]
            square = np.zeros((TILE, TILE), F)
            square[:rows.shape[0], :rows.shape[1]] = rows
            padded = np.zeros((TILE, values.shape[1]), F)
            padded[:len(values)] = values
            result[first:first + TILE] = (square.T @ padded)[:len(rows)]
        return result

    def finish(self):
        there = self.total > 0
        total = np.where(there, self.total, F(1))
        lse = np.where(there, np.where(there, self.most, F(0)) + np.log(total), F(-np.inf))
        return np.where(there[:, None], self.acc / total[:, None], F(0)), lse


def attend_block(query, keys, values, lists, positions, p, x):
    rows = Rows(len(query), values.shape[1], x)
    plain, masked = ([*tiles_of(entries, keys, values, p)] for entries in lists)
    for i, (means, own, counts, lasts) in enumerate(plain + masked):
        if x == 74 and i >= len(plain):
            own = np.zeros_like(own)
            other = (plain + masked)[i - len(plain)][1][:len(own)]
            own[:len(other)] = other
        s = F(p["scale"]) * (query @ means.T) + np.log(counts).astype(F)
        if p["causal"]:
            s = np.where(lasts[None] <= positions[:, None], s, F(-np.inf))
        rows.add(s.astype(F), own)
    return rows.finish()


def attend(q, k, v, levels, p, x, short=False):
    (batch, heads, lq, _), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, group, blocks = p["blockM"], heads // kv_heads, levels.shape[2]
    out, lse = np.zeros((batch * heads * lq, dv), F), np.zeros(batch * heads * lq, F)
    flat = levels.reshape(batch * heads * blocks, -1)
    count = batch * heads * (lq // bm) if x == 69 else len(flat)
    queue = sorted(range(count), key=lambda item: (flat[item] > 0).sum() * (1 if short else -1))
    for program in range(PROGRAMS):
        for item in queue[program::PROGRAMS]:
            pair, m = divmod(item, blocks)
            b, h = divmod(pair, heads)
            rows = np.arange(m * bm, min((m + 1) * bm, lq))
            if not (flat[item] > 0).any():
                continue
            numbers = rows // group if x == 73 else rows
            positions = numbers + lk - lq
            lists = list_of(flat[item], positions[0], lk, p)
            at = pair * lq + rows
            kv = (b, h // group)
            out[at], lse[at] = attend_block(q[b, h, rows], k[kv], v[kv], lists, positions, p, x)
    for item in queue:  # items without a list leave early; they come last
        pair, m = divmod(item, blocks)
        if (flat[item] > 0).any():
            continue
        step = blocks * bm if x == 70 else lq
        at = pair * step + np.arange(m * bm, min((m + 1) * bm, step))
        at = at[at < len(lse)]
        out[at], lse[at] = 0, -np.inf
    return out.reshape(batch, heads, lq, dv), lse.reshape(batch, heads, lq)
