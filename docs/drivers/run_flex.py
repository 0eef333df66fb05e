"""Runs pyramid attention made of PyTorch's FlexAttention on exported cases: python run_flex.py CASES OUTPUTS [--eager]

Keys and values of all levels stand one after the other in one sequence; a mask lets each query block see, of every key
block, the tokens of the level that was chosen for it, and ln(count) is added to the score of a pooled token. It needs
torch 2.5 or newer, and a GPU unless `--eager` is given.
"""
import sys

from case_files import run_cases
from run_pytorch import runner


def pyramid(x, level, block, tail):
    """Means of `level` tokens of x [batch, heads, tokens, dim], with how many real tokens each stands for."""
    import torch

    tokens, whole = x.shape[2], -(-x.shape[2] // block) * block
    first = torch.arange(0, whole, level, device=x.device)
    if tail == "exact" or level == 1:
        counts = (tokens - first).clamp(0, level)
        padded = torch.nn.functional.pad(x.float(), (0, 0, 0, whole - tokens))
    else:
        counts = torch.full_like(first, level)
        padded = torch.cat([x.float(), x[:, :, -1:].float().expand(-1, -1, whole - tokens, -1)], 2)
    sums = padded.unflatten(2, (-1, level)).sum(3)
    kept = counts > 0
    return (sums[:, :, kept] / counts[kept, None]).to(x.dtype), first[kept], counts[kept]


def concatenated(k, v, levels, parameters):
    """Keys and values of all levels in use, and the level, block, count and last position of each of their tokens."""
    import torch

    block, tail = parameters["blockN"], parameters["tail"]
    used = [int(level) for level in levels.unique() if level > 0] or [1]
    parts = [(level, pyramid(k, level, block, tail), pyramid(v, level, block, tail)) for level in used]
    first = torch.cat([keys[1] for _, keys, _ in parts])
    counts = torch.cat([keys[2] for _, keys, _ in parts])
    level = torch.cat([torch.full_like(keys[1], level) for level, keys, _ in parts])
    tokens = [torch.cat([part[i][0] for part in parts], 2) for i in (1, 2)]
    return tokens, {"level": level, "block": first // block, "counts": counts, "last": first + counts - 1}


def padded(x, tokens, dim):
    """Zeros behind the tokens and the dimensions of x."""
    import torch

    return torch.nn.functional.pad(x, (0, dim - x.shape[3], 0, tokens - x.shape[2]))


def attend(q, k, v, levels, parameters, compiled=True):
    """Pyramid attention; returns out and log-sum-exps."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    (batch, heads, queries, dim), width = q.shape, v.shape[3]
    scale, block, causal = parameters.get("scale", dim**-0.5), parameters["blockM"], parameters["causal"]
    (keys, values), of = concatenated(k, v, levels, parameters)
    rows, columns = (-(-x.shape[2] // 128) * 128 for x in (q, keys))
    size = max(16, 1 << (max(dim, width) - 1).bit_length())
    behind = columns - keys.shape[2]
    level, last = (torch.nn.functional.pad(of[name], (0, behind), value=2**30) for name in ("level", "last"))
    key_block = torch.nn.functional.pad(of["block"], (0, behind))
    bias = torch.nn.functional.pad(of["counts"].double().log().float(), (0, behind))
    # Query blocks behind the last one see nothing.
    seen = torch.nn.functional.pad(levels, (0, 0, 0, -(-rows // block) - levels.shape[2])).long()
    shift = k.shape[2] - queries

    def mask(b, h, i, j):
        chosen = seen[b, h, i // block, key_block[j]] == level[j]
        return chosen & (last[j] <= i + shift) if causal else chosen

    def score(s, b, h, i, j):
        return s + bias[j]

    if compiled:
        torch._dynamo.reset()
    attention = torch.compile(flex_attention, dynamic=False) if compiled else flex_attention
    block_mask = create_block_mask(mask, batch, heads, rows, columns, device=str(q.device))
    out, lse = attention(
        padded(q, rows, size), padded(keys, columns, size), padded(values, columns, size),
        score_mod=score, block_mask=block_mask, scale=scale, enable_gqa=k.shape[1] != heads, return_lse=True,
    )
    return out[:, :, :queries, :width].contiguous(), lse[:, :, :queries].contiguous()


def main(cases, outputs, *options):
    import torch

    eager, device = "--eager" in options, "cuda" if torch.cuda.is_available() else "cpu"
    run_cases(cases, outputs, runner(lambda *call: attend(*call, compiled=not eager), device))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--eager"]):
        sys.exit(__doc__)
    main(*sys.argv[1:])
