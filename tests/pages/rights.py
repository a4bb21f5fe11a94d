"""The table of who may see and who may do, as `rights.txt` beside this says it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    see_needs: str
    see: str
    do_needs: str
    do: str


def read(path: Path) -> dict[str, Row]:
    lines = [line.split("|") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {place.strip().removeprefix("/"): Row(*see.split(), *do.split()) for place, see, do in lines}


TABLE = read(Path(__file__).with_name("rights.txt"))
PAGES = {place: row for place, row in TABLE.items() if " " not in place}
ACTIONS = {place: row for place, row in TABLE.items() if " " in place and not place[0].isupper()}
API = {place: row for place, row in TABLE.items() if place[:1].isupper()}  # "GET api/agents"
