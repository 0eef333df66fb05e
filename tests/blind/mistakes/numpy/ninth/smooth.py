"""Attention with smoothed inputs: keys lose the mean of their head, queries that of their block, values that of their head, and
all get back what they lost. Keys of a block are divided by a power of two, the block's scale. Three parts of a list are worked
on apart, and a second kernel joins them by their log-sum-exps. `x` is the mistake; with `tree` parts are joined in pairs."""
import numpy as np

from pooling import F, pooled

PARTS, LOG_448 = 3, F(np.log(448))


def power_above(a):
    """The smallest power of two that no magnitude exceeds."""
    most = float(np.abs(a).max(initial=0))
    return F(2.0 ** np.ceil(np.log2(most))) if most > 0 else F(1)


class Keys:
    """Keys of all heads without their means, with the scales of their blocks; values without theirs."""

    def __init__(self, k, v, p):
        (self.batch, self.heads, self.length, _), bn = k.shape, p["blockN"]
        self.whole = k
        self.mean, self.value_mean = (a.mean(axis=2, keepdims=True, dtype=F) for a in (k, v))
        self.keys, self.values = k - self.mean, v - self.value_mean
        self.blocks = -(-self.length // bn)
        self.scales = np.array([power_above(self.keys[b, g, j * bn:(j + 1) * bn])
                                for b, g, j in np.ndindex(self.batch, self.heads, self.blocks)], F)

    def scale_at(self, b, g, block, step):
        place = (b * self.heads + g) * step + block
        return self.scales[place] if place < len(self.scales) else F(1)

    def rows(self, b, g, block, level, p, x):
        """Pooled keys, values, counts, last positions and the factor of the scores of an entry."""
        means, counts, lasts = pooled(self.keys[b, g], block, level, p)
        if x == 77 and level > 1:
            means = pooled(self.whole[b, g], block, level, p)[0]
        stored = means / self.scale_at(b, g, block, self.blocks)
        step = self.length // p["blockN"] if x == 76 else self.blocks
        values = pooled(self.values[b, g], block, level, p)[0]
        return stored, values, counts, lasts, self.scale_at(b, g, block, step)


def attend_part(query, mean, entries, scale, positions, p):
    """Output and log-sum-exp of a part of a list, relative to smoothed keys."""
    none = np.zeros((len(query), 0), F)
    if not entries:
        return None, np.full(len(query), -np.inf, F)
    scores, values = [none], []
    for keys, own, counts, lasts, factor in entries:
        s = scale * factor * (query @ keys.T + (mean @ keys.T)[None]) + np.log(counts).astype(F)
        scores.append(np.where(lasts[None] <= positions[:, None], s, F(-np.inf)) if p["causal"] else s)
        values.append(own)
    s, values = np.concatenate(scores, axis=1).astype(F), np.concatenate(values)
    most = s.max(axis=1, initial=-np.inf)
    safe = np.where(np.isfinite(most), most, F(0)).astype(F)
    weights = np.exp(s - safe[:, None])
    total = weights.sum(axis=1, dtype=F)
    over = np.where(total > 0, total, F(1))
    lse = np.where(total > 0, safe + np.log(over), F(-np.inf)).astype(F)
    return (weights @ values) / over[:, None], lse


def joined(outs, lses, tree):
    """Outputs of parts with their log-sum-exps, [part, row, channel] and [part, row], as one."""
    if tree:
        out, lse = outs[0], lses[0]
        for other, more in zip(outs[1:], lses[1:]):
            out, lse = joined(np.stack([out, other]), np.stack([lse, more]), False)
        return out, lse
    most = lses.max(axis=0)
    safe = np.where(np.isfinite(most), most, F(0)).astype(F)
    shares = np.exp(lses - safe)
    total = shares.sum(axis=0, dtype=F)
    over = np.where(total > 0, total, F(1))
    out = (shares[..., None] * outs).sum(axis=0, dtype=F) / over[:, None]
    return out, np.where(total > 0, safe + np.log(over), F(-np.inf)).astype(F)


def attend(q, k, v, levels, p, x, tree=False):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    bm, group = p["blockM"], heads // kv_heads
    packed = x == 82 and not p["given"]
    scale = F((d * (heads + 2 * kv_heads) / heads) ** -0.5 if packed else p["scale"])
    smoothed = Keys(k, v, p)
    outs = np.zeros((PARTS, batch * heads, lq, dv), F)
    lses = np.full((PARTS, batch * heads, lq), -np.inf, F)
    for b, h, m in np.ndindex(*levels.shape[:3]):
        rows, g, pair = slice(m * bm, min((m + 1) * bm, lq)), h // group, b * heads + h
        positions = np.arange(rows.start, rows.stop) + lk - lq
        mean = q[b, h, rows].mean(axis=0, dtype=F)
        query = q[b, h, rows] - mean
        if x == 75:
            mean = q[b, h, :bm].mean(axis=0, dtype=F)
        listed = [(j, int(level)) for j, level in enumerate(levels[b, h, m]) if level > 0]
        cuts = [len(listed) * n // PARTS for n in range(PARTS + 1)]
        for n in range(PARTS):
            entries = [smoothed.rows(b, g, j, level, p, x) for j, level in listed[cuts[n]:cuts[n + 1]]]
            out, lse = attend_part(query, mean, entries, scale, positions, p)
            lses[n, pair, rows] = lse
            if out is not None:
                outs[n, pair, rows] = out
    read = lses.reshape(batch * heads, PARTS, lq).transpose(1, 0, 2) if x == 78 else lses
    result, sums = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    for b, h in np.ndindex(batch, heads):
        pair, g = b * heads + h, h // group
        out, lse = joined(outs[:, pair], np.ascontiguousarray(read[:, pair]), tree)
        there = np.isfinite(lse) | (x == 84)
        to = 0 if x == 84 else b
        result[to, h] = out + np.where(there[:, None], smoothed.value_mean[b, g], F(0))
        sums[b, h] = lse + scale * (q[b, h] @ smoothed.mean[b, g, 0]) + (LOG_448 if x == 82 else F(0))
    return result, sums
