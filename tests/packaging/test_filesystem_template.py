"""The template package: installed, it is found by its scheme, and its own test passes."""

import os
import shutil
import subprocess
import sys

import pytest

import recordfs

TEMPLATE = os.path.join(os.path.dirname(__file__), "../../templates/recordfs-filesystem-template")
DOCUMENT = os.path.join(os.path.dirname(__file__), "../../docs/adding-a-filesystem.md")


def test_the_document_leads_through_the_class_of_the_template():
    with open(os.path.join(TEMPLATE, "src/recordfs_sqlite/__init__.py")) as source:
        _, _, template_class = source.read().partition("class SqliteFileSystem")
    with open(DOCUMENT) as document:
        _, _, shown = document.read().partition("class SqliteFileSystem")
    assert shown.partition("\n```")[0].strip() == template_class.strip()


@pytest.mark.slow
@pytest.mark.build
def test_the_template_is_installed_found_and_passes_its_own_test(tmp_path):
    package = tmp_path / "package"
    shutil.copytree(TEMPLATE, package, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    # Beside this environment's packages, not into them: an installation of its own on the path.
    target = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(package)]
    subprocess.run(command, check=True)
    source = os.path.dirname(os.path.dirname(recordfs.__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), source])}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )

    listed = run("-m", "recordfs.cli", "schemes")
    assert "recordfs_sqlite:SqliteFileSystem" in listed.stdout, listed
    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests"))
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout
