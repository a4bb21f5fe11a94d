"""Short names of settings, from their JSON paths."""


def short_name(path: str) -> str:
    """ "conversation_config.tts.voice_id" -> "voice id"; "workflow.nodes.a.label" -> "workflow node “a”, label"."""
    first, *steps = [step.replace("~1", ".").replace("~0", "~") for step in path.split(".")]
    last = (steps or [first])[-1].replace("_", " ")
    if first != "workflow" or len(steps) < 2 or steps[0] not in ("nodes", "edges"):
        return last
    named = f"workflow {steps[0].removesuffix('s')} “{steps[1]}”"
    return f"{named}, {last}" if len(steps) > 2 else named
