/* The assign dialog says which agent answers then: the option chosen in the list. */
(function () {
    "use strict";
    function tell(select) {
        const place = document.querySelector(`[data-chosen="${select.id}"]`);
        const option = select.selectedOptions[0];
        if (place) place.textContent = option && option.value ? option.dataset.name : "choose an agent";
    }
    document.addEventListener("change", (event) => { if (event.target.matches("#cp-agent")) tell(event.target); });
    document.addEventListener("htmx:afterSettle", () => { const select = document.getElementById("cp-agent"); if (select) tell(select); });
    document.addEventListener("DOMContentLoaded", () => { const select = document.getElementById("cp-agent"); if (select) tell(select); });
    /* From the search field, the arrow keys choose in the list. */
    document.addEventListener("keydown", (event) => {
        if (event.target.id !== "cp-agent-search" || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
        const select = document.getElementById("cp-agent");
        const step = event.key === "ArrowDown" ? 1 : -1;
        const next = select.selectedIndex + step;
        if (select.options[next] && !select.options[next].disabled) { select.selectedIndex = next; tell(select); }
        event.preventDefault();
    });
})();
