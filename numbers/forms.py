"""Forms on numbers. Credentials are passed on and not stored: no page shows them again."""

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import HTML, Column, Fieldset, Layout, Row
from django import forms
from unfold import widgets

from agents.models import Agent
from controlplane.lookups import MAX_SEARCH_CHARS
from controlplane.operations.forms import KeyedForm
from numbers.agent_picker import active_agents
from numbers.e164 import EXAMPLE, InvalidNumber, parse

SID = r"\A(AC|SK)[0-9a-fA-F]{32}\Z"
REGIONS = [
    ("", "United States (default)"),
    ("us1", "us1 – United States"),
    ("ie1", "ie1 – Ireland"),
    ("au1", "au1 – Australia"),
]
EDGES = [
    (edge, edge or "default of the region")
    for edge in (
        "",
        "ashburn",
        "dublin",
        "frankfurt",
        "sao-paulo",
        "singapore",
        "sydney",
        "tokyo",
        "umatilla",
        "roaming",
    )
]
AGENT = '{% include "numbers/agent_choice.html" with label="Agent (can be assigned later)" none="none yet" %}'
GONE = "This agent is archived or gone. Choose another."
SECRET = {"autocomplete": "new-password", "spellcheck": "false"}


class ShownForm(KeyedForm):
    """Has the agent that the page showed, so that a change made elsewhere in the meantime is not overwritten."""

    shown = forms.CharField(widget=forms.HiddenInput, required=False)


class AgentSearch(KeyedForm):
    """Has a list of agents that is filtered while the user types. The submitted agent has to match the search."""

    q = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        agent, typed = cleaned.get("agent"), cleaned.get("q", "").lower()
        if len(typed) > MAX_SEARCH_CHARS:
            self.add_error("agent", f"Search for an agent with {MAX_SEARCH_CHARS} characters at most.")
            return cleaned
        if agent is not None and typed not in agent.name.lower() and typed not in agent.remote_id.lower():
            self.add_error("agent", f"{agent} does not fit “{cleaned['q']}”, which you typed. Choose from the list.")
        return cleaned


class AssignForm(AgentSearch, ShownForm):
    agent = forms.ModelChoiceField(
        active_agents(),
        error_messages={
            "required": "Choose an agent.",
            "invalid_choice": "This agent is archived or gone. Choose another.",
        },
    )


class RenameForm(KeyedForm):
    label = forms.CharField(
        max_length=300,
        help_text="What this number is for. Shown here and at ElevenLabs.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)


class DeleteAgentForm(AgentSearch):
    """What to do with the numbers of an agent that is being deleted."""

    RELEASE, MOVE = "release", "move"
    deed = forms.ChoiceField(
        choices=[(RELEASE, "Unassign them"), (MOVE, "Move them to another agent")],
        error_messages={"required": "Choose what to do with its numbers."},
    )
    agent = forms.ModelChoiceField(active_agents(), required=False)

    def __init__(self, *args: Any, leaving: Agent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].queryset = active_agents().exclude(pk=leaving.pk)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("deed") == self.MOVE and not cleaned.get("agent") and "agent" not in self.errors:
            self.add_error("agent", "Choose the agent that answers these numbers from now on.")
        return cleaned


class OrphansForm(KeyedForm):
    """Has the ids of the numbers that the page proposed, separated by spaces, so that no others are unassigned."""

    shown = forms.RegexField(r"\A[A-Za-z0-9_-]{1,64}( [A-Za-z0-9_-]{1,64})*\Z", widget=forms.HiddenInput)


class ImportForm(KeyedForm):
    phone_number = forms.CharField(
        label="Phone number",  # no max_length: a browser would truncate the input, and the rest may be a valid number
        help_text=f"A number you have at Twilio, with its country code: {EXAMPLE}.",
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    label = forms.CharField(
        max_length=300, help_text="What it is for, such as “Support, US”.", widget=widgets.UnfoldAdminTextInputWidget
    )
    sid = forms.RegexField(
        SID,
        label="Twilio SID",
        help_text="Account SID (AC…) or API key SID (SK…).",
        error_messages={
            "invalid": "A SID is AC or SK followed by 32 characters 0–9 and a–f. Copy it from Twilio's console."
        },
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    token = forms.CharField(
        label="Auth token or key secret",
        max_length=200,
        help_text="Goes to ElevenLabs once and is not kept here.",
        widget=widgets.UnfoldAdminPasswordWidget(attrs=SECRET),
    )
    account_auth_token = forms.CharField(
        label="Account auth token",
        max_length=200,
        required=False,
        help_text="Only for an API key (SK…): ElevenLabs checks calls that come in with it.",
        widget=widgets.UnfoldAdminPasswordWidget(attrs=SECRET),
    )
    agent = forms.ModelChoiceField(
        active_agents(),
        required=False,
        error_messages={"invalid_choice": GONE},
    )
    enable_sms = forms.BooleanField(
        label="Let ElevenLabs take the number's SMS too",
        required=False,
        help_text="Replaces the SMS webhook that the number has at Twilio now.",
        widget=widgets.UnfoldBooleanWidget,
    )
    region = forms.ChoiceField(
        label="Twilio region", choices=REGIONS, required=False, widget=widgets.UnfoldAdminSelectWidget
    )
    edge = forms.ChoiceField(
        label="Edge location", choices=EDGES, required=False, widget=widgets.UnfoldAdminSelectWidget
    )
    region_token = forms.CharField(
        label="Region auth token",
        max_length=200,
        required=False,
        help_text="Only with a region: Twilio gives each region a token of its own.",
        widget=widgets.UnfoldAdminPasswordWidget(attrs=SECRET),
    )

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True  # the page's template has it
        helper.layout = Layout(
            "key",
            Fieldset("The number", Row(Column("phone_number"), Column("label")), HTML(AGENT), "enable_sms"),
            Fieldset("Twilio credentials", "sid", Row(Column("token"), Column("account_auth_token"))),
            Fieldset(
                "Region, if the number is not in Twilio's default",
                Row(Column("region"), Column("edge")),
                "region_token",
            ),
            HTML('{% include "controlplane/justification.html" %}'),
        )
        return helper

    def clean_phone_number(self) -> str:
        try:
            return parse(self.cleaned_data["phone_number"])
        except InvalidNumber as problem:
            raise forms.ValidationError(str(problem), code=problem.reason) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if str(cleaned.get("sid", "")).startswith("SK") and not cleaned.get("account_auth_token"):
            self.add_error("account_auth_token", "An API key (SK…) needs the account's auth token as well.")
        if cleaned.get("region") and not cleaned.get("region_token"):
            self.add_error("region_token", "A region needs its own auth token.")
        if not cleaned.get("region") and (cleaned.get("edge") or cleaned.get("region_token")):
            self.add_error("region", "Choose the region that this edge or token belongs to.")
        return cleaned

    def region_config(self) -> dict[str, str] | None:
        """ElevenLabs' `region_config`, without the token."""
        if not self.cleaned_data["region"]:
            return None
        config = {"region_id": self.cleaned_data["region"]}
        if self.cleaned_data["edge"]:
            config["edge_location"] = self.cleaned_data["edge"]
        return config
