"""A MobileNetV2 on the full Fashion-MNIST: distilled, pruned to 80 %, QAT, int8.

Source: Sandler et al., MobileNetV2, arXiv:1801.04381, at width 0.35; Hinton et al.,
  arXiv:1503.02531; Zhu & Gupta, arXiv:1710.01878; Jacob et al., arXiv:1712.05877.
Command: `tfcompress run recipes/mobilenet_v2_fashion_mnist.py`
Measured: 28 min; top-1 91.74% in float32, 90.39% in int8; 226,452 bytes by
  gzip, 6.6x smaller; more in recipes/README.md.
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
                    epochs=5,
                    optimizer="sgd",
                    learning_rate=tfc.CosineDecay(0.2, warmup_epochs=0.5),
                ),
            ),
        ),
    },
    model=tfc.Architecture("mobilenet_v2", {"alpha": 0.35, "num_halvings": 4}),
    stages=(
        tfc.Training(
            epochs=6,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
            objective=FROM_TEACHER,
        ),
        tfc.Pruning(
            final_sparsity=0.8,
            epochs=4,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.04, final_fraction=0.02),
            objective=FROM_TEACHER,
        ),
        tfc.QuantizationAware(epochs=1, learning_rate=1e-4),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={"data.name": "fashion_mnist_small"},
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
