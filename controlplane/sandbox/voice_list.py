"""The voices of the sandbox's workspace."""

from typing import NamedTuple


class Voice(NamedTuple):
    voice_id: str
    name: str
    gender: str
    age: str
    accent: str
    language: str
    use_case: str
    description: str
    category: str = "premade"


VOICES = (
    Voice(
        "cjVigY5qzO86Huf0OWal", "Eric", "male", "middle_aged", "american", "en", "conversational", "Smooth, trustworthy"
    ),
    Voice(
        "21m00Tcm4TlvDq8ikWAM", "Rachel", "female", "young", "american", "en", "conversational", "Calm, matter-of-fact"
    ),
    Voice(
        "EXAVITQu4vr4xnSDxMaL", "Sarah", "female", "young", "american", "en", "entertainment_tv", "Mature, reassuring"
    ),
    Voice("FGY2WhTYpPnrIDTdsKH5", "Laura", "female", "young", "american", "en", "social_media", "Enthusiast, quirky"),
    Voice("IKne3meq5aSn9XLyUdCD", "Charlie", "male", "young", "australian", "en", "conversational", "Deep, confident"),
    Voice(
        "JBFqnCBsd6RMkjVDRZzb", "George", "male", "middle_aged", "british", "en", "narrative_story", "Warm, captivating"
    ),
    Voice("N2lVS1w4EtoT3dr4eOWO", "Callum", "male", "middle_aged", "american", "en", "characters", "Husky trickster"),
    Voice(
        "SAz9YHcvj6GT2YYXdXww",
        "River",
        "neutral",
        "middle_aged",
        "american",
        "en",
        "conversational",
        "Relaxed, informative",
    ),
    Voice("TX3LPaxmHKxFdv7VOQHJ", "Liam", "male", "young", "american", "en", "social_media", "Energetic, articulate"),
    Voice("Xb7hH8MSUJpSbSDYk0k2", "Alice", "female", "middle_aged", "british", "en", "educational", "Clear, engaging"),
    Voice("XrExE9yKIg1WjnnlVkGX", "Matilda", "female", "middle_aged", "american", "en", "educational", "Knowledgeable"),
    Voice("bIHbv24MWmeRgasZH58o", "Will", "male", "young", "american", "en", "conversational", "Relaxed optimist"),
    Voice(
        "cgSgspJ2msm6clMCkdW9",
        "Jessica",
        "female",
        "young",
        "american",
        "en",
        "conversational",
        "Playful, bright, warm",
    ),
    Voice(
        "iP95p4xoKVk53GoZ742B",
        "Chris",
        "male",
        "middle_aged",
        "american",
        "en",
        "conversational",
        "Charming, down-to-earth",
    ),
    Voice(
        "nPczCjzI2devNBz1zQrb", "Brian", "male", "middle_aged", "american", "en", "narrative_story", "Deep, resonant"
    ),
    Voice("onwK4e9ZLuTAKqWW03F9", "Daniel", "male", "middle_aged", "british", "en", "news", "Steady broadcaster"),
    Voice(
        "pFZP5JQG7iQjIQuC4Bku",
        "Lily",
        "female",
        "middle_aged",
        "british",
        "en",
        "narrative_story",
        "Velvety, confident",
    ),
    Voice("pqHfZKP75CvOlQylNhV4", "Bill", "male", "old", "american", "en", "advertisement", "Wise, mature"),
    Voice("sbxGreta0deHalloWelt", "Greta", "female", "young", "standard", "de", "conversational", "Friendly, clear"),
    Voice("sbxJonas0deHalloWelt", "Jonas", "male", "middle_aged", "standard", "de", "conversational", "Calm, factual"),
    Voice("sbxElodie0frBonjour0", "Élodie", "female", "young", "parisian", "fr", "conversational", "Lively, polite"),
    Voice("sbxLucien0frBonjour0", "Lucien", "male", "old", "standard", "fr", "narrative_story", "Grave, unhurried"),
    Voice(
        "sbxMarta00esHola0000", "Marta", "female", "middle_aged", "peninsular", "es", "conversational", "Warm, direct"
    ),
    Voice("sbxDiego00esHola0000", "Diego", "male", "young", "mexican", "es", "social_media", "Bright, quick"),
    Voice("sbxGiulia0itCiao0000", "Giulia", "female", "young", "standard", "it", "conversational", "Melodic, cheerful"),
    Voice(
        "sbxInes000ptOla00000", "Inês", "female", "middle_aged", "brazilian", "pt", "conversational", "Soft, patient"
    ),
    Voice("sbxAnouk00nlHallo000", "Anouk", "female", "young", "standard", "nl", "conversational", "Crisp, open"),
    Voice("sbxZofia00plCzesc000", "Zofia", "female", "middle_aged", "standard", "pl", "news", "Even, precise"),
    Voice("sbxHaruka0jaKonnichi", "Haruka", "female", "young", "standard", "ja", "conversational", "Polite, light"),
    Voice("sbxPriya00hiNamaste0", "Priya", "female", "young", "standard", "hi", "conversational", "Engaging, swift"),
    Voice(
        "sbxHouse00OurOwn0001",
        "House voice",
        "female",
        "middle_aged",
        "american",
        "en",
        "conversational",
        "Ours",
        "cloned",
    ),
    Voice(
        "sbxBoss000OurOwn0002", "The founder", "male", "old", "british", "en", "advertisement", "Ours", "professional"
    ),
)
BY_ID = {voice.voice_id: voice for voice in VOICES}
