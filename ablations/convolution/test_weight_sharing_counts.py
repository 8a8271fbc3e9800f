"""How many weights do windows and sharing save, and is a convolution a banded matrix?

Slides: "Fully-connected Layer" (an image of 200x200, 40,000 hidden units: 1.6e9 parameters with all
connections, 4e6 with windows of 10x10), "Convolutional layer" (parameters: K^2 against the size of
the window; the matrix with w_0 w_1 w_2 in each row, shifted by one).

Protocol. The exact part: nothing is trained. The probe counts the weights of the three layers
without their biases, and compares a convolution with its matrix (doubly block Toeplitz in two
dimensions) in float64. Sabotage: other numbers in the same band.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, exactly, value

COUNTS = [
    ("full", "All to all, 200x200 pixels and 40,000 units have 1.6e9 weights", 1_600_000_000),
    ("local", "With windows of 10x10 they have 4e6", 4_000_000),
    ("shared", "With one shared window they have 100", 100),
]

ABLATION = Ablation(
    question="How many weights do windows and sharing save, and is a convolution a banded matrix?",
    slide="Fully-connected Layer; Convolutional layer",
    recipe=Recipe(model="linear", steps=0, probes=("connectivity",)),
    arms={"layers": {}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        *(
            Claim(
                statement,
                value(f"connectivity/{name}", "layers"),
                exactly(count),
                published=f"{count:g}",
                source="the slide",
            )
            for name, statement, count in COUNTS
        ),
        Claim(
            "The matrix of a 3x3 convolution holds 9 numbers",
            value("connectivity/numbers", "layers"),
            exactly(9),
            slide="Convolutional layer",
        ),
        Claim(
            "A convolution is a product with its banded matrix",
            value("connectivity/matrix", "layers"),
            at_most(1e-12),
            slide="Convolutional layer",
        ),
        Claim(
            "Sabotage: the same with weights that are not shared, in the same band",
            value("connectivity/unshared", "layers"),
            at_most(1e-12),
            slide="Convolutional layer",
            expect="not supported",
        ),
    ],
)
