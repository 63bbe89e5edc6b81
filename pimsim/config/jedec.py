"""Names of timing parameters, and which un-split JEDEC name stands for which split ones.

Data sheets split a parameter where hardware does (tRCD into tRCDRD for reads and tRCDWR for writes; tCCD into short and
long), papers print the un-split one. Setting an un-split name in a YAML file or with ``--set`` sets every split form that
the part underneath has. JESD250 (GDDR6), JESD235 (HBM2), JESD238 (HBM3), JESD79-4 (DDR4) and JESD209-5 (LPDDR5) name them.
"""

from __future__ import annotations

SPLIT_FORMS: dict[str, tuple[str, ...]] = {
    "tRCD": ("tRCDRD", "tRCDWR", "tRCDMAC", "tRCDEWMUL", "tRCDAF", "tRCDCP", "tRCDWRCP"),
    "tCCD": ("tCCDS", "tCCDL"),
    "tRRD": ("tRRDS", "tRRDL"),
    "tWTR": ("tWTRS", "tWTRL"),
    "tRTP": ("tRTPS", "tRTPL"),
    "tRFC": ("tRFCab",),
}
"""Un-split name -> its split forms. JEDEC's plain tRFC is the all-bank one, so it leaves tRFCpb alone."""


def expand(layer: dict[str, object], below: frozenset[str]) -> dict[str, str]:
    """How a layer's timing keys spread over the split names that the layers ``below`` have.

    Returns target name -> the key of ``layer`` that sets it. A split name written in the layer itself wins over the
    un-split one; an un-split name that the part itself uses (DDR4's tRCD), or that has no split form there, stays.
    """
    targets: dict[str, str] = {}
    for name in layer:
        forms = [form for form in SPLIT_FORMS.get(name, ()) if form in below or form in layer]
        if name in below or not forms:
            targets[name] = name
        else:
            targets |= {form: name for form in forms if form not in layer}
    return targets
