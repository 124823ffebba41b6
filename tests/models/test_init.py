import pytest

from tfcompress import models
from tfcompress.errors import InvalidArgumentError


def test_build_is_the_function_of_that_name():
    built = models.build("resnet8", (16, 16, 1), 3, alpha=0.5, dropout=0.1)
    direct = models.resnet8((16, 16, 1), 3, alpha=0.5, dropout=0.1)
    assert built.to_json() == direct.to_json()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mobilenet_v4", {}, "did you mean 'mobilenet_v[12]'.*there are .*resnet56"),
        ("zzz", {}, "no architecture is named 'zzz': there are"),
        ("resnet8", {"alfa": 1}, "option of resnet8.*mean 'alpha'.*alpha, dropout"),
    ],
)
def test_build_suggests_the_right_name(name, options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        models.build(name, (16, 16, 1), 3, **options)
