"""Do the Haar and Laplacian pyramids keep an image exactly, and what is lost without details?

Slide: "Encoder-decoder with skip connections": at every step of increasing the resolution, check
back with the input to preserve details; a "familiar trick to graphics people: (Haar) wavelet,
residual coding, pyramidal schemes (Laplacian pyramid)". Burt & Adelson 1983; Mallat 1989.

Protocol. Three levels on four test photographs of 128x128, in float64. Nothing is trained and
nothing is random, so all seeds agree; the suite wants five where there are data. The energy is a
share of the variance of each image about its own mean. Dropping the finest Haar level drops three
of four numbers, and would lose three quarters of white noise. At most a quarter is the smallest
effect of interest: three times less than noise loses. Controls: a synthesis that turns the signs of
the finest details, the Laplacian bands, which are not orthogonal, and the images with their pixels
shuffled.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, contrast, value

EQUAL = at_most(1e-12)  # in float64
PAPERS = {"haar": "Mallat 1989", "laplacian": "Burt & Adelson 1983"}

ABLATION = Ablation(
    question="Do the Haar and Laplacian pyramids keep an image exactly, and what is lost without "
    "details?",
    slide="Encoder-decoder with skip connections",
    recipe=Recipe(
        model="haar_pyramid",
        data="photographs_whole",
        data_args={"standardize": False},
        task="image_to_image",
        steps=0,
        probes=("pyramid",),
    ),
    arms={"haar": {}, "laplacian": {"model": "laplacian_pyramid"}},
    scales={"cpu": {"seeds": 5}, "gpu": {"seeds": 5}},
    claims=[
        *(
            Claim(
                f"The {arm} pyramid reconstructs exactly",
                value("pyramid/error", arm),
                EQUAL,
                source=paper,
            )
            for arm, paper in PAPERS.items()
        ),
        Claim("Haar bands keep the energy", value("pyramid/parseval", "haar"), EQUAL),
        Claim(
            "Without a Haar level exactly its energy is lost",
            value("pyramid/dropped", "haar"),
            EQUAL,
        ),
        *(
            Claim(
                f"The finest {arm} level holds a quarter of the variance at most",
                value("pyramid/lost_1", arm),
                at_most(0.25),
            )
            for arm in PAPERS
        ),
        *(
            Claim(
                f"Each {arm} level that is dropped loses more: {more}",
                contrast(f"pyramid/{less}", f"pyramid/{more}", arm),
                at_most(0),
            )
            for arm in PAPERS
            for less, more in (("lost_1", "lost_2"), ("lost_2", "lost_all"))
        ),
        *(
            Claim(
                f"Sabotage: the {arm} pyramid reconstructs with its finest details turned",
                value("pyramid/sabotaged", arm),
                EQUAL,
                expect="not supported",
            )
            for arm in PAPERS
        ),
        Claim(
            "Control: Laplacian bands keep the energy",
            value("pyramid/parseval", "laplacian"),
            EQUAL,
            expect="not supported",
        ),
        Claim(
            "Control: the finest Haar level of noise holds a quarter at most",
            value("pyramid/lost_noise", "haar"),
            at_most(0.25),
            expect="not supported",
        ),
    ],
    objection="Exact, as any invertible transform; U-Net's skips hand on all of the input instead.",
)
