from django.contrib import admin

from agents.models import Agent
from controlplane.dashboard.readonly import ReadOnlyAdmin


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    pass
