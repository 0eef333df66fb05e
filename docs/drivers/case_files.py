"""Reads cases and writes outputs as safetensors files with Python's own modules; tensors are (dtype, shape, bytes).

The drivers for PyTorch, FlexAttention and the released kernels are made of it; keep it beside them.
"""
import json
import os
import struct
import sys

TORCH_NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64", "I32": "int32"}


def read_file(path):
    """The tensors of a safetensors file by name, as (dtype, shape, bytes), and its metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
    return tensors, metadata


def write_file(path, tensors, metadata):
    """Writes tensors, name to (dtype, shape, bytes), as a safetensors file; a file that is there is whole."""
    header, offset = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)
    os.replace(path + ".part", path)


def run_cases(cases, outputs, run, cannot=lambda parameters: None, contract=None):
    """Writes what run(tensors, parameters) gives, name to (dtype, shape, bytes), for every case of attention.

    Cases for which cannot(parameters) gives (option, value, why) are left out, and outputs/declares.json says so, as
    well as that other stages are not there. With the contract "aligned", cases that break it are not run either.

    A case that ends in an error is noted in outputs/failed.txt and has no output: verify calls it missing. The program
    then starts anew behind it, because a GPU may be of no use after a fault, and ends with exit code 1.
    """
    attention = attention_cases(cases)
    os.makedirs(outputs, exist_ok=True)
    failed, left_out = failures(outputs), {}
    for case in attention:
        tensors, metadata = read_file(os.path.join(cases, case["file"]))
        parameters, path = json.loads(metadata["parameters"]), os.path.join(outputs, case["file"])
        reason = cannot(parameters)
        if reason:
            option, value, why = reason
            values = left_out.setdefault((option, why), [])
            if value not in values:
                values.append(value)
            continue
        breaks = contract == "aligned" and not parameters["options"]["aligned"]
        if breaks or case["case"] in failed or (failed and os.path.exists(path)):
            continue
        stamp = {"case": case["case"], "case_sha256": case["sha256"][case["file"]]}
        try:
            write_file(path, run(tensors, parameters), stamp)
        except Exception as error:
            restart(outputs, case["case"], error)
    declare(outputs, left_out, contract)
    if failed:
        sys.exit(f"{len(failed)} of {len(attention)} cases ended in an error; {outputs}/failed.txt says which.")


def attention_cases(folder):
    """The cases of attention that a folder's manifest lists; ends the program with a sentence if it holds none to read."""
    path = os.path.join(folder, "manifest.json")
    if not os.path.exists(path):
        sys.exit(f"There is no {path}; export cases first: deno task export --out {folder} --filter attention")
    with open(path) as file:
        cases = [case for case in json.load(file)["cases"] if case["case"].startswith("attention ")]
    if any(case["file"].endswith(".json") for case in cases):
        sys.exit(f"{folder} has the raw format, which raw_cases.py reads; this driver reads cases exported without --format.")
    return cases


def failures(outputs):
    """The cases that ended in an error, when this program was started anew behind them."""
    path = os.path.join(outputs, "failed.txt")
    if os.environ.get("CASES_GO_ON") != "1" or not os.path.exists(path):
        return set()
    with open(path) as file:
        return {line.split("\t")[0] for line in file}


def restart(outputs, case, error):
    """Notes an error and starts the program anew."""
    text = f"{type(error).__name__}: {error}".split("\n")[0]
    with open(os.path.join(outputs, "failed.txt"), "a" if failures(outputs) else "w") as file:
        file.write(f"{case}\t{text}\n")
    print(f"failed: {case}: {text}", flush=True)
    os.environ["CASES_GO_ON"] = "1"
    os.execv(sys.executable, [sys.executable] + sys.argv)


def declare(outputs, left_out, contract):
    """Writes what was left out, {(option, why): values}."""
    cannot = [{"option": option, "values": values, "why": why} for (option, why), values in left_out.items()]
    declared = {"stages": ["attention"], "cannot": cannot}
    if contract:
        declared["contract"] = contract
    with open(os.path.join(outputs, "declares.json"), "w") as file:
        json.dump(declared, file, indent=1)


def arranged_inputs(tensors, device):
    """q, k and v as PyTorch tensors in the order in which attention sees them, and a function that undoes the order."""
    import torch

    q, k, v = (torch_tensor(tensors[name], device) for name in ("q", "k", "v"))
    if "order" not in tensors:
        return q, k, v, lambda result: result
    order = torch_tensor(tensors["order"], device).long()

    def whole(count):
        """The order of all tokens: those behind the ordered ones stay where they are."""
        return torch.cat([order, torch.arange(len(order), count, device=device)])

    q, k, v = (x.index_select(2, whole(x.shape[2])) for x in (q, k, v))
    return q, k, v, lambda result: result.index_select(2, torch.argsort(whole(result.shape[2])))


def torch_tensor(entry, device):
    """A tensor of PyTorch from (dtype, shape, bytes)."""
    import torch

    dtype, shape, data = entry
    flat = torch.frombuffer(bytearray(data), dtype=getattr(torch, TORCH_NAMES[dtype]))
    return flat.reshape(shape).to(device)


def torch_entry(tensor):
    """(dtype, shape, bytes) of a tensor of PyTorch."""
    import torch

    named = [name for name, own in TORCH_NAMES.items() if getattr(torch, own) == tensor.dtype]
    if not named:
        sys.exit(f"A tensor is of {tensor.dtype}; it should be one of {', '.join(TORCH_NAMES.values())}.")
    (dtype,) = named
    flat = tensor.detach().cpu().contiguous().flatten()
    return dtype, list(tensor.shape), flat.view(torch.uint8).numpy().tobytes()
