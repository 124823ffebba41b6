"""A student of 40k parameters learns from a ResNet-20, then QAT does too, int8.

The teacher is born again: a second ResNet-20 that learnt from the first.

`python tests/benchmarks/distillation_accuracy.py FILE` compares it, over three seeds,
with the same student trained on labels alone; and, over shorter trainings, with other
kinds of distillation.

Data: the full Fashion-MNIST, 60,000 + 10,000 images.
Source: Hinton et al., arXiv:1503.02531; He et al., arXiv:1512.03385; Furlanello
  et al., Born-Again Neural Networks, arXiv:1805.04770; Mishra & Marr, Apprentice,
  arXiv:1711.05852.
Command: `tfcompress run recipes/distillation_fashion_mnist.py`
Measured: 65 min; top-1 93.03% in float32, 93.07% in int8; 46,664 bytes by gzip, 3.1x
  smaller; more in recipes/README.md. 52 minutes of it are the two teachers'.
"""

import tfcompress as tfc

FROM_TEACHER = tfc.Distillation("born_again", temperature=4.0, alpha=0.9)

# The teachers alone see shifts: the student, alone and taught, is better without.
SHIFTED = tfc.Data(
    "fashion_mnist", augmentation=tfc.Augmentation(shift=2, horizontal_flip=True)
)

RECIPE = tfc.Recipe(
    data=tfc.Data("fashion_mnist", augmentation=tfc.Augmentation(horizontal_flip=True)),
    teachers={
        "resnet20": tfc.Teacher(
            model=tfc.Architecture("resnet20"),
            data=SHIFTED,
            stages=(
                tfc.Training(
                    epochs=20,
                    optimizer="sgd",
                    learning_rate=tfc.CosineDecay(0.2, warmup_epochs=1.0),
                    weight_decay=5e-4,
                ),
            ),
        ),
        # The same net again, taught by the first: 93.92 % becomes 94.01 %.
        "born_again": tfc.Teacher(
            model=tfc.Architecture("resnet20"),
            data=SHIFTED,
            stages=(
                tfc.Training(
                    epochs=20,
                    optimizer="sgd",
                    learning_rate=tfc.CosineDecay(0.2, warmup_epochs=1.0),
                    weight_decay=5e-4,
                    objective=tfc.Distillation("resnet20", temperature=4.0, alpha=0.7),
                ),
            ),
        ),
    },
    model=tfc.Architecture(
        "mobilenet_v1", {"alpha": 0.25, "num_blocks": 7, "num_halvings": 3}
    ),
    stages=(
        tfc.Training(
            epochs=24,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
            objective=FROM_TEACHER,
        ),
        tfc.QuantizationAware(
            epochs=1, learning_rate=tfc.CosineDecay(5e-5), objective=FROM_TEACHER
        ),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={
        "data.name": "fashion_mnist_small",
        "teachers.resnet20.data.name": "fashion_mnist_small",
        "teachers.born_again.data.name": "fashion_mnist_small",
    },
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
