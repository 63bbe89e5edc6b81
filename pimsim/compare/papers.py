"""What the papers' headline tables are made of."""

from __future__ import annotations

from pimsim.compare.paper import Claim, Plan, Point, Setting

_GPT = ("gpt2-small", "gpt2-medium", "gpt2-large", "gpt2-xl", "gpt3-small", "gpt3-medium", "gpt3-large", "gpt3-xl")
_NO_CACHE = "execution.kv_cache=false"
_PIM_GPT = Setting("pim-gpt", "as shipped")
_T4 = (
    Setting("gpu-t4", "eager, KV cache"),
    Setting("gpu-t4", "eager, no KV cache", (_NO_CACHE,)),
    Setting("gpu-t4", "CUDA graphs, fused attention", ("execution.mode=graph", "execution.attention=fused")),
)
_XEON = (
    Setting("cpu-xeon-6154", "eager fp32, KV cache"),
    Setting("cpu-xeon-6154", "eager fp32, no KV cache", (_NO_CACHE,)),
)
_OVER = {
    "gpu-t4": ("T4", (41.0, 137.0), (123.0, 383.0)),
    "cpu-xeon-6154": ("Xeon Gold 6154", (631.0, 1074.0), (320.0, 602.0)),
}


def _pim_gpt_claims() -> tuple[tuple[Setting, Claim, Setting], ...]:
    claims = []
    for settings in (_T4, _XEON):
        name, speed, energy = _OVER[settings[0].system]
        for what, (low, high) in (("speed-up", speed), ("energy efficiency", energy)):
            claims += [(_PIM_GPT, Claim(what, name, low, high), setting) for setting in settings]
    return tuple(claims)


_NEUPIMS = Setting("neupims", "sub-batches from 256 requests on", ("scheduler.sub_batches=auto",))
_NAIVE = Setting("npu-pim", "one row buffer, no sub-batches", ("scheduler.sub_batches=off",))
_NPU = Setting("npu-only", "attention streams K and V over the pins")
_GPU = Setting("gpu-a100-40", "eager, separate attention", ("execution.mode=eager", "execution.attention=separate"))
_GPU_GRAPH = Setting("gpu-a100-40", "CUDA graphs, fused attention")


def _neupims_points() -> tuple[Point, ...]:
    """Points of the paper's grid that take minutes, not hours; a model is spread over as many GPUs as the paper's NeuPIMs devices."""
    grid = (("7b", "alpaca", 256, 4), ("7b", "sharegpt", 64, 4), ("7b", "sharegpt", 256, 4), ("13b", "sharegpt", 256, 4))
    return tuple(
        Point(f"GPT3-{model.upper()}, {dataset}, batch {batch}", f"gpt3-{model}-{dataset}",
              (f"workload.arrivals.warm={batch}", "workload.iterations=1"), (f"execution.devices={devices}",))
        for model, dataset, batch, devices in grid
    )  # fmt: skip


PLANS: dict[str, Plan] = {
    "pim-gpt": Plan(
        "PIM-GPT over GPU and CPU, eight models, 1,024 tokens",
        "Wu et al., arXiv 2310.09385v2; npj Unconventional Computing 1, 4 (2024)",
        _PIM_GPT,
        tuple(Point(model, model) for model in _GPT),
        _pim_gpt_claims(),
        (
            "The paper prints ranges over its eight models, and neither times nor software of its T4 and Xeon. What they ran "
            "decides: with a KV cache a Xeon at its memory bandwidth needs 0.1 s a token of GPT-2 XL, and only recomputing all "
            "tokens at every step, as a generation loop without a cache does, makes it as slow as the paper's 631 to 1,074 x ask "
            "for. The T4's range fits the same.",
            "Speed and energy over the Xeon do not come out together: 320 to 602 x the energy at 631 to 1,074 x the time is a CPU "
            "that draws half of what PIM-GPT does, some 10 W, where a Xeon Gold 6154 has a limit of 200 W and is taken at 45 % of "
            "it and more. The energy would be that of a run with a KV cache, the time that of one without. Over the T4 they are "
            "consistent: 2.8 to 3.0 times PIM-GPT's power.",
            "GPU constants are calibrated on an H200 and an A100 and assumed to hold on a T4; those of the CPU are assumed "
            "(docs/baselines.md).",
            "PIM-GPT's time is simulated, and above the paper's own bound by 1.3 to 1.9 x (docs/validation.md): ratios fall by as "
            "much.",
        ),
    ),
    "neupims": Plan(
        "NeuPIMs over GPU, NPU, and NPU with PIM: tokens a second",
        "Heo et al., ASPLOS 2024, arXiv 2403.00579",
        _NEUPIMS,
        _neupims_points(),
        (
            (_NEUPIMS, Claim("speed-up", "GPU-only (A100 40 GB)", mean=3.0), _GPU),
            (_NEUPIMS, Claim("speed-up", "GPU-only (A100 40 GB)", mean=3.0), _GPU_GRAPH),
            (_NEUPIMS, Claim("speed-up", "NPU-only", mean=2.4), _NPU),
            (_NEUPIMS, Claim("speed-up", "naive NPU+PIM", low=1.13, high=3.0, mean=1.6), _NAIVE),
            (_NAIVE, Claim("speed-up", "NPU-only (of naive NPU+PIM)", mean=1.5), _NPU),
            (_NEUPIMS, Claim("energy efficiency", "NPU-only", mean=1 / 0.75), _NPU),
        ),
        (
            "The paper averages over four models, two data sets and batches of 64 to 512, ten sampled batches each; here are four of these "
            "points, one sample and one iteration from a warm batch each.",
            "GPU-only is as many A100s as NeuPIMs has devices, tensor parallel, with no time for communication, as for NeuPIMs itself. An "
            "A100 has 1.5 times the bandwidth of NeuPIMs' pins: with CUDA graphs and fused attention it keeps up with it, and only what "
            "eager PyTorch's host costs makes it slower. The paper does not say which kernels its GPU ran, nor their times.",
            "The naive NPU+PIM system and NPU-only are pimsim's own (docs/neupims.md): attention on the NPU streams K and V as fast as "
            "the pins let it. The authors' simulator runs it one product after the other, several times slower than the memory allows: "
            "npu-only-authors reproduces that, and NeuPIMs is 7.6 x faster than it (GPT3-7B, ShareGPT, batch 256) instead of 1.8 x.",
            "The paper's 25 % less energy is the memory's (1.8 times the power at 2.4 times the speed); ours is the whole device's.",
        ),
    ),
}
