"""Attention by parts, as in flash decoding: a normalised output and a log-sum-exp for each key block of a query block, merged in
the end. Keys lose the mean of their head before, which the log-sum-exp gets back.

`x` plants a mistake by its number in statements.json; 0 is right.
"""
import numpy as np

F = np.float32


def pooled(tokens, j, r, p, x):
    """Means of key block j at level r, how many tokens each stands for, and the last place that it covers."""
    length, block = len(tokens), p["blockN"]
    first = np.arange(j * block, (j + 1) * block, r)
    count = np.clip(length - first, 0, r)
    if p["tail"] == "replicate" and r > 1:
        count = np.full(len(first), r)
    if x == 496 and r == 1:
        # The partial block is taken for a whole one; what lies behind the end reads as zeros.
        padded = np.concatenate([tokens, np.zeros((block, tokens.shape[1]), F)])
        return padded[first], np.ones(block, int), first
    first, count = first[count > 0], count[count > 0]
    members = tokens[np.minimum(first[:, None] + np.arange(r), length - 1)]
    members = members * (np.arange(r) < count[:, None])[..., None]
    return members.sum(1) / count[:, None].astype(F), count, first + count - 1


def part_of(queries, keys, values, bias, hidden, x):
    """The normalised output of a part, and its log-sum-exp."""
    scores = np.where(hidden, F(-np.inf), queries @ keys.T + bias)
    most = scores.max(1)
    weights = np.exp(scores - np.where(np.isfinite(most), most, F(0))[:, None])
    total = weights.sum(1)
    lse = np.log(total) if x == 501 else most + np.log(total)
    return weights @ values / np.maximum(total, F(1e-30))[:, None], np.where(total > 0, lse, F(-np.inf))


def merged(parts):
    """One output and one log-sum-exp of all parts of a query block."""
    lses = np.stack([lse for _, lse in parts])
    top = lses.max(0)
    weights = np.exp(lses - np.where(np.isfinite(top), top, F(0)))
    total = weights.sum(0)
    out = sum(weight[:, None] * part for weight, (part, _) in zip(weights, parts))
    seen = total > 0
    lse = np.where(seen, top + np.log(np.maximum(total, F(1e-30))), F(-np.inf))
    return np.where(seen[:, None], out / np.maximum(total, F(1e-30))[:, None], F(0)), lse


def head_of(tensor, b, h, heads, x):
    """The keys or values that a query head reads."""
    batch, kv_heads = tensor.shape[:2]
    flat = tensor.reshape(batch * kv_heads, *tensor.shape[2:])
    if x == 486:
        return flat[(b * kv_heads + h) % len(flat)]
    if x == 504:
        return tensor[(b * heads + h) % batch, 0]
    return tensor[b, min(h // kv_heads, kv_heads - 1) if x == 485 else h // (heads // kv_heads)]


def put_lse(lse, found, rows, p):
    """503: rows of lse are placed as if four warps had 16 rows of 64 each, whatever a query block has."""
    warp, begin = p["blockM"] // 4, rows[0]
    for n, value in enumerate(found):
        at = begin + n // warp * (warp // 2) + n % warp
        if n % warp < warp // 2 and at < len(lse):
            lse[at] = value


def attend_head(q, k, v, levels, p, x):
    """One query head: levels has a row for each query block."""
    lq, lk = len(q), len(k)
    mean = k.mean(0)
    keys, scale = k - mean, F(p["scale"])
    out, lse = np.zeros((lq, v.shape[1]), F), np.full(lq, 0 if x == 503 else -np.inf, F)
    size = p["blockN" if x == 498 else "blockM"]
    block_of = np.minimum(np.arange(lq) // size, len(levels) - 1)
    causal = p["causal"] and not (x == 504 and lk % p["blockN"] == 0)
    for m, row in enumerate(levels):
        rows, parts = np.flatnonzero(block_of == m), []
        if len(rows) == 0 or x == 486 and (m + 1) * p["blockM"] > lq:
            continue
        for j in np.flatnonzero(row > 0):
            means, count, last = pooled(keys, j, row[j], p, x)
            hidden = (last[None, :] > (rows + lk - lq)[:, None]) & bool(causal)
            values = pooled(v, j, row[j], p, x)[0]
            parts.append(part_of(scale * q[rows], means, values, np.log(count).astype(F), hidden, x))
        if len(parts) == 0:
            if x == 503:
                put_lse(lse, np.full(len(rows), -np.inf), rows, p)
            continue
        out[rows], found = merged(parts[:2] if x == 502 else parts)
        if x == 490:
            found = found / F(np.log(2))
        else:
            found = found + scale * (q[rows] @ mean)
        if x == 503:
            put_lse(lse, found, rows, p)
        else:
            lse[rows] = found
    return out, lse


def attend(q, k, v, levels, p, x):
    (batch, heads, lq, _), (_, kv_heads, lk, dv) = q.shape, v.shape
    if x == 495:
        v = np.ascontiguousarray(v).reshape(batch, lk, kv_heads, dv).transpose(0, 2, 1, 3)
    out, lse = np.zeros((batch, heads, lq, dv), F), np.zeros((batch, heads, lq), F)
    for b, h in np.ndindex(batch, heads):
        mine = levels[b, 0 if x == 499 else h]
        found = attend_head(q[b, h], head_of(k, b, h, heads, x), head_of(v, b, h, heads, x), mine, p, x)
        out[b, h], lse[b, h] = found
    if x == 488:
        lse = np.ascontiguousarray(lse.transpose(0, 2, 1)).reshape(batch, heads, lq)
    return out, lse
