"""Attention with packed heads: the query heads that share a key head walk one list, in which each entry has a bit for each head.

Row i of a query block's pack is token i // group of head i % group. An entry is a key block at a level, with the bits of the
heads that ask for it at that level. `x` is the mistake. With `two` the maxima are found in a pass of their own, and lists are
walked from the end.
"""
import numpy as np

F = np.float32
LN2 = 0.6931471805599453


def pooled(tokens, block, level, p):
    """The rows of a key block at a level: their means, counts and last positions."""
    bn, length = p["blockN"], len(tokens)
    places = np.arange(block * bn, (block + 1) * bn).reshape(-1, level)
    repeats = p["tail"] == "replicate" and level > 1
    real = np.ones_like(places, bool) if repeats else places < length
    there = real.any(axis=1)
    places, real = places[there], real[there]
    counts = real.sum(axis=1)
    weights = real[..., None].astype(F)
    means = (tokens[np.minimum(places, length - 1)] * weights).sum(axis=1, dtype=F) / counts[:, None].astype(F)
    return means, counts, places[:, 0] + counts - 1


def list_of(levels, members):
    """The entries of a query block: (level, key block), and the bits of the heads that ask for them."""
    bits = {}
    for member in range(members):
        for block, level in enumerate(levels[member]):
            if level > 0:
                bits[int(level), block] = bits.get((int(level), block), 0) | 1 << member
    return sorted(bits.items())


class State:
    def __init__(self, rows, channels):
        self.most = np.full(rows, -np.inf, F)
        self.totals = np.zeros((rows, 2), F)  # of the lanes 0 to 3 and 4 to 7 of every 8
        self.acc = np.zeros((rows, channels), F)

    def move(self, most):
        safe = np.where(np.isfinite(most), most, F(0)).astype(F)
        old = np.exp(self.most - safe)
        self.totals, self.acc, self.most = self.totals * old[:, None], self.acc * old[:, None], most
        return safe

    def add(self, s, values):
        safe = self.move(np.maximum(self.most, s.max(axis=1, initial=-np.inf)))
        weights = np.exp(s - safe[:, None])
        half = np.arange(s.shape[1]) % 8 // 4
        self.totals += np.stack([weights[:, half == i].sum(axis=1, dtype=F) for i in (0, 1)], axis=1)
        self.acc += weights @ values


def finish(state, x):
    """Outputs and log-sum-exps of the rows."""
    totals = state.totals if x == 57 else state.totals.sum(axis=1, keepdims=True, dtype=F)
    lane = np.arange(state.acc.shape[1]) % 8 // 4 if x == 57 else np.zeros(state.acc.shape[1], int)
    over = totals[:, lane]
    out = np.where(over > 0, state.acc / np.where(over > 0, over, F(1)), F(0))
    total = totals[:, 0]
    if x == 62:
        return out, np.maximum(state.most, F(-1e4)) + np.log(np.maximum(total, F(1e-6)))
    return out, np.where(total > 0, np.where(total > 0, state.most, F(0)) + np.log(np.where(total > 0, total, F(1))), F(-np.inf))


def scores(pack, member, positions, entry, keys, scale, p, x):
    (level, block), bits = entry
    means, counts, lasts = pooled(keys, block, level, p)
    logs = np.log(counts).astype(F)
    if x == 56 and level > 1:
        logs = logs + F(LN2)
    seen = (bits >> member & 1 == 1)[:, None]
    if p["causal"]:
        seen = seen & (lasts[None] <= positions[:, None])
    return np.where(seen, F(scale) * (pack @ means.T) + logs, F(-np.inf)).astype(F)


def attend(q, k, v, levels, p, x, two=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    group, bm = heads // kv_heads, p["blockM"]
    scale = heads ** -0.5 if x == 53 and not p["given"] else p["scale"]
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((heads, batch, lq) if x == 55 else (batch, heads, lq), F)
    for b, g, m in np.ndindex(batch, kv_heads, levels.shape[2]):
        tokens = np.arange(m * bm, min((m + 1) * bm, lq))
        token, member = np.repeat(tokens, group), np.tile(np.arange(group), len(tokens))
        own = g * group + member
        pack, positions = q[b, own, token], token + lk - lq
        entries = list_of(levels[b, g * group:(g + 1) * group, m], group)[::-1 if two else 1]
        keys = k[b, 0 if x == 62 else g]
        state = State(len(token), dv)
        if two:
            most = np.full(len(token), -np.inf, F)
            for entry in entries:
                most = np.maximum(most, scores(pack, member, positions, entry, keys, scale, p, x).max(axis=1, initial=-np.inf))
            state.most = most
        for entry in entries:
            s = scores(pack, member, positions, entry, keys, scale, p, x)
            if x == 54:
                for i in range(group):  # each head of the pack multiplies with values of its own
                    mine = np.flatnonzero(member == i)
                    part = State(len(mine), dv)
                    part.most, part.totals, part.acc = state.most[mine], state.totals[mine], state.acc[mine]
                    part.add(s[mine], pooled(v[b, (g * group + i) % kv_heads], entry[0][1], entry[0][0], p)[0])
                    state.most[mine], state.totals[mine], state.acc[mine] = part.most, part.totals, part.acc
            else:
                state.add(s, pooled(v[b, g], entry[0][1], entry[0][0], p)[0])
        out[b, own, token], sums = finish(state, x)
        if x == 55:
            lse[own, b, token] = sums
        else:
            lse[b, own, token] = sums
    return out, lse.reshape(batch, heads, lq)
