"""The same questions on other sets of images: does a claim replicate? Counted in no tally of the main verdicts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

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
        """The claims about images that another data set has a verdict on."""
        ablation, scale = self.own.ablation, self.own.scale
        asked = [
            claim
            for claim in ablation.claims_at(scale)
            if any(ablation.arm(arm, scale).data in IMAGES for _, arm in claim.effect.needs)
        ]
        return tuple(
            claim
            for claim in asked
            if any(claim in study.verdicts for study in self.others.values())
        )

    @property
    def rows(self) -> list[tuple[Claim, list[ClaimRow]]]:
        """For each claim its row of each data set."""
        return [
            (claim, [tables.claim_row(study, claim) for study in self.studies.values()])
            for claim in self.claims
        ]

    @property
    def command(self) -> str:
        """What runs it on a data set that is not its own."""
        other = "fashion_mnist" if "fashion_mnist" not in self.images else "mnist5k"
        return f"nox -s ablations -- --data {other} -k {self.own.ablation.name.rpartition('/')[2]} --scale {self.own.scale}"


OUTCOMES = {"same": "the same", "opposite": "the opposite", "undecided": "undecided on one or both"}


def outcome(own: str, other: str) -> str:
    """What a verdict on other data says of the own one: `same` or `opposite` where both are decided, else `undecided`."""
    return "undecided" if "inconclusive" in (own, other) else "same" if own == other else "opposite"


def tell(tally: Mapping[str, Mapping[str, int]]) -> str:
    """`On digits, of 9 claims: 6 the same, 1 the opposite, 2 undecided on one or both.`, for each data set; `tally` is data set -> outcome -> claims."""
    return " ".join(
        f"On {data}, of {sum(counts.values())} claims: {', '.join(f'{counts.get(name, 0)} {words}' for name, words in OUTCOMES.items())}."
        for data, counts in tally.items()
    )


@dataclasses.dataclass(frozen=True)
class Summary:
    """All replications together: data set -> outcome -> claims, and the rows of the claims that are not the same everywhere."""

    tally: dict[str, Counter[str]]
    differing: list[tuple[Study, Claim, dict[str, ClaimRow]]]


def summary(replications: Iterable[Replication]) -> Summary:
    """What replicates, over all ablations; a claim counts where it has a verdict on its own data and on the other."""
    tally: dict[str, Counter[str]] = {}
    differing = []
    for found in replications:
        for claim, rows in found.rows:
            own, *others = rows
            said = {
                data: row
                for data, row in zip(found.others, others, strict=True)
                if "not run" not in (own.verdict, row.verdict)
            }
            came = {data: outcome(own.verdict, row.verdict) for data, row in said.items()}
            for data, word in came.items():
                tally.setdefault(data, Counter())[word] += 1
            if set(came.values()) - {"same"}:
                differing.append((found.own, claim, {"own data": own, **said}))
    return Summary(tally, differing)


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
        ablation = study.ablation.with_data(data)
        runs = store.runs(ablation, study.scale)
        evaluated = {(cell.arm, cell.seed) for cell in runs if cell.purpose == "evaluate"}
        if evaluated == {
            (cell.arm, cell.seed)
            for arm in study.arms
            for cell in ablation.evaluation(arm, study.scale)
        }:  # half of a replication is none
            others[data] = Study(ablation, study.scale, runs)
    return Replication(study, others)
