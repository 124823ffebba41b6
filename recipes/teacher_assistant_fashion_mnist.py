"""A teacher assistant: a ResNet teaches a middling net, and that one a small student.

A student of 40k parameters learns more from a teacher that is nearer to it.

Data: the full Fashion-MNIST, 60,000 + 10,000 images.
Source: Mirzadeh et al., Improved Knowledge Distillation via Teacher Assistant,
  arXiv:1902.03393.
Command: `tfcompress run recipes/teacher_assistant_fashion_mnist.py`
Measured: 7 min; top-1 89.47% in float32, 89.68% in int8; 47,182 bytes by gzip, 3.0x
  smaller; more in recipes/README.md.
"""

import tfcompress as tfc

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
        "assistant": tfc.Teacher(
            model=tfc.Architecture(
                "mobilenet_v1", {"alpha": 0.5, "num_blocks": 7, "num_halvings": 4}
            ),
            stages=(
                tfc.Training(
                    epochs=6,
                    optimizer="sgd",
                    learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
                    objective=tfc.Distillation("resnet8", temperature=4.0, alpha=0.7),
                ),
            ),
        ),
    },
    model=tfc.Architecture(
        "mobilenet_v1", {"alpha": 0.25, "num_blocks": 7, "num_halvings": 4}
    ),
    stages=(
        tfc.Training(
            epochs=6,
            optimizer="sgd",
            learning_rate=tfc.CosineDecay(0.1, warmup_epochs=0.5),
            objective=tfc.Distillation("assistant", temperature=4.0, alpha=0.7),
        ),
        tfc.QuantizationAware(epochs=1, learning_rate=tfc.CosineDecay(5e-5)),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={"data.name": "fashion_mnist_small"},
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
