/* One dialog for all pages: a link with `hx-target="#cp-dialog"` opens its form there instead of on a page.
   Without script the same link leads to the same form on a page of its own. */
(function () {
    "use strict";
    const SLOW = 1000; // milliseconds after which sending says that it is under way
    let opener = null;
    let sending = false;
    let outdated = false; // a check has just seen that the page behind shows something old

    function dialog() {
        let element = document.getElementById("cp-dialog");
        if (!element) {
            element = document.createElement("dialog");
            element.id = "cp-dialog";
            element.setAttribute("aria-labelledby", "cp-dialog-title");
            document.body.append(element);
            element.addEventListener("cancel", (event) => { if (sending) event.preventDefault(); });
            element.addEventListener("close", closed);
        }
        return element;
    }

    function closed() {
        dialog().replaceChildren();
        if (outdated) { window.location.reload(); return; }
        if (opener) opener.focus();
    }

    function close() { if (!sending) dialog().close(); }

    function inDialog(event) { return event.detail.target && event.detail.target.id === "cp-dialog"; }

    document.addEventListener("DOMContentLoaded", () => { dialog(); comeBack(); readOut(); });
    /* A busy browser leaves autofocus out now and then. */
    window.addEventListener("load", () => {
        const where = document.querySelector("[autofocus]");
        if (where && document.activeElement === document.body) where.focus();
    });

    document.addEventListener("htmx:beforeRequest", (event) => {
        if (!inDialog(event)) return;
        if (!dialog().contains(event.detail.elt)) { opener = event.detail.elt; return; }
        sending = true;
        remember();
        window.setTimeout(() => { if (sending) note("cp-note", "status", "Sending to ElevenLabs … this may take up to 10 seconds. Leaving the page does not stop it."); }, SLOW);
    });
    document.addEventListener("htmx:afterRequest", (event) => { if (inDialog(event)) sending = false; });

    /* Shown once it has settled: until then htmx itself moves the focus. */
    document.addEventListener("htmx:afterSettle", (event) => {
        if (!inDialog(event)) return;
        if (!dialog().open) dialog().showModal();
        const first = ["[autofocus]", ".has-error :is(input, select, textarea)", ".cp-dialog-body :is(input:not([type=hidden]), select, textarea, button:not(.is-danger), a)"]
            .map((which) => dialog().querySelector(which)).find((element) => element);
        if (first) first.focus();
    });

    /* A form that is refused is shown again with its errors: 422, or 503 where it could not be put on record. Anything
       else that is no page is an error, also a 503 of a proxy, which brings no form. */
    function isForm(answer) { return answer.status === 422 || (answer.status === 503 && answer.responseText.includes('class="cp-dialog-head"')); }
    document.addEventListener("htmx:beforeSwap", (event) => {
        if (isForm(event.detail.xhr)) { event.detail.shouldSwap = true; event.detail.isError = false; outdated = true; }
    });
    document.addEventListener("htmx:responseError", (event) => {
        if (inDialog(event)) failed("The server answered with an error (" + event.detail.xhr.status + "). Look at Activity before you try again: it shows whether anything was sent.");
    });
    document.addEventListener("htmx:sendError", (event) => {
        if (inDialog(event)) failed("The control plane could not be reached. Look at Activity before you try again: it shows whether anything was sent.");
    });

    /* The health card asks for itself. What it showed last is not true any more once nobody answers. */
    for (const trouble of ["htmx:responseError", "htmx:sendError"]) document.addEventListener(trouble, (event) => {
        const card = event.detail.elt;
        if (card.id !== "cp-health" || card.querySelector("[role=alert]")) return;
        const box = document.createElement("p");
        box.className = "cp-note is-danger";
        box.setAttribute("role", "alert");
        box.textContent = "The control plane has not answered since " + new Date().toLocaleTimeString() + ". This page shows older data and tries again every 15 seconds.";
        card.querySelector("h2").after(box);
    });

    function failed(text) { letSendAgain(); note("cp-errors", "alert", text); }

    function note(style, role, text) {
        const box = document.createElement("p");
        box.className = style;
        box.setAttribute("role", role);
        box.textContent = text;
        const body = dialog().querySelector(".cp-dialog-body");
        if (body) body.prepend(box); else { dialog().replaceChildren(box); if (!dialog().open) dialog().showModal(); }
    }

    document.addEventListener("click", (event) => {
        const closer = event.target.closest("[data-close]");
        if (closer && dialog().contains(closer)) { event.preventDefault(); close(); }
        else if (event.target === dialog()) close();
    });

    /* A link that looks like a button answers to the space bar as one. */
    document.addEventListener("keydown", (event) => {
        if (event.key === " " && event.target.matches("a[role=button]")) { event.preventDefault(); event.target.click(); }
    });

    /* A button pressed twice asks once; the server would know anyway, by the form's key. In the capturing phase, so
       that it comes before htmx. */
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (event.defaultPrevented || !form.matches("[data-once]")) return;
        /* Sent already, or a list in it does not yet fit what was typed. */
        if (form.dataset.sent || form.querySelector("[data-waiting]")) { event.preventDefault(); event.stopImmediatePropagation(); return; }
        form.dataset.sent = "1";
        for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
    }, true);
    function letSendAgain() {
        for (const form of document.querySelectorAll("form[data-sent]")) {
            delete form.dataset.sent;
            for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
        }
    }
    window.addEventListener("pageshow", letSendAgain);

    /* After a deed the page is drawn anew: it comes back to where it was, with the focus on what was used. */
    function remember() {
        const used = opener && opener.getAttribute("href");
        sessionStorage.setItem("cp-place", JSON.stringify({ page: location.href, y: window.scrollY, used }));
    }
    function comeBack() {
        const place = JSON.parse(sessionStorage.getItem("cp-place") || "null");
        sessionStorage.removeItem("cp-place");
        if (!place || place.page !== location.href) return;
        window.scrollTo(0, place.y);
        const used = place.used && [...document.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === place.used);
        if (used) used.focus({ preventScroll: true });
    }

    /* What became of it is read out too: a region is announced only if it is there before its text. */
    function readOut() {
        const told = document.getElementById("cp-messages");
        const region = document.createElement("div");
        region.className = "sr-only";
        region.setAttribute("role", "status");
        document.body.append(region);
        if (told) window.setTimeout(() => { region.textContent = told.textContent.trim(); }, 100);
    }
})();
