"""Forms to create, edit, duplicate and archive an agent. The edit form sends only what differs from what its page
showed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django import forms

from agents import catalogue, options, settings_json, validators
from agents.fields import DEFAULTS, PATHS, normalize, tags_in, values_from
from agents.models import SETTINGS, Agent
from controlplane.elevenlabs import unstorable
from controlplane.mirror.json_paths import get, is_same, nest
from controlplane.operations.forms import KeyedForm
from controlplane.operations.models import Operation
from controlplane.templatetags.names import visible

NUMBER = {"inputmode": "decimal", "autocomplete": "off"}
INCOMPLETE = "This page came back incomplete. Open it again."
CODE = {"spellcheck": "false", "autocomplete": "off", "class": "cp-mono"}


class AgentForm(KeyedForm):
    """Edits `agent`, or creates one if it is None."""

    name = forms.CharField(max_length=300, required=False)
    tags = forms.CharField(required=False, help_text="Separated by commas.")
    first_message = forms.CharField(
        required=False,
        strip=False,
        help_text="What callers hear first. Empty: the agent waits for the caller to speak.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    system_prompt = forms.CharField(
        required=False, strip=False, widget=forms.Textarea(attrs={"rows": 16, "data-count": "1"})
    )
    language = forms.CharField(required=False, widget=forms.Select, help_text="For hearing and for speaking.")
    llm = forms.CharField(label="LLM", required=False, max_length=120, widget=forms.Select)
    temperature = forms.FloatField(
        required=False,
        help_text="0 is steady, higher is freer; at most 2. Empty: not sent to the LLM at all.",
        widget=forms.TextInput(attrs=NUMBER),
    )
    model_id = forms.CharField(
        label="Voice model",
        required=False,
        widget=forms.Select(
            attrs={"data-english": " ".join(options.ENGLISH_MODELS), "data-other": " ".join(options.OTHER_MODELS)}
        ),
        help_text="English needs another one than all other languages.",
    )
    voice_id = forms.CharField(label="Voice", required=False)
    other_voice_id = forms.CharField(
        label="Or the id of a voice",
        required=False,
        help_text="If it is filled in, it is used instead of the choice above.",
        widget=forms.TextInput(attrs=CODE),
    )
    stability = forms.FloatField(
        required=False, help_text="0 to 1. Low is livelier, high is more even.", widget=forms.TextInput(attrs=NUMBER)
    )
    similarity_boost = forms.FloatField(
        label="Similarity",
        required=False,
        help_text="0 to 1. How close to the original voice.",
        widget=forms.TextInput(attrs=NUMBER),
    )
    speed = forms.FloatField(required=False, help_text="0.7 to 1.2; 1 is normal.", widget=forms.TextInput(attrs=NUMBER))
    max_duration_seconds = forms.IntegerField(
        label="Longest call, in seconds", required=False, widget=forms.TextInput(attrs=NUMBER)
    )
    agent_concurrency_limit = forms.IntegerField(
        label="Calls at the same time",
        required=False,
        help_text="-1 means no limit but that of the workspace.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    daily_limit = forms.IntegerField(label="Calls per day", required=False, widget=forms.TextInput(attrs=NUMBER))
    patch = forms.CharField(
        label="Other settings, as JSON",
        required=False,
        help_text="For what has no field on this page. Name only what should change: objects are merged, lists are "
        "replaced whole, null clears. In the workflow, a node or an edge that you leave out stays; null removes it. "
        "What is sent is kept in the history: no passwords or keys here.",
        widget=forms.Textarea(attrs={"rows": 8, **CODE}),
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)
    as_of = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, agent: Agent | None = None, **kwargs: Any) -> None:
        self.agent = agent
        self.stored = DEFAULTS if agent is None else values_from(agent.remote_data)
        initial = {name: form_value(name, value) for name, value in self.stored.items()}
        if agent is not None:
            initial |= {"shown": json.dumps(self.stored), "as_of": digest(agent)}
        super().__init__(*args, initial=initial, **kwargs)
        self.before: dict[str, Any] = {}  # {field: value} that the page showed
        self.changed: dict[str, Any] = {}  # {field: value} of what differs from what was shown
        self.patched: dict[str, Any] = {}  # {path: value} of the JSON patch
        self.llms_unread = ""
        self.focus = ""  # the name of the field to focus, or "errors"
        if agent is None:
            self.fields["name"].widget.attrs["autofocus"] = True
        self._set_choices()

    def _set_choices(self) -> None:
        """The choices of each select: the known values, the stored one and the submitted one."""
        try:
            offers = catalogue.llms()
        except catalogue.CatalogueUnavailable as error:
            offers, self.llms_unread = [], str(error)
        names = {offer.name: visible(f"{offer.name} ({offer.note})" if offer.note else offer.name) for offer in offers}
        current = {
            field: (normalize(field, self.stored[field]), str(self[field].value() or ""))
            for field in ("llm", "language", "model_id")
        }
        self._set_field_choices(
            "llm",
            options.choices(names, *current["llm"])
            if names
            else [(name, visible(name)) for name in dict.fromkeys(current["llm"]) if name],
        )
        self._set_field_choices("language", options.choices(options.LANGUAGES, *current["language"]))
        self._set_field_choices("model_id", options.choices(options.VOICE_MODELS, *current["model_id"]))

    def _set_field_choices(self, field: str, choices: list[tuple[str, str]]) -> None:
        empty = [] if self.stored[field] else [("", "–")]
        self.fields[field].widget.choices = [*empty, *choices]

    def focus_on_errors(self) -> None:
        """Focus the first field with an error, or the list of errors. The templates use `focus`."""
        if not self.errors:
            return
        for field in self.fields.values():
            field.widget.attrs.pop("autofocus", None)
        self.focus = next((field.name for field in self.visible_fields() if field.errors), "errors")
        if self.focus in self.fields:
            self.fields[self.focus].widget.attrs["autofocus"] = True

    @property
    def chosen_voice(self) -> str:
        return str(self["voice_id"].value() or "")

    @property
    def stored_voice(self) -> str:
        """The voice that an existing agent has now. It stays selectable whatever the user searches for."""
        return str(self.stored["voice_id"] or "") if self.agent else ""

    def clean_tags(self) -> list[str]:
        return tags_in(self.cleaned_data["tags"])

    def clean_patch(self) -> str:
        text: str = self.cleaned_data["patch"]
        self.patched = settings_json.parse(text) if text else {}
        return text

    def clean_shown(self) -> str:
        if self.agent is None:
            return ""
        try:
            shown = json.loads(self.cleaned_data["shown"])
            before = {name: shown[name] for name in PATHS}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise forms.ValidationError(INCOMPLETE) from None
        if unstorable(before):
            raise forms.ValidationError(INCOMPLETE)
        self.before = before
        return ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        typed = {name: normalize(name, cleaned[name]) for name in PATHS if name in cleaned}
        if other := cleaned.get("other_voice_id"):
            typed["voice_id"] = other
        if self.agent is None:
            self.changed = typed
        elif self.before:
            self.changed = {name: value for name, value in typed.items() if value != normalize(name, self.before[name])}
        for name, value in self.changed.items():
            self._validate(name, value)
        self._check_voice_model(typed)
        self._check_patch()
        return cleaned

    def _validate(self, name: str, value: Any) -> None:
        if problem := validators.setting_error(name, value, str(self[name].label)):
            other = name == "voice_id" and value and self.cleaned_data.get("other_voice_id")
            self.add_error("other_voice_id" if other else name, problem)

    def _check_voice_model(self, typed: Mapping[str, Any]) -> None:
        if problem := validators.voice_model_error(typed, self.changed):
            self.add_error("model_id", problem)

    def _check_patch(self) -> None:
        """The patch was written against the JSON that the page showed, so it is refused if the agent has changed."""
        if (
            self.patched
            and self.agent is not None
            and self.cleaned_data.get("as_of") != digest(self.agent)
            and not self._earlier_operation()
        ):
            self.add_error("patch", "The agent was changed meanwhile. Check its JSON below, then save again.")
            self.show_instead("as_of", digest(self.agent))

    def body(self) -> dict[str, Any]:
        """The body of the create request, without the name."""
        flat = {PATHS[name]: value for name, value in self.changed.items() if name != "name"}
        return nest(flat | self.patched)

    def changed_values(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """({path: value} to set, {path: value} that the page showed there)."""
        earlier = self._earlier_operation()
        before = earlier.params.get("shown", {}) if earlier else {}
        remote = self.agent.remote_data if self.agent else {}
        patched = {path: before.get(path, get(remote, path)) for path in self.patched}
        values = {PATHS[name]: value for name, value in self.changed.items()}
        values |= {path: value for path, value in self.patched.items() if not is_same(value, patched[path])}
        shown = {PATHS[name]: self.before[name] for name in self.changed}
        return values, shown | {path: patched[path] for path in values if path in patched}

    def go_on_from(self, agent: Agent) -> None:
        """Show the form again, based on the agent's current values. What the user typed stays."""
        now = values_from(agent.remote_data)
        replaced = {"shown": json.dumps(now), "as_of": digest(agent)}
        for name in PATHS:
            if normalize(name, now[name]) == normalize(name, self.before[name]):
                continue
            if name in self.changed:
                self.add_error(name, f"Now it is: {display_text(name, now[name])}")
            else:
                replaced[name] = form_value(name, now[name])
        for field, value in replaced.items():
            self.show_instead(field, value)
        self.stored = now
        self._set_choices()

    def _earlier_operation(self) -> Operation | None:
        """The operation of an earlier submission of this same form.

        A repeated submission is compared with what the first one saw, not with its result.
        """
        return Operation.objects.filter(key=str(self.cleaned_data.get("key", "")), kind="agent.update").first()


class DuplicateForm(KeyedForm):
    name = forms.CharField(
        label="Name of the copy",
        max_length=300,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )


class ArchiveForm(KeyedForm):
    """The direction is part of the form, so that a stale page cannot turn Archive into Restore."""

    deed = forms.ChoiceField(choices=[("archive", "Archive"), ("restore", "Restore")], widget=forms.HiddenInput)


def form_value(name: str, value: Any) -> Any:
    typed = normalize(name, value)
    return ", ".join(typed) if name == "tags" else typed


def display_text(name: str, value: Any) -> str:
    text = visible(form_value(name, value)) if value not in (None, "", []) else "empty"
    return f"{text[:300]} … ({len(text):,} characters)" if len(text) > 300 else text


def digest(agent: Agent) -> str:
    parts = {part: agent.remote_data.get(part) for part in SETTINGS}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
