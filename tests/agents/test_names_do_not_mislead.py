import pytest

from agents.models import Agent
from controlplane.audit.models import Entry
from controlplane.templatetags.names import visible
from tests.agents.conftest import mirrored, opened, url_of


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Support Bot", "Support Bot"),
        ("\u202etob troppuS\u202c", "�tob troppuS�"),
        ("Sup\u200bport\u2060 \ufeffBot\u00ad", "Sup�port� �Bot�"),
        ("\u2066Bot\u2069 \u200e\u200f", "�Bot� ��"),
        ("Sup\u200dport", "Sup�port"),
        ("\u3164\u2800\u115f", "���"),
        ("\u2800\u200d", "��"),
        ("Bot\U000e0041", "Bot�"),
        ("\ud800\x07\x1b", "���"),
        ("Two\nlines\tand blanks", "Two\nlines\tand blanks"),
        ("Grüße, 你好, שלום, مرحبا", "Grüße, 你好, שלום, مرحبا"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("👩\u200d💻 👩🏽\u200d🚀 🏳️\u200d🌈", "👩\u200d💻 👩🏽\u200d🚀 🏳️\u200d🌈"),
        ("\u200d👩", "�👩"),
        ("", ""),
    ],
)
def test_what_hides_or_turns_is_marked_and_what_people_write_is_not(name, shown):
    assert visible(name) == shown


NAME = "\u202etob\u200b troppuS"
SHOWN = "�tob� troppuS"


@pytest.mark.django_db
def test_pages_and_dialogs_mark_such_names_and_the_remote_keeps_its_own(remote, operator, viewer):
    agent = mirrored(remote, NAME)
    pages = [operator.get(url_of("changelist"), {"look": look}) for look in ("cards", "list")]
    for action in ("duplicate", "archive"):
        pages += [operator.get(url_of(action, agent), headers=how) for how in ({}, {"HX-Request": "true"})]
    pages += [viewer.get(url_of("change", agent))]
    for page in pages:
        text = page.content.decode()
        if page is pages[-1]:
            text = text.partition("Raw data (JSON)")[0]  # the JSON is shown as it is
        assert SHOWN in text
        assert "\u202e" not in text
        assert "\u200b" not in text
    assert Agent.objects.get().name == NAME
    assert opened(operator, url_of("change", agent))["name"] == NAME
    assert opened(operator, url_of("duplicate", agent))["name"] == "Copy of tob troppuS"
    entry = Entry.objects.get(object_type="agent")
    assert entry.object_name == SHOWN
    assert entry.after["name"] == NAME


@pytest.mark.django_db
def test_a_name_of_blanks_is_no_name(remote):
    assert mirrored(remote, " \u00a0 ").display_name() == "(no name)"


@pytest.mark.django_db
@pytest.mark.parametrize("look", ["cards", "list"])
def test_every_button_of_a_list_says_which_agent_it_is_for(remote, operator, look):
    agent = mirrored(remote)
    page = operator.get(url_of("changelist"), {"look": look}).content.decode()
    for action in ("Edit", "Duplicate", "Archive", "Delete"):
        assert f'aria-label="{action} Support Bot {agent.id_suffix}"' in page
