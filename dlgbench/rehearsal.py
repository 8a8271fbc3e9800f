"""The recipes of scales gpu and paper, cut to two steps and a few images, for a CPU.

`pytest ablations --scale smoke --rehearse` runs them: each arm, model and probe, at its real width.
What must be downloaded is stood in for by small files (`dlgbench.data.standins`).
"""

from __future__ import annotations

from dlgbench.ablation import Ablation, Cell, Work
from dlgbench.data_table import sizes
from dlgbench.recipe import Recipe

STEPS, ROWS = 2, 8  # of a training, and of a minibatch, at most
TRAIN, VAL, TEST = 48, 16, 16  # images, at most


def cells(ablation: Ablation) -> list[Cell]:
    """A cell of scale smoke for each arm at gpu and at paper, named `gpu:arm` and `paper:arm`.

    It has the first setting of the arm's grid. What differs from an earlier one, or from cpu, only
    in its budget is left out; so are arms that smoke leaves out by its `arms`.
    """
    at_cpu = [ablation.arm(arm, "cpu") for arm in ablation.arms_at("cpu")]
    seen = {*at_cpu, *(_cut(ablation, work) for work in at_cpu)}
    found = []
    only = (ablation.scales or {}).get("smoke", {}).get("arms") or ablation.arms
    for scale in ("gpu", "paper"):
        for arm in (arm for arm in ablation.arms_at(scale) if arm in only):
            whole = ablation.arm(arm, scale)
            work = _cut(ablation, whole)
            if whole in seen or work in seen:
                continue
            seen.add(work)
            setting = next(iter(ablation.grid(arm, scale)), {})
            cell = Cell(
                ablation=ablation.name,
                arm=f"{scale}:{arm}",
                seed=0,
                scale="smoke",
                work=work.override(setting),
                precision=ablation.at(scale).precision,
                setting=setting,
                slide=ablation.slide,
                engine=ablation.engine(scale),
                timing=ablation.is_timed(arm, scale),
            )
            found.append(cell)
    return found


def _cut(ablation: Ablation, work: Work) -> Work:
    """Training code of a user's own is cut by what the ablation says at smoke."""
    if not isinstance(work, Recipe):
        own = dict((ablation.scales or {}).get("smoke", {}))
        own.pop("arms", None)
        return work.override(own)
    steps, rows = min(STEPS, work.steps), min(ROWS, work.batch_size)
    work = work.override(steps=steps, batch_size=rows, evaluations=1)
    if work.data is None:
        return work
    pool = sizes(work.data).pool
    few = {"train": min(TRAIN, pool // 2), "val": min(VAL, pool // 4), "test": TEST}
    return work.override({f"data_args.{name}": size for name, size in few.items()})
