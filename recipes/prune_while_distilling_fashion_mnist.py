"""Order of techniques: trained, then pruned to 80 % while it learns from a teacher.

One of four recipes of one student; see `distil_then_prune_fashion_mnist.py`.

Data: the full Fashion-MNIST, 60,000 + 10,000 images.
Source: Hinton et al., arXiv:1503.02531; Zhu & Gupta, arXiv:1710.01878.
Command: `tfcompress run recipes/prune_while_distilling_fashion_mnist.py`
Measured: 5 min; top-1 90.35% in float32, 88.82% in int8; 71,439 bytes by gzip, 7.3x
  smaller; more in recipes/README.md.
"""

import tfcompress as tfc

FROM_TEACHER = tfc.Distillation("resnet8", temperature=4.0, alpha=0.7)

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
    model=tfc.Architecture(
        "mobilenet_v1", {"alpha": 0.5, "num_blocks": 7, "num_halvings": 4}
    ),
    stages=(
        tfc.Training(
            epochs=6,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
        ),
        tfc.Pruning(
            final_sparsity=0.8,
            epochs=3,
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
