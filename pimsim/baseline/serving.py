"""Requests on a GPU or CPU: iteration-level batching (Orca, OSDI 2022), one token of every request in service a pass.

A request joins with the next pass once it has come and the memory holds the KV cache of all its tokens, and leaves with its last. Its
prompt goes through with the pass that it joins, unless prompts are done elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pimsim.baseline.machine import Run, fit, timed
from pimsim.baseline.work import Builder, Made, Pass, Work, batched, grouped, made
from pimsim.config.baseline import BaselineConfig
from pimsim.model.trace import Step, Trace


@dataclass(frozen=True)
class Request:
    """A request: when it comes, tokens of its prompt (all that it has, where it is in service already), tokens to generate."""

    arrival_s: float
    prompt: int
    output: int


@dataclass(frozen=True)
class Model:
    """What is served: the step of a token at a context (the token that generates, or one of a prompt), bytes of its weights and of a
    token of its KV cache."""

    name: str
    decode: Callable[[int], Step]
    prefill: Callable[[int], Step]
    weight_bytes: int
    kv_bytes_per_token: int


def serve(config: BaselineConfig, model: Model, requests: Sequence[Request], *, prompts_elsewhere: bool, iterations: int | None,
          progress: Callable[[int, int], None] | None = None) -> Run:  # fmt: skip
    """Serve ``requests`` (in the order of their arrival) until they are done, or for so many iterations.

    Raises:
        InputError: a request does not fit into the memory even by itself.
    """
    fuse = config.execution.attention == "fused"
    fit(config, model.weight_bytes + max((r.prompt + r.output - 1) * model.kv_bytes_per_token for r in requests))
    room = config.device.memory - model.weight_bytes
    waiting, running = deque(requests), list[tuple[Request, int]]()
    kept: dict[tuple[str, int], Made] = {}
    builder, steps, generated = Builder(), list[Step](), 0
    now_s = idle_s = 0.0

    def kernels_of(step: Step) -> Made:
        steps.append(step)
        key = (step.phase, step.context)
        if key not in kept:
            kept[key] = made(step, fuse)
        return kept[key]

    while (waiting or running) and (iterations is None or len(builder.passes) < iterations):
        if not running and waiting[0].arrival_s > now_s:
            idle_s += waiting[0].arrival_s - now_s
            now_s = waiting[0].arrival_s
        joining = _joining(waiting, running, now_s, room, model.kv_bytes_per_token)
        sequences = [[kernels_of(model.decode(context))] for _, context in running]
        for request in joining:
            before = () if prompts_elsewhere else range(1, request.prompt)
            sequences.append([*(kernels_of(model.prefill(c)) for c in before), kernels_of(model.decode(request.prompt))])
        running += [(request, request.prompt) for request in joining]
        rows = grouped(batched(sequences), config.execution.experts == "grouped")
        done = Pass("decode", max(context for _, context in running), sum(len(tokens) for tokens in sequences))
        builder.add(done, rows)
        alone = Builder()
        alone.add(done, rows)
        now_s += float(timed(config, None, Work(alone.table(), (done,))).spent_s.sum())
        generated += len(running)
        running = [(r, context + 1) for r, context in running if context + 1 < r.prompt + r.output]
        if progress is not None:
            progress(len(builder.passes), iterations or len(builder.passes) + len(waiting) + bool(running))
    run = timed(config, Trace(model.name, None, steps, 1), Work(builder.table(), tuple(builder.passes)))
    return replace(run, idle_s=idle_s)


def _joining(waiting: deque[Request], running: Sequence[tuple[Request, int]], now_s: float, room: int, each: int) -> list[Request]:
    """The requests that join now, taken from the queue in order."""
    used = sum((request.prompt + request.output - 1) * each for request, _ in running)
    found: list[Request] = []
    while waiting and waiting[0].arrival_s <= now_s:
        used += (waiting[0].prompt + waiting[0].output - 1) * each
        if used > room:
            break
        found.append(waiting.popleft())
    return found
