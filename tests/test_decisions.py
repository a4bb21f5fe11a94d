"""Each decision record has a date and a status, and is listed in the index."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "decisions"
HEAD = re.compile(r"# (\d+)\. .+\n\nDate: \d{4}-\d\d-\d\d\nStatus: (proposed|accepted|replaced by \[\d+\]\(.+\))\n\n")


def test_each_record_has_a_date_and_a_status_and_is_in_the_index():
    records = {}
    for file in sorted(FOLDER.glob("0*.md")):
        head = HEAD.match(file.read_text())
        assert head, file.name
        records[head[1]] = file.name
    assert records == dict(re.findall(r"^- \[(\d+)\]\((.+?)\) .+\.$", (FOLDER / "README.md").read_text(), re.M))
    assert [int(number) for number in records] == list(range(1, len(records) + 1))
