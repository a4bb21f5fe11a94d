import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from agents.changelist import ORDERS
from agents.models import Agent
from controlplane.mirror.models import SyncRun
from numbers.models import PhoneNumber
from tests.agents.conftest import url_of

pytestmark = pytest.mark.django_db

QUERIES_AT_MOST = 12


def row(name, remote_id=None, **values):
    return Agent.objects.create(name=name, remote_id=remote_id or f"agent_{name.replace(' ', '')}", **values)


def number(agent, digits, **values):
    return PhoneNumber.objects.create(
        remote_id=f"phnum_{digits}", phone_number=f"+1555{digits}", agent=agent, bound_to=agent.remote_id, **values
    )


@pytest.fixture
def agents(db):
    now = timezone.now()
    alpha = row("Alpha", "agent_aaaa4f2a", language="en", llm="gpt-4o", tags=["vip", "Größe"], last_call_at=now)
    beta = row("Beta", "agent_bbbb", language="de", llm="gemini", tags=["vip, gold"])
    row("Gamma archived", "agent_cccc", archived=True, language="en")
    row("Delta gone", "agent_dddd", gone_at=now, language="en")
    number(alpha, "0001")
    number(alpha, "0002")
    number(beta, "0003", gone_at=now)
    return {"alpha": alpha, "beta": beta}


def found(client, **query):
    response = client.get(url_of("changelist"), query, follow=True)
    assert response.status_code == 200
    return [agent.name for agent in response.context["cl"].result_list]


FOUND: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["Alpha", "Beta"]),
    ({"state": "archived"}, ["Gamma archived"]),
    ({"state": "gone"}, ["Delta gone"]),
    ({"state": "all"}, ["Alpha", "Beta", "Delta gone", "Gamma archived"]),
    ({"language": "de"}, ["Beta"]),
    ({"llm": "gpt-4o"}, ["Alpha"]),
    ({"llm": "unheard-of"}, []),
    ({"tag": "vip"}, ["Alpha"]),
    ({"tag": "Größe"}, ["Alpha"]),
    ({"tag": "vip, gold"}, ["Beta"]),
    ({"numbers": "some"}, ["Alpha"]),
    ({"numbers": "none"}, ["Beta"]),
    ({"numbers": "none", "state": "all"}, ["Beta", "Delta gone", "Gamma archived"]),
    ({"q": "alph"}, ["Alpha"]),
    ({"q": "…4f2a"}, ["Alpha"]),
    ({"q": "agent_bbbb"}, ["Beta"]),
    ({"q": "Größe"}, ["Alpha"]),
    ({"q": "gold"}, ["Beta"]),
    ({"q": "beta gold"}, ["Beta"]),
    ({"q": "beta silver"}, []),
    ({"q": "gamma", "state": "all"}, ["Gamma archived"]),
    ({"q": "%"}, []),
    ({"o": "-0"}, ["Beta", "Alpha"]),
    ({"o": "-4"}, ["Alpha", "Beta"]),
    ({"o": "4"}, ["Beta", "Alpha"]),
    ({"o": "-5"}, ["Alpha", "Beta"]),
    ({"o": "99"}, ["Beta", "Alpha"]),
]


def test_search_filters_and_order(agents, operator):
    for query, names in FOUND:
        assert found(operator, **query) == names, query


@pytest.mark.parametrize("look", ["cards", "list", "<script>"])
def test_the_layout_does_not_change_the_result(agents, operator, look):
    assert found(operator, look=look) == ["Alpha", "Beta"]
    assert found(operator, look=look, q="gamma", state="all", language="en", o="-0") == ["Gamma archived"]
    assert found(operator, look=look, o="-0") == ["Beta", "Alpha"]


def test_every_order_on_offer_is_a_column(operator, db):
    row("Alpha")
    for order, _ in ORDERS:
        changelist = operator.get(url_of("changelist"), {"o": order}).context["cl"]
        assert changelist.get_ordering_field_columns()


def test_the_layout_stays_in_the_links_of_the_page(agents, operator):
    page = operator.get(url_of("changelist"), {"look": "list", "language": "en"}).content.decode()
    assert 'id="result_list"' in page
    assert "?language=en&amp;look=cards" in page or "?look=cards&amp;language=en" in page
    assert "look=list&amp;language=en&amp;o=" in page or "language=en&amp;look=list&amp;o=" in page
    cards = operator.get(url_of("changelist")).content.decode()
    assert 'id="result_list"' not in cards
    assert "<article" in cards


def test_only_existing_numbers_are_counted(agents, operator):
    rows = operator.get(url_of("changelist")).context["cl"].result_list
    assert {agent.name: agent.number_count for agent in rows} == {"Alpha": 2, "Beta": 0}


def test_there_is_nothing_to_delete_many_with(agents, operator):
    page = operator.get(url_of("changelist"), {"look": "list"}).content.decode()
    assert "delete_selected" not in page
    body = {"action": "delete_selected", "_selected_action": [agent.pk for agent in agents.values()], "index": "0"}
    operator.post(url_of("changelist"), body | {"post": "yes"})
    assert Agent.objects.count() == 4


def test_an_empty_workspace_says_what_agents_are_and_how_to_begin(operator, viewer):
    page = operator.get(url_of("changelist")).content.decode()
    assert "No agents yet" in page
    assert url_of("add") in page
    assert reverse("admin:mirror_syncrun_start") in page
    assert url_of("add") not in viewer.get(url_of("changelist")).content.decode()


def test_a_filter_without_matches_offers_to_clear_it(agents, operator):
    page = operator.get(url_of("changelist"), {"q": "zzz"}).content.decode()
    assert "No matching agents" in page
    assert "state=all" in page


@pytest.mark.parametrize("look", ["cards", "list"])
def test_the_number_of_queries_does_not_grow(operator, look, django_assert_max_num_queries):
    rows = Agent.objects.bulk_create(
        Agent(remote_id=f"agent_{at:05}", name=f"Agent {at:05}", language="en", llm="gpt-4o", tags=[f"t{at % 2}"])
        for at in range(200)
    )
    PhoneNumber.objects.bulk_create(
        PhoneNumber(
            remote_id=f"phnum_{at}",
            phone_number=f"+1555{at:07}",
            agent=rows[at % 200],
            bound_to=rows[at % 200].remote_id,
        )
        for at in range(1000)
    )
    SyncRun.objects.create(state=SyncRun.State.COMPLETE)
    if connection.vendor == "postgresql":
        # Without statistics of the new rows, PostgreSQL may plan nested loops over both tables, which take minutes.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE agents_agent, numbers_phonenumber")
    operator.get(url_of("changelist"))  # the session and permissions of a fresh sign-in
    with django_assert_max_num_queries(QUERIES_AT_MOST) as queries:
        response = operator.get(
            url_of("changelist"), {"look": look, "q": "Agent", "tag": "t1", "numbers": "some", "p": "2"}
        )
    assert len(response.context["cl"].result_list) == 50
    assert not any("remote_data" in query["sql"] for query in queries.captured_queries)
