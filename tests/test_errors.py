from tfcompress import errors


def test_exit_codes_are_those_of_the_command_line():
    kinds = errors.TfcompressError.__subclasses__()
    assert len(kinds) == 8
    for kind in kinds:
        assert kind.exit_code == (3 if kind is errors.PromiseNotMetError else 1)
