/* One dialog for all pages: a link with `hx-target="#cp-dialog"` opens its form there instead of on a page.
   Without script the same link leads to the same form on a page of its own. */
(function () {
    "use strict";
    let opener = null;

    function dialog() {
        let element = document.getElementById("cp-dialog");
        if (!element) {
            element = document.createElement("dialog");
            element.id = "cp-dialog";
            element.setAttribute("aria-labelledby", "cp-dialog-title");
            document.body.append(element);
            element.addEventListener("close", () => { element.replaceChildren(); if (opener) opener.focus(); });
        }
        return element;
    }

    document.addEventListener("DOMContentLoaded", dialog);

    document.addEventListener("htmx:beforeRequest", (event) => {
        if (event.detail.target && event.detail.target.id === "cp-dialog" && !dialog().contains(event.detail.elt)) {
            opener = event.detail.elt;
        }
    });

    document.addEventListener("htmx:afterSwap", (event) => {
        if (event.detail.target.id !== "cp-dialog") return;
        if (!dialog().open) dialog().showModal();
        const first = dialog().querySelector("[autofocus], .has-error :is(input, select, textarea), .cp-dialog-body :is(input:not([type=hidden]), select, textarea, button)");
        if (first) first.focus();
    });

    /* A form that is refused (422) is shown again with its errors; anything else that is no page is an error. */
    document.addEventListener("htmx:beforeSwap", (event) => {
        if (event.detail.xhr.status === 422) { event.detail.shouldSwap = true; event.detail.isError = false; }
    });
    document.addEventListener("htmx:responseError", (event) => say(event, "The server answered with an error (" + event.detail.xhr.status + "). Look at Activity before you try again: it shows whether anything was sent."));
    document.addEventListener("htmx:sendError", (event) => say(event, "The control plane could not be reached. Look at Activity before you try again: it shows whether anything was sent."));

    function say(event, text) {
        if (!event.detail.target || event.detail.target.id !== "cp-dialog") return;
        letSendAgain();
        const box = document.createElement("p");
        box.className = "cp-errors";
        box.setAttribute("role", "alert");
        box.textContent = text;
        const body = dialog().querySelector(".cp-dialog-body");
        if (body) body.prepend(box); else { dialog().replaceChildren(box); dialog().showModal(); }
    }

    document.addEventListener("click", (event) => {
        if (event.target.closest("[data-close]")) { event.preventDefault(); dialog().close(); }
        else if (event.target === dialog()) dialog().close();
    });

    /* A button pressed twice asks once; the server would know anyway, by the form's key. In the capturing phase, so
       that it comes before htmx. */
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (!form.matches("[data-once]")) return;
        if (form.dataset.sent) { event.preventDefault(); event.stopImmediatePropagation(); return; }
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
})();
