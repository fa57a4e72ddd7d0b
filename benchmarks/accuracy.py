"""How far a decoding step is from float32, with the Triton kernels and without, and which kernels computed it.

    python -m benchmarks.accuracy [--shape chatglm|chatglm3|glm4] [--layers N] [--hidden 4096] [--rows 1 16] [--scale 1.0]

Random weights of `--scale` / sqrt(inputs): small enough that half precision follows float32, which the first column shows
(at 3, decoders with RMSNorm are chaotic, and any two ways differ). Every way is fed the same prompts and the same tokens
behind them; compared are the logits of the last step. Distances are in parts of the logits' own spread.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks.decoding import LAYERS, begin, launched, plain, prepare
from glm_core.generation.decode import DecodeRunner
from glm_core.models.kernels import dispatch
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session

STEPS = 8


def rescale(session: Session, scale: float) -> None:
    """Give the matrices of the model that scale."""
    for parameter in session.loaded.model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(scale / 3)  # `decoding.prepare` made them for 3


def last_logits(session: Session, rows: int) -> torch.Tensor:
    """Logits (B, V) in float32 after prompts and `STEPS` given tokens."""
    choice = ServedModel(session.info.name, session.info.name, Path("nowhere"))
    with launched(), torch.inference_mode():
        begin(session, [choice], rows, STEPS + 4)
        runner: DecodeRunner = next(iter(session.batches.values())).runner
        for number in range(STEPS):
            runner.next_ids()[:, 0] = torch.arange(rows, device=session.loaded.model.device) * 31 + number + 100
            logits = runner.step().float()
        session.clear("cancelled")
    return logits


def kernels_of(session: Session, rows: int) -> str:
    """The project's own kernels in a step, with how often each was launched, and how many others."""
    if session.loaded.model.device.type != "cuda":
        return "none (no GPU)"
    from torch.profiler import ProfilerActivity, profile

    choice = ServedModel(session.info.name, session.info.name, Path("nowhere"))
    with launched(), torch.inference_mode():
        begin(session, [choice], rows, STEPS)
        session.step()
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
            session.step()
            torch.cuda.synchronize()
        session.clear("cancelled")
    names = own_names()
    launches = [entry for entry in found.key_averages() if entry.self_device_time_total > 0]
    own = {entry.key: entry.count for entry in launches if entry.key in names}
    others = sum(entry.count for entry in launches if entry.key not in names)
    listed = ", ".join(f"{name} x{count}" for name, count in sorted(own.items(), key=lambda one: -one[1]))
    return f"{listed or 'none of ours'}; {others} of libraries"


def own_names() -> set[str]:
    """Names of the project's kernels."""
    if dispatch._checked() is None:
        return set()
    from triton.runtime.jit import JITFunction

    from glm_core.models.kernels import decoder, products, triton

    return {
        name
        for module in (triton, products, decoder)
        for name, one in vars(module).items()
        if isinstance(one, JITFunction)
    }


def distance(found: torch.Tensor, exact: torch.Tensor) -> float:
    return ((found - exact).std() / exact.std()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--shape", choices=LAYERS, default="chatglm3")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    layers = options.layers or LAYERS[options.shape]
    session = prepare(options.hidden, layers, device, options.shape)
    rescale(session, options.scale)
    session.loaded.model.bfloat16()
    print(
        f"{options.shape}, hidden {options.hidden}, {layers} layers, scale {options.scale}; {name}, torch {torch.__version__}"
    )
    ways = {"kernels": nullcontext, "plain": plain}
    found = {(way, rows): None for way in ways for rows in options.rows}
    for way, within in ways.items():
        for rows in options.rows:
            with within():
                found[way, rows] = last_logits(session, rows)
    ran = {rows: kernels_of(session, rows) for rows in options.rows}
    session.loaded.model.float()
    print(
        "\n| rows | bfloat16 plain from float32 | kernels from float32 | kernels from plain | same choice as float32: plain, kernels |"
    )
    print("|---|---|---|---|---|")
    for rows in options.rows:
        with plain():
            exact = last_logits(session, rows)
        usual, ours = found["plain", rows], found["kernels", rows]
        same = [int((one.argmax(-1) == exact.argmax(-1)).sum()) for one in (usual, ours)]
        print(
            f"| {rows} | {distance(usual, exact):.4f} | {distance(ours, exact):.4f} | {distance(ours, usual):.4f} | {same[0]}, {same[1]} of {rows} |"
        )
    for rows, listed in ran.items():
        print(f"\nkernels of a step of {rows}: {listed}")


if __name__ == "__main__":
    main()
