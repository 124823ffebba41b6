import random
import zipfile

import pytest

from tfcompress.errors import ModelError
from tfcompress.loading import load_model


def test_a_zip_bomb_is_refused(saved, refused):
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = b" " * (32 * 2**20) + parts["config.json"]
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refused(saved, "unpacks to a suspicious size")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(saved, refused):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("config.json", "{}")
    refused(saved, "too many members, or two of one name")


@pytest.mark.parametrize("name", ["../marker", "/tmp/marker", "a/..\\\\b", "C:/marker"])
def test_a_member_that_leads_elsewhere_is_refused(saved, edit, refused, name):
    edit(saved, extra={name: b"x"})
    refused(saved, "a member of its archive leads elsewhere")


def test_an_encrypted_archive_is_told(saved, refused):
    content = bytearray(saved.read_bytes())
    # The first bit of the flags in the directory at the end: offset 8 of an entry.
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    saved.write_bytes(content)
    refused(saved, "its archive is encrypted")


def test_a_file_larger_than_the_budget_is_refused_by_its_flag(saved):
    with pytest.raises(ModelError, match=r"raise max_bytes= .*--max_model_bytes"):
        load_model(saved, max_bytes=1000)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("config.json", "weights without an architecture; save the whole model"),
        ("model.weights.h5", "an architecture without weights; save the whole model"),
        ("metadata.json", "no metadata.json; expected a .keras file"),
    ],
)
def test_half_a_model_is_called_so(saved, refused, missing, told):
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name in parts.keys() - {missing}:
            archive.writestr(name, parts[name])
    refused(saved, told)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_cut_at_any_tenth_is_told_in_one_line(
    tmp_path, ending, plain_model, refused
):
    path = tmp_path / f"model.{ending}"
    plain_model.save(path)
    content = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        refused(path, "cut short" if tenth else "it is empty")


def test_weights_alone_are_told(tmp_path, plain_model, refused):
    plain_model.save_weights(tmp_path / "only.h5")
    refused(tmp_path / "only.h5", "weights without an architecture")


def test_json_of_more_values_than_a_model_has_is_refused(saved, edit, refused):
    text = b"[" + b"0," * 3_000_000 + b"0]"
    edit(saved, extra={"config.json": text, "assets/noise": random.randbytes(10**6)})
    refused(saved, "its architecture has a suspicious size")


def test_json_nested_without_end_is_told_in_one_line(saved, edit, refused):
    edit(saved, extra={"config.json": b"[" * 100_000})
    refused(saved, "its architecture is nested too deep")
