/* Choosing an agent: the list follows what is typed, and only an agent that fits it can be chosen. */
(function () {
    "use strict";
    const search = () => document.getElementById("cp-agent-search");
    const list = () => document.getElementById("cp-agent");

    function tell() {
        const place = list() && document.querySelector(`[data-chosen="${list().id}"]`);
        const option = list() && list().selectedOptions[0];
        if (place) place.textContent = option && option.value ? option.dataset.name : "choose an agent";
    }

    function arrived() { if (list()) delete list().dataset.waiting; }

    document.addEventListener("input", (event) => {
        if (event.target !== search()) return;
        list().selectedIndex = -1; // what was chosen belongs to what was typed before
        list().dataset.waiting = "1"; // for the options that fit what was typed last: see site.js
        tell();
    });
    document.addEventListener("change", (event) => { if (event.target === list()) tell(); });
    document.addEventListener("htmx:afterSettle", (event) => {
        if (event.detail.target === list()) arrived();
        tell();
    });
    document.addEventListener("htmx:responseError", arrived);
    document.addEventListener("htmx:sendError", arrived);
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
