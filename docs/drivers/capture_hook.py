"""Captures calls of attention of a running model: wrap what the model calls, and judge the files.

    model.attention = capturing(model.attention, "captures", block_m=128, block_n=64, tile=32, tail="replicate")
    # then: deno task verify --capture captures --diagnose

It needs torch.
"""
import inspect
import itertools
import json
import os

from case_files import torch_entry, write_file

# What a call may be given that belongs to the metadata.
SAID = ("causal", "is_causal", "scale", "sm_scale", "softmax_scale")


def capturing(attention, folder, mask="levels", gradients=False, most=200, **facts):
    """The same as attention, a module or a function of (q, k, v, mask, …), which also writes its calls into a folder.

    mask is "levels" or "segments"; a tuple that attention returns is read as (out, lse). facts are metadata; a scale or
    causal that a call is given is added. Files that are there are kept, so that layers, processes and runs can write
    into one folder. After `most` calls nothing is written. With gradients, a file is written again as soon as the
    backward pass has gone through its call.
    """
    import torch

    os.makedirs(folder, exist_ok=True)
    function = attention.forward if isinstance(attention, torch.nn.Module) else attention
    signature, calls, numbers = inspect.signature(function), itertools.count(), itertools.count()

    @torch.compiler.disable
    def captured(*args, **options):
        if next(calls) >= most:
            return function(*args, **options)
        given = signature.bind(*args, **options)
        names = list(given.arguments)[:4]
        inputs = dict(zip(("q", "k", "v", mask), (given.arguments[name] for name in names)))
        said = {name: given.arguments[name] for name in SAID if name in given.arguments}
        metadata = {name: json.dumps(fact) for name, fact in {**said, **facts}.items()}
        # Copied before the kernel runs, which may write over its inputs.
        entries = {name: torch_entry(x.int() if name == mask else x) for name, x in inputs.items()}
        traced = gradients and torch.is_grad_enabled() and [x for x in inputs.values() if x.requires_grad]
        if traced:
            # Other uses of q, k and v must not add to the gradients of this call.
            for name in names[:3]:
                given.arguments[name] = given.arguments[name].view_as(given.arguments[name])
        result = function(*given.args, **given.kwargs)
        outputs = dict(zip(("out", "lse"), result if isinstance(result, (tuple, list)) else (result,)))
        entries.update((name, torch_entry(x)) for name, x in outputs.items() if isinstance(x, torch.Tensor))
        path = next_path(folder, numbers)
        write_file(path, entries, metadata)
        if traced:
            seen = zip(("dq", "dk", "dv"), (given.arguments[name] for name in names[:3]))
            keep_gradients({**dict(seen), "dout": outputs["out"]}, path, entries, metadata)
        return result

    if function is attention:
        return captured
    attention.forward = captured
    return attention


def keep_gradients(tensors, path, entries, metadata):
    """Adds the gradients of tensors to a file, when the last of them is there."""
    missing = {name for name, tensor in tensors.items() if tensor.requires_grad}

    def keeps(name):
        def keep(gradient):
            entries[name] = torch_entry(gradient)
            missing.discard(name)
            if not missing:
                write_file(path, entries, metadata)

        return keep

    for name in list(missing):
        tensors[name].register_hook(keeps(name))


def next_path(folder, numbers):
    """The path of a file that is not there and that no other process is writing."""
    rank = f"rank-{os.environ['RANK']}-" if "RANK" in os.environ else ""
    while True:
        path = os.path.join(folder, f"{rank}call-{next(numbers):04}.safetensors")
        try:
            os.close(os.open(path + ".part", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        if not os.path.exists(path):
            return path
        os.remove(path + ".part")
