/* Small help on the pages of agents. Everything works without it, but for the search of voices. */
(function () {
    "use strict";

    /* A bar of filters goes as soon as one is chosen, and leaves what is not used out of the address. */
    document.addEventListener("change", (event) => {
        const form = event.target.closest("form[data-auto]");
        if (form && event.target.matches("select")) form.requestSubmit();
    });
    document.addEventListener("submit", (event) => {
        if (!event.target.matches("form[data-auto]")) return;
        for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
    });
    window.addEventListener("pageshow", () => {
        for (const field of document.querySelectorAll("form[data-auto] :disabled")) field.disabled = false;
    });

    /* How long the prompt is. */
    function count(place) {
        const text = document.getElementById(place.dataset.countOf);
        if (!text) return;
        place.hidden = false;
        place.textContent = text.value.length.toLocaleString("en") + (text.value.length === 1 ? " character" : " characters");
    }
    document.addEventListener("input", (event) => {
        const place = event.target.id && document.querySelector(`[data-count-of="${CSS.escape(event.target.id)}"]`);
        if (place) count(place);
    });

    /* Another language may need another voice model: choose one that suits, and say so. */
    document.addEventListener("change", (event) => {
        const model = document.getElementById("id_model_id");
        const note = document.querySelector("[data-model-note]");
        if (!model || !note) return;
        if (event.target === model) note.hidden = true;
        if (event.target.id !== "id_language" || !event.target.value) return;
        const english = event.target.value.split("-")[0] === "en";
        const suiting = model.dataset[english ? "english" : "other"].split(" ");
        const refused = model.dataset[english ? "other" : "english"].split(" ");
        note.hidden = true;
        if (!refused.includes(model.value)) return;
        model.value = suiting[0];
        note.textContent = `Changed to ${model.selectedOptions[0].text}, which suits ${event.target.selectedOptions[0].text}.`;
        note.hidden = false;
    });

    /* Enter in the search of voices searches; it must not save the whole agent. */
    document.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && event.target.matches("#ag-voice [name=voice_search]")) event.preventDefault();
    });

    document.addEventListener("click", async (event) => {
        const button = event.target.closest("[data-copy]");
        if (!button) return;
        const source = document.getElementById(button.dataset.copy);
        try {
            await navigator.clipboard.writeText(source.textContent);
            button.textContent = "Copied";
        } catch {
            window.getSelection().selectAllChildren(source); /* no clipboard without https: ready for Ctrl C */
            button.textContent = "Selected";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });

    for (const form of document.querySelectorAll("form[data-auto]")) form.dataset.auto = "on"; /* no need for its button */
    for (const place of document.querySelectorAll("[data-count-of]")) count(place);
})();
