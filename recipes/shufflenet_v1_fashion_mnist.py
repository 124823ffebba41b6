"""A ShuffleNetV1 on the full Fashion-MNIST: distilled, pruned to 50 %, QAT, int8.

Source: Zhang et al., ShuffleNet, arXiv:1707.01083, at width 0.5 with three groups;
  Hinton et al., arXiv:1503.02531; Zhu & Gupta, arXiv:1710.01878; Jacob et al.,
  arXiv:1712.05877.
Command: `tfcompress run recipes/shufflenet_v1_fashion_mnist.py`
Measured: 26 min; top-1 91.04% in float32, 90.52% in int8; 229,861 bytes by
  gzip, 3.9x smaller; more in recipes/README.md.
"""

import tfcompress as tfc

FROM_TEACHER = tfc.Distillation("resnet8", temperature=4.0, alpha=0.5)

RECIPE = tfc.Recipe(
    data=tfc.Data(
        "fashion_mnist",
        augmentation=tfc.Augmentation(shift=1, horizontal_flip=True),
    ),
    teachers={
        "resnet8": tfc.Teacher(
            model=tfc.Architecture("resnet8"),
            stages=(
                tfc.Training(
                    epochs=4,
                    optimizer="sgd",
                    learning_rate=tfc.CosineDecay(0.2, warmup_epochs=0.5),
                ),
            ),
        ),
    },
    # Four of the five strides are left: 28x28 ends at 2x2.
    model=tfc.Architecture(
        "shufflenet_v1", {"alpha": 0.5, "groups": 3, "num_halvings": 4}
    ),
    stages=(
        tfc.Training(
            epochs=5,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
            objective=FROM_TEACHER,
        ),
        tfc.Pruning(
            final_sparsity=0.5,
            epochs=2,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.04, final_fraction=0.02),
            objective=FROM_TEACHER,
        ),
        tfc.QuantizationAware(epochs=1, learning_rate=tfc.CosineDecay(5e-5)),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={"data.name": "fashion_mnist_small"},
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
