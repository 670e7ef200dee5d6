"use strict";
// Everything works without this but the copy buttons, the reader's own times, and pages that update by themselves.
(() => {
  const body = document.body;
  const written = new Map(); // each live piece as the server wrote it, by its id

  const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const SOON = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const today = at.toDateString() === new Date().toDateString();
      const form = "day" in time.dataset ? DAY : today ? SOON : WHEN;
      time.title = WHEN.format(at);
      time.textContent = form.format(at);
    }
  }

  // --- copying ---------------------------------------------------------------------------------------------------

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS, or in a frame that was not allowed to: the old way.
      const area = document.createElement("textarea");
      area.value = text;
      area.setAttribute("readonly", "");
      area.className = "unseen";
      body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) throw new Error("nothing was copied");
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const before = button.dataset.before ?? (button.dataset.before = button.textContent);
    await copy(button.dataset.copy);
    button.textContent = body.dataset.copied;
    button.classList.add("copied");
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      button.textContent = before;
      button.classList.remove("copied");
    }, 2000);
  });

  // --- pages that update by themselves ---------------------------------------------------------------------------

  function keep(root) {
    for (const piece of root.querySelectorAll("[data-live]")) written.set(piece.id, piece.outerHTML);
  }

  // A change of keys brings a record, or takes one away: then the list is another one.
  function relist(page) {
    const ids = (root) => [...root.querySelectorAll(".records [data-live]")].map((each) => each.id).join();
    if (ids(page) === ids(document)) return;
    const list = document.adoptNode(page.querySelector(".records"));
    keep(list);
    localise(list);
    document.querySelector(".records").replaceWith(list);
  }

  function swap(fresh) {
    const old = document.getElementById(fresh.id);
    const html = fresh.outerHTML;
    if (!old || written.get(fresh.id) === html) return;
    written.set(fresh.id, html);
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const height = old.getBoundingClientRect().height;
    const turned = old.dataset.state !== fresh.dataset.state && fresh.dataset.state === "found";
    const piece = document.adoptNode(fresh);
    localise(piece);
    old.replaceWith(piece);
    // What stands below must not jump while somebody reads or is about to press.
    if (piece.getBoundingClientRect().height < height) piece.style.minHeight = `${height}px`;
    if (turned) piece.classList.add("turned");
    if (focused) piece.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  let busy = false;
  async function refresh() {
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(body.dataset.page, { headers: { Accept: "text/html" }, redirect: "error" });
      if (answer.status === 404) location.reload();
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      relist(page);
      page.querySelectorAll("[data-live]").forEach(swap);
      for (const name of ["version", "outcome"]) {
        if (name in page.body.dataset) body.dataset[name] = page.body.dataset[name];
      }
      tell();
    } finally {
      busy = false;
    }
  }

  let source = null;
  function listen() {
    if (source || !body.dataset.news) return;
    source = new EventSource(body.dataset.news);
    source.addEventListener("message", (event) => {
      if (event.data !== body.dataset.version) refresh();
    });
    source.addEventListener("over", () => location.reload());
    source.addEventListener("error", () => {
      // The browser tries again by itself, unless it was told no: then look now and then.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => refresh().finally(listen), 15000);
      }
    });
  }

  function hush() {
    source?.close();
    source = null;
  }

  let told = false;
  function tell() {
    if (told || body.dataset.outcome !== "done" || window.parent === window) return;
    told = true;
    for (const origin of (body.dataset.tell ?? "").split(" ").filter(Boolean)) {
      window.parent.postMessage({ type: "letterhead.verified", sender: body.dataset.sender }, origin);
    }
  }

  let hidden = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(hush, 300000);
    else listen();
  });
  window.addEventListener("pagehide", hush);
  window.addEventListener("pageshow", listen);

  keep(document);
  localise(document);
  listen();
  tell();
})();
