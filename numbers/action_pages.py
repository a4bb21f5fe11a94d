"""The pages of actions on a number. Each is a page of its own and, opened from a list, the content of a dialog.

A registered action without an entry in `PAGES` gets a plain page that shows the number and asks for confirmation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from controlplane.operations.actions import all_actions
from controlplane.operations.execute import execute
from controlplane.operations.form_flow import action_context, flash_result, submit, url_of
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import Operation
from controlplane.pages import is_dialog, previous_url, redirect_page, render_page
from numbers import agent_picker
from numbers.actions import AssignNumber, NumberAction, RemoveNumber, SetLabel
from numbers.forms import AssignForm, RenameForm, ShownForm
from numbers.models import PhoneNumber


@dataclass(frozen=True)
class ActionPage:
    """`build` makes the action from the number and the form's `cleaned_data`."""

    slug: str  # in the page's URL
    action: type[NumberAction]
    form: type[KeyedForm]
    template: str
    title: str
    build: Callable[[PhoneNumber, dict[str, Any]], NumberAction]

    def view(self) -> Callable[[HttpRequest, int], HttpResponse]:
        """GET shows the form. POST runs the action and redirects to the page that opened the form."""

        @require_http_methods(["GET", "HEAD", "POST"])
        @permission_required(self.action.permission, raise_exception=True)
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            number = get_object_or_404(PhoneNumber.objects.select_related("agent"), pk=pk)
            shown = self.action.shown_of(number)
            initial = {"shown": shown, "label": number.label, "agent": request.GET.get("agent")}
            form = self.form(request.POST if request.method == "POST" else None, initial=initial)
            if form.is_bound and form.is_valid():
                op = submit(form, lambda: execute(self.build(number, form.cleaned_data), action_context(request, form)))
                if op is not None:
                    flash_result(request, op)
                    return redirect_page(request, _back(request, op))
                number.refresh_from_db()  # the precheck may have stored newer values
                form.show_instead("shown", self.action.shown_of(number))
            context = {
                "form": form,
                "number": number,
                "title": self.title.format(number=number),
                "action": self.action,
                **agent_picker.picker_context(request, form),
            }
            return render_page(request, self.template, context)

        return view


PAGES = [
    ActionPage(
        "assign",
        AssignNumber,
        AssignForm,
        "numbers/assign.html",
        "Who answers {number}?",
        lambda number, cleaned: AssignNumber.of(number, cleaned["agent"], shown=cleaned["shown"]),
    ),
    ActionPage(
        "release",
        AssignNumber,
        ShownForm,
        "numbers/release.html",
        "Unassign {number}",
        lambda number, cleaned: AssignNumber.of(number, None, shown=cleaned["shown"]),
    ),
    ActionPage(
        "rename",
        SetLabel,
        RenameForm,
        "numbers/rename.html",
        "Edit label of {number}",
        lambda number, cleaned: SetLabel.of(number, cleaned["label"], shown=cleaned["shown"]),
    ),
    ActionPage(
        "remove",
        RemoveNumber,
        ShownForm,
        "numbers/remove.html",
        "Remove {number} from ElevenLabs",
        lambda number, cleaned: RemoveNumber.of(number, shown=cleaned["shown"]),
    ),
]


def pages() -> list[ActionPage]:
    return [*PAGES, *(_plain_page(action) for action in plain_actions())]


def plain_actions() -> Iterator[type[NumberAction]]:
    """The registered actions on a number that have neither a page nor an API endpoint of their own."""
    with_page = {page.action for page in PAGES}
    for action in all_actions().values():
        if issubclass(action, NumberAction) and action not in with_page and action.is_offered:
            yield action


def _plain_page(action: type[NumberAction]) -> ActionPage:
    title = f"{action.button}: {{number}}"
    return ActionPage(
        action.slug(),
        action,
        ShownForm,
        "numbers/action.html",
        title,
        lambda number, cleaned: action.of(number, shown=cleaned["shown"]),
    )


def _back(request: HttpRequest, op: Operation) -> str:
    """The URL of the list or page that opened the dialog, or of the operation while it is open."""
    if op.is_open:
        return url_of(op)
    changelist = reverse("admin:numbers_phonenumber_changelist")
    return previous_url(request, changelist) if is_dialog(request) else changelist
