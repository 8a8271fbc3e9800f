"""How do zero, N(0, .01²) and He's initialization fare in the lecture's own conv net?

Slides: "Parameter Initialization", "Code examples: Parameter initialization". Mitra et al. 2018,
the course's notebook: a net of 25,384 parameters, Adam at 1e-3, 20 epochs of MNIST; it prints the
training losses 2.3013 (zero), .0268 (N(0, .01²)) and .0099 (He's). He et al. 2015.

Protocol. The notebook's net, optimizer, rate and 20 epochs; hence nothing is tuned
(`depth/initialization` tunes). cpu: 1,000 digits, in minibatches of 25. Ten seeds. The control is a
twin of He's, with fresh weights and order.

Smallest effects, fixed beforehand. Zero: a net that answers the same for every input has at best
the entropy of the classes as its loss, ln 10 = 2.3026 where they are equally frequent and 2.298 on
1,000 images drawn at random; so a loss of 2.29 and above is "learns nothing". Trains: an error of
at most 20 %, as in the catalogue of claims. He's against N(0, .01²): half the loss, where the
published factor is 2.7; a smaller factor would not be seen in a curve.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, log_ratio, value

LOSS, ERROR = "train/loss", "train/error"
TRAINS, HALF = at_most(0.2), at_least(0.6931)  # ln 2
NOTEBOOK = "Mitra et al. 2018, the course's notebook"

ABLATION = Ablation(
    question="How do zero, N(0, .01²) and He's initialization fare in the lecture's own conv net?",
    slide="Parameter Initialization",
    recipe=Recipe(
        model="lecture_convnet",
        data="mnist",
        data_args={"val": 10_000},
        optimizer="adam",
        lr=0.001,
        steps=10_000,
        probes=("activations",),
    ),
    arms={
        "zero": {"init": "zero"},
        "normal": {"init": "normal"},
        "he": {"init": "he"},
        "he_twin": {"init": "he", "random_stream": 1},
    },
    scales={
        "cpu": {
            "data": "mnist5k",
            "data_args": {"train": 1000, "val": 500},
            "batch_size": 25,
            "steps": 800,
            "evaluations": 10,
        },
        "gpu": {},
    },
    claims=[
        Claim(
            "Zero learns nothing",
            value(LOSS, "zero"),
            at_least(2.29),
            published="2.3013",
            source=NOTEBOOK,
            objection="Not nothing: the output bias learns how frequent the classes are. All other "
            "gradients are zero under ReLU.",
        ),
        Claim(
            "N(0, .01²) trains all the same",
            value(ERROR, "normal"),
            TRAINS,
            published="loss .0268",
            source=NOTEBOOK,
            objection="Five layers under Adam: its instability shows in deeper nets and under SGD "
            "(`depth/initialization`).",
        ),
        Claim(
            "He's trains",
            value(ERROR, "he"),
            TRAINS,
            published="loss .0099",
            source=NOTEBOOK,
        ),
        Claim(
            "He's ends at half the training loss of N(0, .01²) or less",
            log_ratio(LOSS, "normal", "he"),
            HALF,
            published=".0268 / .0099 = 2.7",
            source=NOTEBOOK,
        ),
        Claim(
            "A/A: He's ends at half the training loss of He's or less",
            log_ratio(LOSS, "he", "he_twin"),
            HALF,
            kind="twin",
            expect="not supported",
        ),
    ],
)
