"""Attention by rows of segments: the key blocks of a query block stand level by level, -1 behind each level, the skipped ones
last. The pyramid is made of running sums of the tokens. A row is cut into parts, which are joined one after the other. `x` is
the mistake."""
import numpy as np

F = np.float32
TILE, LEAST = 64, 16


def e4m3(x):
    """Rounds weights from 0 to 1 to an 8-bit float with three bits of mantissa."""
    exponent = np.floor(np.log2(np.maximum(x, F(2 ** -6))))
    step = np.exp2(exponent - 3)
    return (np.round(x / step) * step).astype(F)


def pool(tokens, level, p, x):
    """All rows of a level, [heads, rows, width], and how many tokens each stands for."""
    bn, length = p["blockN"], tokens.shape[1]
    whole = -(-length // bn) * bn
    first = np.arange(0, whole, level)
    if p["tail"] == "replicate" and level > 1:
        mode = "symmetric" if x == 9 else "edge"
        tokens, counts = np.pad(tokens, ((0, 0), (0, whole - length), (0, 0)), mode), np.full(len(first), level)
    else:
        counts = np.clip(length - first, 0, level)
        tokens = np.pad(tokens, ((0, 0), (0, whole - length), (0, 0)))
    if level == 1:
        return tokens, counts
    sums = np.cumsum(tokens, axis=1, dtype=float)
    before = sums[:, first] if x == 8 else np.where((first > 0)[:, None], sums[:, first - 1], 0)
    return ((sums[:, first + level - 1] - before) / np.maximum(counts, 1)[:, None]).astype(F), counts


def segments_of(levels, top, x):
    """Key blocks by level, -1 behind each level, then those that are skipped."""
    if x == 5 and (levels == 0).any():
        levels = np.where(np.arange(len(levels)) < np.argmax(levels == 0), levels, 0)
    entries, level = [], 1
    while level <= top:
        entries += [*np.flatnonzero(levels == level), -1]
        level *= 2
    return entries + [*np.flatnonzero(levels == 0), -1]


def entries_of(segments, top, p, x):
    """The (key block, level) of a row of segments."""
    entries, level, before = [], 1, 0
    for block in segments:
        if block >= 0 and (level <= top or x == 7):
            entries.append((int(block), min(level, p["blockN"])))
        elif block < 0 and not (x == 6 and before < 0):
            level *= 2
        before = block
    return entries


def tiles_of(entries, pyramid, head, p, x):
    """Keys, values, counts and last positions, at most 64 rows at a time."""
    for block, level in entries:
        keys, values, counts = pyramid[level]
        rows = p["blockN"] // level
        for begin in range(0, rows, TILE):
            end = min(begin + TILE, rows)
            local = np.arange(begin, max(end, begin + LEAST) if x == 10 else end)
            at = block * rows + np.minimum(local, rows - 1)
            own = keys[head, at] if head < len(keys) else np.zeros((len(at), keys.shape[2]), F)
            other = values[head, at] if head < len(values) else np.zeros((len(at), values.shape[2]), F)
            yield level, own, other, counts[at], at * level + counts[at] - 1


def walk(query, tiles, positions, channels, p, x):
    """The output and log-sum-exp of the rows of a query block over one part."""
    most, total = np.full(len(query), -np.inf, F), np.zeros(len(query), F)
    acc = np.zeros((len(query), channels), F)
    for level, keys, values, counts, last in tiles:
        if x == 14 and level > 1:
            keys = keys * F(p["scale"])
        s = F(p["scale"]) * (query @ keys.T) + np.log(counts).astype(F)
        if p["causal"]:
            s = np.where(last[None] <= positions[:, None], s, F(-np.inf))
        now = np.maximum(most, s.max(axis=1))
        safe = np.where(np.isfinite(now), now, F(0)).astype(F)
        old, weights = np.exp(most - safe), np.exp(s - safe[:, None])
        total = total * old + weights.sum(axis=1, dtype=F)
        acc = acc * old[:, None] + (e4m3(weights) if x == 13 else weights) @ values
        most = now
    there = total > 0
    total = np.where(there, total, F(1))
    lse = np.where(there, np.where(there, most, F(0)) + np.log(total), F(-np.inf))
    return acc / total[:, None], lse


def join(parts, x):
    """Joins parts, each an output and a log-sum-exp, in their order."""
    out, lse = parts[0]
    both = lse
    for other, own in parts[1:]:
        both = np.logaddexp(lse, own)
        safe = np.where(np.isfinite(both), both, F(0))
        out = out * np.exp(lse - safe)[:, None] + other * np.exp(own - safe)[:, None]
        lse = lse if x == 12 else both
    return out, both


def attend(q, k, v, levels, p, x, parts):
    (batch, heads, lq, d), (_, kv_heads, lk, dv) = q.shape, v.shape
    group, bm, top = heads // kv_heads, p["blockM"], max(1, int(levels.max()))
    pyramid, level = {}, 1
    while level <= min(2 * top, p["blockN"]):
        keys, counts = pool(k.reshape(-1, lk, d), level, p, x)
        pyramid[level] = keys, pool(v.reshape(-1, lk, dv), level, p, x)[0], counts
        level *= 2
    out, lse = np.zeros((batch, heads, lq, dv), F), np.full((batch, heads, lq), -np.inf, F)
    for b, h, m in np.ndindex(levels.shape[:3]):
        row = levels[b, h // group if x == 11 else h, m]
        entries = entries_of(segments_of(row, top, x), top, p, x)
        if not entries:
            continue
        rows = np.arange(m * bm, min((m + 1) * bm, lq))
        head, each = b * (heads if x == 24 else kv_heads) + h // group, -(-len(entries) // parts)
        done = [walk(q[b, h, rows], tiles_of(entries[at:at + each], pyramid, head, p, x), rows + lk - lq, dv, p, x)
                for at in range(0, len(entries), each)]
        out[b, h, rows], lse[b, h, rows] = join(done, x)
    return out, lse
