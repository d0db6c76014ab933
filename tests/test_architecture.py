"""The house's rules: imports point one way, notebooks carry no output, one set of dependencies, safe formats."""

import ast
import importlib.metadata
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from workbench.datasets import CORPORA
from workbench.doctor import CV2_WHEELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "workbench"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# The rooms, from the ground up. A room may import those below it and its own; never one above.
FLOORS = [
    ["errors", "_torchaudio", "_skops", "remotes", "representation"],
    ["emotions", "speakers", "paths", "scale", "progress", "recipes"],
    ["download", "kernels"],
    ["weights", "_container", "levels"],
    ["media"],
    ["alignment", "streaming"],
    ["faces", "geometry", "acoustics", "datasets"],
    ["augment"],
    ["store"],
    ["prepare"],
    ["splits", "classifiers", "standards"],
    ["fusion"],
    ["models"],
    ["training", "runs"],
    ["predict", "doctor"],
    ["explain"],
    ["evaluation", "embedding"],
    ["studies"],
    ["plots"],
    ["study_figures"],
    ["figures", "notebooks"],
    ["interact"],
    ["bench"],
    ["cli"],
    ["__main__"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path):
    """Return the rooms that a module of the package imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "workbench":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found |= {name[1] for name in names if name[0] == "workbench" and len(name) > 1}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    if path == PACKAGE / "__init__.py":
        assert imports(path) == {"_torchaudio"}
        return
    room = room_of(path)
    assert room in FLOOR, f"give {room} its floor"
    above = {other for other in imports(path) if other != room and FLOOR[other] >= FLOOR[room]}
    assert not above, f"{room} imports {above}, which stand on the same floor or higher"


def test_what_comes_after_training_reads_predictions_not_models():
    rooms = [path for room in ("evaluation", "plots") for path in (PACKAGE / room).glob("*.py")]
    for path in (PACKAGE / "embedding.py", *rooms):
        assert not imports(path) & {"models", "training", "predict", "fusion", "prepare", "store", "runs"}, path


def test_corpus_names_stay_in_datasets():
    for path in PACKAGE.rglob("*.py"):
        if "datasets" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                named = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
                assert not named & set(CORPORA), f"{path}: line {node.lineno}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_have_the_anatomy_and_carry_no_output(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.language == "python"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert code.index(tagged[0]) == 1, "imports, then parameters"
    assert code[0].source.startswith(("import ", "from "))
    assert all(len(cell.source.splitlines()) <= 20 for cell in code)
    trees = [ast.parse(cell.source) for cell in code]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    assert not any(isinstance(node, ast.ClassDef) for node in nodes)
    assert sum(isinstance(node, ast.FunctionDef) for node in nodes) <= 1
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for part in (
        f"# {path.stem[:2]} · ",
        "**Question.**",
        "Result",
        "What it shows, and what would falsify it",
        "## References",
    ):
        assert part.lower() in text.lower(), part


def test_the_planned_notebooks_are_there():
    planned = ["00", "10", "20", "30", "31", "32", "40", "41", "50", "60", "80", "81", "90"]
    assert [path.stem[:2] for path in NOTEBOOKS] == planned


def test_conda_and_pip_describe_the_same_environment():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    }
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    given = next(part["pip"] for part in environment if isinstance(part, dict))
    assert {line for line in given if not line.startswith("-")} == wanted
    assert f"python{project['requires-python']}" in environment


def test_constraints_pin_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[<>=\[]", line)[0].lower().replace("_", "-") for line in lines}
    pins = (ROOT / "constraints.txt").read_text().split()
    pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    assert names <= pinned
    assert "torchvision" not in pinned


def test_what_is_not_code_is_packed_with_the_package():
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    data = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    folders = {name: PACKAGE.parent.joinpath(*name.split(".")) for name in packed}
    named = {path for name, patterns in packed.items() for pattern in patterns for path in folders[name].glob(pattern)}
    assert data == named


def test_one_opencv_and_no_torchvision():
    installed = {dist.metadata["Name"].lower() for dist in importlib.metadata.distributions()}
    assert len(installed & set(CV2_WHEELS)) == 1
    assert "torchvision" not in installed


def test_torchaudio_works_with_its_extension_or_without():
    import torch
    import torchaudio

    spectrogram = torchaudio.transforms.Spectrogram(n_fft=64)(torch.ones(640))
    assert spectrogram.shape[0] == 33
    assert hasattr(torchaudio._extension, "_IS_TORCHAUDIO_EXT_AVAILABLE")


def test_no_pickle_and_no_absolute_paths():
    unsafe = re.compile(r"pickle\.load|joblib\.load|weights_only=False|allow_pickle=True|/(home|Users|root|mnt)/")
    for path in [*PACKAGE.rglob("*.py"), *NOTEBOOKS, ROOT / "Makefile", ROOT / "README.md"]:
        assert not unsafe.search(path.read_text()), path
