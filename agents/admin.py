"""The list of agents, as cards or as a table. Changes are made in `views`; no ModelForm edits an agent."""

from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path
from unfold.decorators import display

from agents import catalogue, changelist, filters, views
from agents.models import Agent
from agents.options import language_name
from agents.row_permissions import annotate_permissions
from controlplane.operations import external_changes
from controlplane.readonly_admin import ReadOnlyAdmin
from controlplane.templatetags.when import ago


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    # `changelist.ORDERS` refers to these columns by their index.
    list_display = ["agent", "voice", "language_cell", "llm", "bound", "last_call", "state_cell", "row_actions"]
    list_display_links = None
    list_filter = [
        changelist.StateFilter,
        changelist.LanguageFilter,
        changelist.LlmFilter,
        changelist.TagFilter,
        changelist.NumbersFilter,
        changelist.ExternalChangeFilter,
    ]
    search_fields = ["name", "remote_id", "tags"]
    search_help_text = "Name, id or tag"
    ordering = ["name", "pk"]
    show_full_result_count = False
    list_fullwidth = True
    change_list_template = "agents/changelist.html"

    def get_urls(self):
        wrap = self.admin_site.admin_view
        routes = [
            ("voices/", views.voices, "voices"),
            ("voice-names/", views.voice_names, "voice_names"),
            ("<int:pk>/duplicate/", views.duplicate, "duplicate"),
            ("<int:pk>/archive/", views.archive, "archive"),
        ]
        return [
            *(path(route, wrap(view), name=f"agents_agent_{name}") for route, view, name in routes),
            *super().get_urls(),
        ]

    def add_view(self, request, form_url="", extra_context=None):
        return views.create(request)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return views.page(request, object_id)

    def delete_view(self, request, object_id, extra_context=None):
        return views.delete(request, object_id)

    def history_view(self, request, object_id, extra_context=None):
        return views.history(request, object_id)

    def has_view_permission(self, request: HttpRequest, obj=None) -> bool:
        return request.user.has_perm("agents.view_agent")

    def get_changelist(self, request, **kwargs):
        return changelist.AgentChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        bound = Count("numbers", filter=Q(numbers__gone_at=None))
        return Agent.objects.defer("remote_data").annotate(number_count=bound)

    def get_search_results(self, request, queryset, search_term):
        return (filters.matching(queryset, search_term) if search_term.strip() else queryset), False

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        if changelist := (getattr(response, "context_data", None) or {}).get("cl"):
            self._prepare(changelist, request)
            response.context_data["any_agent"] = bool(changelist.result_count) or Agent.objects.exists()
        return response

    def _prepare(self, changelist: changelist.AgentChangeList, request: HttpRequest) -> None:
        """Adds what the rows show besides the model's fields.

        A list never waits for ElevenLabs: the page fetches names of voices that are not cached after it has loaded.
        """
        annotate_permissions(changelist.result_list, request.user)
        external_changes.annotate_open(changelist.result_list, request.user)
        ids = {agent.voice_id for agent in changelist.result_list if agent.voice_id}
        names = catalogue.voice_names(ids)
        for agent in changelist.result_list:
            agent.voice_name = names.get(agent.voice_id)
            agent.language_name = language_name(agent.language)
        changelist.voices_to_name = sorted(ids - names.keys())

    @display(description="Agent", ordering="name")
    def agent(self, agent: Agent) -> str:
        return render_to_string("agents/name.html", {"agent": agent})

    @display(description="Voice", ordering="voice_id")
    def voice(self, agent: Agent) -> str:
        return render_to_string("agents/voice.html", {"agent": agent})

    @display(description="Language", ordering="language")
    def language_cell(self, agent: Agent) -> str:
        return language_name(agent.language) or "–"

    @display(description="Numbers", ordering="number_count")
    def bound(self, agent) -> str:
        return str(agent.number_count)

    @display(description="Last call", ordering=F("last_call_at").asc(nulls_first=True))
    def last_call(self, agent: Agent) -> str:
        return ago(agent.last_call_at)

    @display(description="State", ordering="archived")
    def state_cell(self, agent: Agent) -> str:
        return render_to_string("agents/state.html", {"agent": agent})

    @display(description="")
    def row_actions(self, agent: Agent) -> str:
        return render_to_string("agents/row_actions.html", {"agent": agent})
