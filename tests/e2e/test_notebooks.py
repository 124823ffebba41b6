import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

PICTURES = {"01_compress_a_model": 3, "02_distillation": 3, "03_profile_and_compare": 4}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_at_smoke_size(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TFCOMPRESS_SMOKE", "1")
    monkeypatch.setenv("TFCOMPRESS_WORKDIR", str(tmp_path / "run"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=500, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=os.environ)
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == PICTURES[path.stem]
    assert (tmp_path / "run/model.tflite").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
