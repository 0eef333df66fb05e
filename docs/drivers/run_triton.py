"""Runs the kernels released with the paper on exported cases: python run_triton.py CASES OUTPUTS [new|legacy]

It needs torch, triton and the released package psa_triton, and cases in f16 or bf16. `new` reads segments and key blocks
of 128, 64 or 32 tokens; `legacy` reads levels and key blocks of 128. Cases that a kernel is not made for are left out,
with the reason; verify then calls them missing, so export with a filter, such as --filter "attention D=64". Reading and writing of files needs Python's own modules only.
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
    """Writes tensors, name to (dtype, shape, bytes), as a safetensors file."""
    header, offset = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def reason_to_skip(parameters, tensors, kernel):
    """Why the released kernel can not run a case, or None."""
    levels = {level for (level,) in struct.iter_unpack("<i", tensors["levels"][2])}
    if tensors["q"][0] not in ("F16", "BF16"):
        return "the kernels take f16 and bf16"
    if parameters["headDim"] not in (64, 128) or parameters["valueDim"] != parameters["headDim"]:
        return "the head dimension has to be 64 or 128, for values as well"
    if parameters["causal"]:
        return "these kernels are not causal"
    if not levels <= {0, 1, 2, 4, 8}:
        return "levels above 8"
    if parameters["blockN"] not in ((128, 64, 32) if kernel == "new" else (128,)):
        return f"key blocks of {parameters['blockN']}"
    return None


def run_case(tensors, parameters, kernel):
    """The output of a released kernel as (dtype, shape, bytes)."""
    import torch
    from psa_triton.kernels import psa_sparse_attention, psa_sparse_attention_legacy

    def on_device(name):
        dtype, shape, data = tensors[name]
        flat = torch.frombuffer(bytearray(data), dtype=getattr(torch, TORCH_NAMES[dtype]))
        return flat.reshape(shape).cuda().contiguous()

    q, k, v = on_device("q"), on_device("k"), on_device("v")
    group = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(group, dim=1).contiguous() for x in (k, v))
    factory = psa_sparse_attention if kernel == "new" else psa_sparse_attention_legacy
    attention = factory(parameters["blockM"], parameters["tile"], parameters["blockN"])
    mask = on_device("segments" if kernel == "new" else "levels")
    out = attention(q, k, v, mask, parameters.get("scale")).cpu().contiguous()
    return tensors["q"][0], list(out.shape), bytes(out.view(torch.uint8).numpy())


def main(cases, outputs, kernel="new"):
    with open(os.path.join(cases, "manifest.json")) as file:
        manifest = json.load(file)
    os.makedirs(outputs, exist_ok=True)
    for case in manifest["cases"]:
        if not case["case"].startswith("attention ") or " order=" in case["case"]:
            continue
        tensors, metadata = read_file(os.path.join(cases, case["file"]))
        parameters = json.loads(metadata["parameters"])
        reason = reason_to_skip(parameters, tensors, kernel)
        if reason:
            print(f"left out: {case['case']}: {reason}")
            continue
        stamp = {"case": case["case"], "case_sha256": case["sha256"][case["file"]]}
        write_file(os.path.join(outputs, case["file"]), {"out": run_case(tensors, parameters, kernel)}, stamp)


if __name__ == "__main__":
    main(*sys.argv[1:4])
