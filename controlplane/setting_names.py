"""Names of settings in words, from their JSON paths."""

# Parts of an agent whose settings are known by their last step alone. The longest one that fits is left out.
HEADS = (
    "conversation_config.agent.prompt",
    "conversation_config.agent",
    "conversation_config.asr",
    "conversation_config.conversation",
    "conversation_config.tts",
    "conversation_config.turn",
    "conversation_config.vad",
    "conversation_config",
    "platform_settings.call_limits",
    "platform_settings",
)
LEFT_OUT = {"conversation_config", "conversation_config_override"}  # within a path, such a step says nothing


def setting_name(path: str) -> str:
    """The name of a setting, unambiguous among all settings of an agent.

    "conversation_config.tts.voice_id" -> "voice id", "platform_settings.privacy.record_voice" -> "privacy, record
    voice", "workflow.nodes.a.label" -> "workflow node “a”, label".
    """
    if path.startswith(("workflow.nodes.", "workflow.edges.")):
        _, kind, key, *steps = path.split(".")
        return ", ".join([f"workflow {kind.removesuffix('s')} “{_decoded(key)}”", *map(_words, steps[-1:])])
    head = next((head for head in HEADS if path.startswith(f"{head}.")), "")
    steps = path.removeprefix(f"{head}.").split(".")
    return ", ".join(_words(step) for step in steps if step not in LEFT_OUT) or _words(steps[-1])


def _words(step: str) -> str:
    return _decoded(step).replace("_", " ")


def _decoded(step: str) -> str:
    return step.replace("~1", ".").replace("~0", "~")
