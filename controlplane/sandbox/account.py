"""Endpoints of the account, the speech models and the empty list of conversations."""

from typing import Annotated

from pydantic import BaseModel, Field

from . import llms
from .auth import KEY
from .messages import Answer, Json
from .state import Call

LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese"}
SUBSCRIPTION: Json = {
    "tier": "creator",
    "character_count": 17231,
    "character_limit": 100000,
    "max_character_limit_extension": None,
    "max_credit_limit_extension": 0,
    "can_extend_character_limit": False,
    "allowed_to_extend_character_limit": False,
    "next_character_count_reset_unix": 1893456000,
    "voice_slots_used": 2,
    "professional_voice_slots_used": 1,
    "professional_voice_slots_used_in_workspace": 1,
    "voice_limit": 30,
    "max_voice_add_edits": None,
    "voice_add_edit_counter": 0,
    "professional_voice_limit": 1,
    "can_extend_voice_limit": False,
    "can_use_instant_voice_cloning": True,
    "can_use_professional_voice_cloning": True,
    "currency": "usd",
    "current_overage": {"amount": "0", "currency": "usd"},
    "status": "active",
    "billing_period": "monthly_period",
    "character_refresh_period": "monthly_period",
    "next_invoice": None,
    "open_invoices": [],
    "has_open_invoices": False,
}


class ConversationsQuery(BaseModel):
    page_size: Annotated[int, Field(ge=1, le=100)] = 30
    cursor: str | None = None


def user(call: Call) -> Answer:
    return Answer(
        {
            "user_id": "user_sandbox",
            "workspace_id": "workspace_sandbox",
            "subscription": SUBSCRIPTION,
            "is_new_user": False,
            "can_use_delayed_payment_methods": False,
            "is_onboarding_completed": True,
            "is_onboarding_checklist_completed": True,
            "first_name": "Sandbox",
            "is_api_key_hashed": True,
            "xi_api_key_preview": KEY[-4:],
            "created_at": 1700000000,
            "seat_type": "workspace_admin",
        }
    )


def subscription(call: Call) -> Answer:
    return Answer(SUBSCRIPTION)


def list_llms(call: Call) -> Answer:
    return Answer(llms.listing())


def models(call: Call) -> Answer:
    return Answer(
        [
            model("eleven_v3", "Eleven v3", LANGUAGES),
            model("eleven_multilingual_v2", "Eleven Multilingual v2", LANGUAGES),
            model("eleven_flash_v2_5", "Eleven Flash v2.5", LANGUAGES),
            model("eleven_turbo_v2_5", "Eleven Turbo v2.5", LANGUAGES),
            model("eleven_flash_v2", "Eleven Flash v2", {"en": "English"}),
            model("eleven_turbo_v2", "Eleven Turbo v2", {"en": "English"}),
        ]
    )


def model(model_id: str, name: str, languages: dict[str, str]) -> Json:
    return {
        "model_id": model_id,
        "name": name,
        "can_do_text_to_speech": True,
        "can_do_voice_conversion": False,
        "languages": [{"language_id": code, "name": name} for code, name in languages.items()],
    }


def conversations(call: Call) -> Answer:
    return Answer({"conversations": [], "next_cursor": None, "has_more": False})
