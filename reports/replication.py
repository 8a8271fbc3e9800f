"""The same questions on other sets of images: does a claim replicate? Counted in no tally of the main verdicts."""

from __future__ import annotations

import dataclasses

from dlgbench.ablation import IMAGES
from dlgbench.claim import Claim
from dlgbench.reports import tables
from dlgbench.reports.study import Study
from dlgbench.reports.tables import ClaimRow
from dlgbench.tracking import Store


@dataclasses.dataclass(frozen=True)
class Replication:
    """An ablation's own verdicts beside those on other data sets, at one scale."""

    own: Study
    others: dict[str, Study]

    @property
    def studies(self) -> dict[str, Study]:
        """Data set -> study, the ablation's own first."""
        return {", ".join(self.images): self.own, **self.others}

    @property
    def images(self) -> tuple[str, ...]:
        """The sets of images that the ablation's own arms are trained on."""
        return images(self.own)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims that one of the data sets, own or other, has a verdict on."""
        return tuple(claim for claim in self.own.ablation.claims if any(claim in study.verdicts for study in self.others.values()))

    @property
    def rows(self) -> list[tuple[Claim, list[ClaimRow]]]:
        """For each claim its row of each data set."""
        return [(claim, [tables.claim_row(study, claim) for study in self.studies.values()]) for claim in self.claims]

    @property
    def command(self) -> str:
        """What runs it on a data set that is not its own."""
        other = "fashion_mnist" if "fashion_mnist" not in self.images else "mnist5k"
        return f"nox -s ablations -- --data {other} -k {self.own.ablation.name.rpartition('/')[2]} --scale {self.own.scale}"


def images(study: Study) -> tuple[str, ...]:
    """The sets of labelled images among the data of a study's arms."""
    found = dict.fromkeys(study.ablation.arm(arm, study.scale).data for arm in study.arms)
    return tuple(name for name in found if name in IMAGES)


def replicate(study: Study, store: Store) -> Replication | None:
    """What the store has of the study's ablation on other sets of images; None where no arm is trained on images.

    Raises:
        DlgbenchError: where the store is out of reach.
    """
    if not study.runs or not study.ablation.has_images(study.scale):
        return None
    own = images(study)
    others = {}
    for data in IMAGES:
        if own == (data,):
            continue
        ablation = study.ablation.on(data)
        if runs := store.runs(ablation, study.scale):
            others[data] = Study(ablation, study.scale, runs)
    return Replication(study, others)
