"""The two lock files match the requirements, are complete, and match what is installed. No network is used."""

import re
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .conftest import ROOT

FILES = {
    "requirements.lock": ["requirements.txt"],
    "requirements-dev.lock": ["requirements.txt", "requirements-dev.txt"],
}
PIN = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[\w,-]+\])?==(?P<version>\S+)(?: ; (?P<marker>.+?))?"
    r"(?P<hashes>(?: \\\n    --hash=sha256:\w{64})+)$"
)


class Pin(NamedTuple):
    version: str
    marker: str
    hashes: frozenset[str]

    @property
    def is_for_this_python(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate()


def locked(name: str) -> dict[str, Pin]:
    """{package: pin} from a file that contains only pins with hashes and comments."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.M)
    pins = {}
    for part in re.split(r"\n(?! )", text.strip()):
        pin = PIN.match(part)
        assert pin, part
        assert pin["name"] not in pins, part
        pins[pin["name"]] = Pin(pin["version"], pin["marker"] or "", frozenset(re.findall(r"sha256:(\w+)", part)))
    return pins


def pinned(names: list[str]) -> list[Requirement]:
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r "))]


def brought_along(requirements: list[Requirement]) -> set[str]:
    """The names of these packages and of all their dependencies on this Python."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    left = [(requirement, "") for requirement in requirements]
    while left:
        requirement, extra = left.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        for wanted in {"", *requirement.extras} - {had for had_name, had in seen if had_name == name}:
            seen.add((name, wanted))
            left += [(Requirement(line), wanted) for line in distribution(name).requires or []]
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_lock_pins_every_requirement_at_its_version(name):
    pins = locked(name)
    for requirement in pinned(FILES[name]):
        assert str(requirement.specifier) == f"=={pins[canonicalize_name(requirement.name)].version}", requirement


@pytest.mark.parametrize("name", FILES)
def test_a_lock_holds_what_the_requirements_bring_along_and_nothing_else(name):
    here = {package for package, pin in locked(name).items() if pin.is_for_this_python}
    assert here == brought_along(pinned(FILES[name]))


def test_what_is_installed_is_what_is_locked():
    def installed(package: str) -> str:
        try:
            return distribution(package).version
        except PackageNotFoundError:
            return "not installed"

    pins = locked("requirements-dev.lock")
    differing = {
        package: f"{installed(package)}, locked is {pin.version}"
        for package, pin in pins.items()
        if pin.is_for_this_python and installed(package) != pin.version
    }
    assert differing == {}, "run `make .venv/dev`"


def test_development_is_locked_on_top_of_runtime():
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", FILES)
def test_a_lock_names_no_place_to_fetch_from(name):
    """Packages come from wherever pip is configured to find them; the hashes make that safe."""
    assert not re.search(r"://|--(?!hash=)|^-", (ROOT / name).read_text(), re.M)
    assert all(a < b for a, b in pairwise(locked(name)))
