/* The command palette is the theme's. What it lacks: Enter opens the first result, also when it was pressed before the
   results came. The theme's own handler needs a result to be chosen by arrow key or pointer first. */
(function () {
    "use strict";
    const RESULTS = "command-results";
    let answered = null;  // the words that the results shown belong to
    let hurry = null;  // the words of which the first result is to be opened as soon as it comes

    const field = () => document.getElementById("search-input-command");

    function open(link, elsewhere) {
        if (elsewhere) window.open(link.href, "_blank");
        else window.location.assign(link.href);
    }

    document.addEventListener("DOMContentLoaded", () => {
        if (!field()) return;
        field().placeholder = "Find an agent by name or id, a number by its digits";
        field().setAttribute("aria-label", field().placeholder);
    });

    /* In the capturing phase, so that it comes before the theme's. */
    document.addEventListener("keydown", (event) => {
        if (event.target !== field()) return;
        if (event.key !== "Enter") { hurry = null; return; }
        const results = document.getElementById(RESULTS);
        if (results.querySelector("li.active a")) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        const first = results.querySelector("li a");
        if (first && field().value === answered) open(first, event.ctrlKey || event.metaKey);
        else hurry = field().value;
    }, true);

    document.addEventListener("htmx:afterSwap", (event) => {
        if (event.detail.target.id !== RESULTS) return;
        answered = new URLSearchParams(event.detail.pathInfo.finalRequestPath.split("?")[1]).get("s");
        const first = document.querySelector("#" + RESULTS + " li a");
        if (hurry !== null && hurry === answered && hurry === field().value && first) open(first, false);
        hurry = null;
    });
})();
