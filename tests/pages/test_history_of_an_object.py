"""The pages of an agent and a number show its history: before and after, with long texts line by line."""

import pytest
from django.db import transaction

from controlplane.audit import ledger
from controlplane.audit.models import Entry
from controlplane.operations import object_history
from controlplane.operations.line_diff import MAX_MATCHED_LINES, MAX_SHOWN_LINES, Line, line_diff

pytestmark = pytest.mark.django_db
PROMPT = "conversation_config.agent.prompt.prompt"


def add_entry(row, before: dict, after: dict, kind: str = "changed") -> Entry:
    cause = ledger.Cause(Entry.Cause.OPERATION, "1", None, "ada", "Ticket <4711>")
    entry = ledger.entry(
        f"{row.object_type}.{kind}", row.object_type, row.remote_id, "x", before=before, after=after, cause=cause
    )
    with transaction.atomic():
        ledger.record(entry)
    return entry


def test_a_prompt_is_shown_line_by_line_on_both_pages(operator, workspace):
    old = "\n".join(["Hello.", *(f"Rule {at}" for at in range(20)), "Bye."])
    entry = add_entry(workspace.sales, {PROMPT: old}, {PROMPT: old.replace("Rule 9", "Rule <9>\u202e")})
    for path in (f"/admin/agents/agent/{workspace.sales.pk}/change/", f"/admin/audit/entry/{entry.pk}/change/"):
        page = operator.get(path).content.decode()
        page = page[page.index('<ol class="cp-diff">') :]
        assert "8 lines above as before" in page
        assert (
            'is-removed"><span class="cp-sign">− removed</span><span class="cp-line" dir="auto">Rule 9</span>' in page
        )
        assert '+ added</span><span class="cp-line" dir="auto">Rule &lt;9&gt;[U+202E]</span>' in page
        assert "Rule 3<" not in page


def test_the_newest_come_first_and_all_are_one_click_away(operator, workspace, monkeypatch):
    monkeypatch.setattr(object_history, "MAX_ENTRIES", 2)
    entries = [add_entry(workspace.bound, {"label": f"Line {at}"}, {"label": f"Line {at + 1}"}) for at in range(3)]
    add_entry(workspace.bound, {}, {}, "gone")
    page = operator.get(f"/admin/numbers/phonenumber/{workspace.bound.pk}/change/").content.decode()
    assert page.index("gone at ElevenLabs") < page.index("<bdi>Line 3</bdi>")
    assert "<bdi>Line 1</bdi>" not in page
    assert "Ticket &lt;4711&gt;" in page
    assert "Older changes and operations" in page
    assert f"/admin/audit/entry/{entries[2].pk}/change/" in page


def test_an_entry_of_many_settings_shows_some_and_counts_the_rest(operator, workspace):
    before = {f"path.{at}": at for at in range(object_history.MAX_SETTINGS + 2)}
    add_entry(workspace.sales, before, {path: value + 1 for path, value in before.items()})
    assert (
        "2 more settings changed" in operator.get(f"/admin/agents/agent/{workspace.sales.pk}/change/").content.decode()
    )


def test_those_who_may_not_see_history_do_not_see_it_there(sign_in, workspace):
    from django.contrib.auth.models import Permission, User

    client = sign_in(None)
    User.objects.get(username="nobody").user_permissions.add(Permission.objects.get(codename="view_phonenumber"))
    add_entry(workspace.bound, {"label": "Secret past"}, {"label": "Main"})
    page = client.get(f"/admin/numbers/phonenumber/{workspace.bound.pk}/change/")
    assert page.status_code == 200
    assert "Secret past" not in page.content.decode()


def signs(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.sign, line.text) for line in line_diff(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a", "a", []),
        ("a", "a\u200b", [("-", "a"), ("+", "a[U+200B]")]),
        ("a\u200b", "a\u200e", [("-", "a[U+200B]"), ("+", "a[U+200E]")]),
        ("a\r\nb", "a\nb", [("-", "a[U+000D]"), ("+", "a"), (" ", "b")]),
        ("a  ", "a\t", [("-", "a··"), ("+", "a[U+0009]")]),
        ("a\u00a0b", "a b", [("-", "a[U+00A0]b"), ("+", "a b")]),
        ("a\nb", "a\nb\n", [(" ", "a"), (" ", "b"), ("+", "")]),
        ("é", "e\u0301", [("-", "é"), ("+", "e\u0301")]),
    ],
)
def test_lookalike_texts_are_distinguished(before, after, expected):
    assert signs(before, after) == expected


def test_far_apart_lines_are_two_places_with_what_lies_between_counted():
    old = [str(at) for at in range(30)]
    new = ["first", *old[1:-1], "last"]
    found = signs("\n".join(old), "\n".join(new))
    assert [text for sign, text in found if sign == ""] == ["24 lines here as before"]
    assert [text for sign, text in found if sign in "+-" and sign] == ["0", "first", "29", "last"]


def test_texts_without_end_cost_no_more_than_so_many_lines():
    old, new = (["x" * 5000] + [f"{name} {at}" for at in range(MAX_MATCHED_LINES + 1)] for name in "ab")
    found = line_diff("\n".join(old), "\n".join(new))
    assert len(found) == MAX_SHOWN_LINES + 1
    assert found[-1] == Line("", f"and {2 * (MAX_MATCHED_LINES + 1) + 1 - MAX_SHOWN_LINES:,} lines more")
    assert len(found[0].text) < 2100
