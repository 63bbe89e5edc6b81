"""Sizes of the shipped models: parameters and KV cache a token, against published counts."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.model.importer import load_architecture
from pimsim.validate.figure import Figure, exactly, to_last_digit
from pimsim.validate.group import Notify
from pimsim.validate.reference import table

PUBLISHED = "model cards and papers (reference/model_shapes.csv)"
COUNTED = "transformers 5.23.0 on the shipped config (reference/model_totals.csv)"
GIGA, KIB = 1e9, 1024


def figures(notify: Notify) -> Iterator[Figure]:
    """For each model: matrices of the blocks, of everything, KV cache; for each shipped one the total to the last parameter."""
    for row in table("model_shapes"):
        name = row["model"]
        model = load_architecture(name)
        counts = model.parameters()
        for what, key, printed, ours in (
            ("matrices of the blocks", "parameters.blocks", row["blocks_billion"], counts["blocks"] / GIGA),
            ("matrices and embeddings", "parameters.weights_only", row["with_embeddings_billion"], counts["weights_only"] / GIGA),
            ("KV cache a token", "kv_bytes_per_token", row["kv_kib_per_token"], model.kv_bytes_per_token / KIB),
        ):
            unit = "KiB" if key == "kv_bytes_per_token" else "G"
            yield Figure(f"{name}: {what}", PUBLISHED, ours, float(printed), unit, to_last_digit(printed),
                         command=f"pimsim show {name} --kind model --json | jq .{key}")
    for row in table("model_totals"):
        name, total = row["model"], int(row["parameters"])
        yield Figure(f"{name}: all parameters", COUNTED, load_architecture(name).parameters()["total"], total, "", exactly(total),
                     command=f"pimsim show {name} --kind model --json | jq .parameters.total")
