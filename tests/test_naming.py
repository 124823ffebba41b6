import pytest

from tfcompress.naming import snake_case


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("QuantizationAware", "quantization_aware"),
        ("DepthwiseConv2D", "depthwise_conv2d"),
        ("GELU", "gelu"),
        ("Power", "power"),
    ],
)
def test_words_of_a_class_name(name, expected):
    assert snake_case(name) == expected
