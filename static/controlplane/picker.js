/* Choosing an agent: the list follows what is typed, and only an agent that fits it can be chosen. */
(function () {
    "use strict";
    const PAUSE = 150; // milliseconds without a key, after which the list is asked for
    const search = () => document.getElementById("cp-agent-search");
    const list = () => document.getElementById("cp-agent");
    let timer = 0;
    let asked = 0;

    function tell() {
        const place = list() && document.querySelector(`[data-chosen="${list().id}"]`);
        const option = list() && list().selectedOptions[0];
        if (place) place.textContent = option && option.value ? option.dataset.name : "choose an agent";
    }

    async function narrow() {
        const mine = ++asked;
        let options = null;
        try {
            const answer = await fetch(`${search().dataset.options}&q=${encodeURIComponent(search().value)}`, { headers: { "HX-Request": "true" } });
            if (answer.status === 200) options = await answer.text();
        } catch (error) { /* no connection: said below */ }
        if (mine !== asked || !list()) return; // something else was typed, or the dialog closed
        if (options === null) list().replaceChildren(new Option("The list could not be read. Type again, or reload the page.", "", false, false));
        else list().innerHTML = options; // options of our own server, escaped there
        delete list().dataset.waiting;
        tell();
    }

    document.addEventListener("input", (event) => {
        if (event.target !== search()) return;
        list().selectedIndex = -1; // what was chosen belongs to what was typed before
        list().dataset.waiting = "1"; // site.js sends no form that waits
        tell();
        window.clearTimeout(timer);
        timer = window.setTimeout(narrow, PAUSE);
    });
    document.addEventListener("change", (event) => { if (event.target === list()) tell(); });
    document.addEventListener("htmx:afterSettle", tell);
    document.addEventListener("DOMContentLoaded", tell);

    /* From the search field, the arrow keys choose in the list. Where a form does more than bind, Enter only goes there. */
    document.addEventListener("keydown", (event) => {
        if (event.target !== search()) return;
        if (event.key === "Enter" && search().dataset.enter === "list") { event.preventDefault(); list().focus(); return; }
        if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
        const next = list().options[list().selectedIndex + (event.key === "ArrowDown" ? 1 : -1)];
        if (next && !next.disabled) { next.selected = true; tell(); }
        event.preventDefault();
    });
})();
