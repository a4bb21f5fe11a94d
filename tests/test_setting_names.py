import pytest

from controlplane.setting_names import setting_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("name", "name"),
        ("conversation_config.tts.voice_id", "voice id"),
        ("conversation_config.agent.first_message", "first message"),
        ("conversation_config.agent.prompt.built_in_tools.end_call", "built in tools, end call"),
        (
            "conversation_config.language_presets.de.overrides.tts.voice_id",
            "language presets, de, overrides, tts, voice id",
        ),
        (
            "platform_settings.overrides.conversation_config_override.agent.first_message",
            "overrides, agent, first message",
        ),
        ("platform_settings.privacy.record_voice", "privacy, record voice"),
        ("platform_settings.data_collection.a~1b.type", "data collection, a.b, type"),
        ("platform_settings.archived", "archived"),
        ("workflow.nodes.n1.label", "workflow node “n1”, label"),
        ("workflow.edges.e1", "workflow edge “e1”"),
        ("workflow.prevent_subagent_loops", "workflow, prevent subagent loops"),
    ],
)
def test_a_setting_is_named_by_its_path_in_words(path, name):
    assert setting_name(path) == name


def test_no_two_settings_of_an_override_have_the_name_of_the_setting_itself():
    first_message = "conversation_config.agent.first_message"
    override = "platform_settings.overrides.conversation_config_override.agent.first_message"
    assert setting_name(first_message) != setting_name(override)
