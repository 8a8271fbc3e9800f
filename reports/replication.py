"""The same questions on other data sets of a kind: does a claim replicate?

These verdicts are counted in no tally of the main ones.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

from dlgbench.claim import Claim
from dlgbench.registry import DATA, interchangeable, is_interchangeable
from dlgbench.reports import tables
from dlgbench.reports.study import Study, command
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
        return {", ".join(own_data(self.own)): self.own, **self.others}

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims on data that another set stands in for, where that one has a verdict."""
        judged = set().union(*(study.verdicts for study in self.others.values()))
        own = set(own_data(self.own))
        return tuple(
            claim
            for claim in self.own.ablation.claims_at(self.own.scale)
            if claim in judged
            and any(self.own.works[arm].data in own for _, arm in claim.effect.needs)
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
        others = stand_ins(self.own)
        data = "fashion_mnist" if "fashion_mnist" in others else others[0]  # which suits most
        return command(self.own, f"--data {data} ")


OUTCOMES = {"same": "the same", "opposite": "the opposite", "undecided": "undecided on one or both"}


def outcome(own: str, other: str) -> str:
    """What a verdict on other data says of the own one.

    `same` or `opposite` where both are decided, else `undecided`.
    """
    if "inconclusive" in (own, other):
        return "undecided"
    return "same" if own == other else "opposite"


def tally_text(tally: Mapping[str, Mapping[str, int]]) -> str:
    """A sentence for each data set; `tally` is data set -> outcome -> claims.

    `On digits, of 9 claims: 6 the same, 1 the opposite, 2 undecided on one or both.`
    """
    sentences = []
    for data, counts in tally.items():
        parts = ", ".join(f"{counts.get(name, 0)} {text}" for name, text in OUTCOMES.items())
        sentences.append(f"On {data}, of {sum(counts.values())} claims: {parts}.")
    return " ".join(sentences)


@dataclasses.dataclass(frozen=True)
class Summary:
    """All replications together.

    Args:
        tally: data set -> outcome -> claims.
        differing: the claims that are not the same everywhere, each with its rows by data set.
    """

    tally: dict[str, Counter[str]]
    differing: list[tuple[Study, Claim, dict[str, ClaimRow]]]


def summary(replications: Iterable[Replication]) -> Summary:
    """What replicates, over all ablations.

    A claim counts where it has a verdict on its own data and on the other.
    """
    tally: dict[str, Counter[str]] = {}
    differing = []
    for replication in replications:
        for claim, (own, *others) in replication.rows:
            judged = {
                data: row
                for data, row in zip(replication.others, others, strict=True)
                if "not run" not in (own.verdict, row.verdict)
            }
            outcomes = {data: outcome(own.verdict, row.verdict) for data, row in judged.items()}
            for data, name in outcomes.items():
                tally.setdefault(data, Counter())[name] += 1
            if set(outcomes.values()) - {"same"}:
                differing.append((replication.own, claim, {"own data": own, **judged}))
    return Summary(tally, differing)


def own_data(study: Study) -> tuple[str, ...]:
    """The data sets of a study's arms that others of their kind can stand in for."""
    return tuple(filter(is_interchangeable, study.data))


def stand_ins(study: Study) -> list[str]:
    """The data sets that can stand in for those of a study."""
    own = own_data(study)
    kinds = {DATA[data].kind for data in own}
    return [data for data in interchangeable() if DATA[data].kind in kinds and own != (data,)]


def replicate(study: Study, store: Store) -> Replication | None:
    """What the store has of the study's ablation on other data sets; None where none can stand in.

    Raises:
        DlgbenchError: where the store is out of reach.
    """
    others = {}
    names = stand_ins(study) if study.runs else []
    stored = store.ablations() if names else set()
    for data in names:
        if f"{study.ablation.name}@{data}" not in stored:
            continue
        ablation = study.ablation.with_data(data)
        runs = store.runs(ablation, study.scale)
        evaluated = {(cell.arm, cell.seed) for cell in runs if cell.purpose == "evaluate"}
        cells = [cell for arm in study.arms for cell in ablation.evaluation(arm, study.scale)]
        if evaluated == {(cell.arm, cell.seed) for cell in cells}:  # half a replication is none
            others[data] = Study(ablation, study.scale, runs)
    return Replication(study, others) if names else None
