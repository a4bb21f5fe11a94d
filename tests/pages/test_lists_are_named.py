"""The browser tab names the list that it shows, so that several open lists can be distinguished."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.urls import reverse
from django.utils.text import capfirst

from controlplane.readonly_admin import ReadOnlyAdmin

LISTS = [model for model, one in admin.site._registry.items() if isinstance(one, ReadOnlyAdmin)]
OF_ITS_OWN = {"History", "API check reports"}  # as in the sidebar


@pytest.mark.django_db
@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_list_is_called_what_it_lists(model, admin_client):
    page = admin_client.get(reverse(admin_urlname(model._meta, "changelist"))).text
    name = re.search("<title>([^<]*) . Agent Control Plane</title>", page)[1].strip()
    assert name in {capfirst(str(model._meta.verbose_name_plural)), *OF_ITS_OWN}
