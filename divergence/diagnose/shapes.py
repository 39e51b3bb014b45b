"""Values that say how large others are: what an exporter computes of shapes."""

from __future__ import annotations

from divergence.records import Program

# What turns a shape into data: the values of these are no shapes any more.
FILLING = frozenset({"ConstantOfShape", "EyeLike", "Expand", "Range", "Tile"})


def shape_values(program: Program, *, floating: bool = False) -> frozenset[str]:
    """Return the names of the sites that hold sizes, and integers computed of sizes alone.

    floating: also other numbers computed so, such as the scale of an attention. Those act on
    data, so they may be to blame for it, but seldom are.
    """
    found: set[str] = set()
    for site in program.sites:
        if site.kind != "node" or site.constant:
            continue
        if site.op in {"Shape", "Size"}:
            found.add(site.name)
        elif site.op in FILLING or not site.inputs or not found.issuperset(site.inputs):
            continue
        elif floating or _is_integer(site.dtype):
            found.add(site.name)
    return frozenset(found)


def _is_integer(dtype: str | None) -> bool:
    return dtype is not None and dtype.startswith(("int", "uint", "bool"))
