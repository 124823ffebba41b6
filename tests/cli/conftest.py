import pytest
import tf_keras as keras


@pytest.fixture
def registry():
    """The classes that this process trusts are afterwards as they were."""
    registered = keras.utils.get_custom_objects()
    before = dict(registered)
    yield
    registered.clear()
    registered.update(before)
