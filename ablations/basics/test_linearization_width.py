"""How wide must layers be to make a disc in a ring linearly separable?

Slides: "From non-separable to linearly separable", "Linearization: may need higher dimensions". A tanh layer of 2 units with a regular matrix bends the
plane without tearing it, so the disc stays enclosed by the ring, however many layers follow (Colah 2014); for ReLU: in a net whose layers are no wider than
its input, every component of a level set is unbounded (Johnson 2019, "Deep, Skinny Neural Networks are not Universal Approximators"). Three units can lift
the disc out.

Protocol. Perfect: not one of 100,000 test points is misclassified; accuracy misleads, since a thin bridge through the ring costs little. Adam .05, 400 steps
of 100 rows, Glorot for tanh, He for ReLU, 20 initializations and splits. Not tuned: the theorem holds for every rate, and three units need only show that it
can be done. Known from tuning seeds: every tanh init succeeds, a quarter of the ReLU inits fails at every depth (half in other pilots): its share may well
stay undecided beyond depth 1, said beforehand. "Most" is a share above 1/2, judged by the t interval of a mean of zeros and ones, which is approximate.
Control: data that a line separates.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, exactly, value

NETS = {"tanh": {"model_args.activation": "tanh", "init": "glorot"}, "relu": {"init": "he"}}
DEPTHS = (1, 2, 4)
THEOREM = {"tanh": "Colah 2014", "relu": "Johnson 2019, ICLR"}

ABLATION = Ablation(
    question="How wide must layers be to make a disc in a ring linearly separable?",
    slide="From non-separable to linearly separable; Linearization: may need higher dimensions",
    recipe=Recipe(model="mlp", data="annulus", optimizer="adam", lr=0.05, steps=400, evaluations=4, probes=("perfect", "warp")),
    arms={
        **{f"{g}_{width}x{depth}": net | {"model_args.hidden": (width,) * depth} for g, net in NETS.items() for width in (2, 3) for depth in DEPTHS},
        **{f"{g}_half_plane": net | {"model_args.hidden": (2,), "data": "half_plane"} for g, net in NETS.items()},
    },
    scales={"cpu": {"seeds": 20}, "gpu": {"seeds": 20, "steps": 5000, "precision": "32"}},
    claims=[
        *(Claim(f"Width 2, {g}, depth {depth}: no run is perfect", value("perfect", f"{g}_2x{depth}"), exactly(0),
                published="impossible", source=THEOREM[g]) for g in NETS for depth in DEPTHS),
        *(Claim(f"Width 3, {g}, depth {depth}: most runs are perfect", value("perfect", f"{g}_3x{depth}"), at_least(0.5),
                expect="supported" if g == "tanh" or depth == 1 else "inconclusive",
                objection="" if g == "tanh" else "Best of several inits always succeeds: what fails is the search, not the net.")
          for g in NETS for depth in DEPTHS),
        *(Claim(f"Control: width 2, {g}: most runs are perfect where a line separates the classes", value("perfect", f"{g}_half_plane"), at_least(0.5))
          for g in NETS),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
