"""Zeros and shared weights together: MobileNetV1, pruned, clustered, int8 (PCQAT).

80 % of each kernel but the depthwise ones becomes zero, the rest shares 15 values; both
are kept while the net learns to be rounded, and are counted again in the file.

Data: the 60,000 + 10,000 images of Fashion-MNIST.
Source: Han et al., Deep Compression, arXiv:1510.00149.
Command: `tfcompress run recipes/clustering_fashion_mnist.py`, or this file as a script.
Not measured yet.
"""

import tfcompress as tfc

RECIPE = tfc.Recipe(
    data=tfc.Data(
        "fashion_mnist",
        augmentation=tfc.Augmentation(horizontal_flip=True),
    ),
    # Seven of the thirteen blocks are enough for 28x28.
    model=tfc.Architecture(
        "mobilenet_v1", {"alpha": 0.5, "num_blocks": 7, "num_halvings": 4}
    ),
    stages=(
        tfc.Training(epochs=8, learning_rate=tfc.CosineDecay(3e-3, warmup_epochs=0.5)),
        tfc.Pruning(
            final_sparsity=0.8,
            epochs=4,
            end_fraction=0.5,
            learning_rate=tfc.CosineDecay(1e-3),
        ),
        tfc.Clustering(num_clusters=16, epochs=2, learning_rate=tfc.CosineDecay(3e-4)),
        tfc.QuantizationAware(epochs=2, learning_rate=tfc.CosineDecay(3e-4)),
    ),
    export=tfc.Export(quantization="int8"),
    smoke_overrides={"data.name": "fashion_mnist_small"},
)

if __name__ == "__main__":
    tfc.run_as_script(__file__)
