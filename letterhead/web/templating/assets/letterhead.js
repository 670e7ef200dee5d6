"use strict";
// Everything works without this but the copy buttons, the reader's own times, and pages that update by themselves.
(() => {
  const body = document.body;
  const written = new Map(); // each live piece as the server wrote it, by its id
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // --- times ------------------------------------------------------------------------------------------------------

  // The reader's own way of writing dates where it is one of the page's language.
  const PAGE = document.documentElement.lang;
  const LOCALE = navigator.languages?.find((each) => each.split("-")[0] === PAGE) ?? (PAGE === "en" ? undefined : PAGE);
  const DATE = { year: "numeric", month: "short", day: "numeric" };
  const WHEN = new Intl.DateTimeFormat(LOCALE, { ...DATE, hour: "numeric", minute: "2-digit", timeZoneName: "short" });
  const DAY = new Intl.DateTimeFormat(LOCALE, DATE);

  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      time.textContent = ("day" in time.dataset ? DAY : WHEN).format(new Date(time.dateTime));
    }
  }

  // --- what is read aloud -----------------------------------------------------------------------------------------

  function announce(sentence) {
    document.getElementById("announcer").textContent = sentence;
  }

  // --- copying ----------------------------------------------------------------------------------------------------

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

  function flash(button, kind, words) {
    const before = button.dataset.before ?? (button.dataset.before = button.textContent);
    button.textContent = words;
    button.classList.remove("copied", "failed");
    button.classList.add(kind);
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      button.textContent = before;
      button.classList.remove(kind);
    }, kind === "copied" ? 2000 : 8000);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    try {
      await copy(button.dataset.copy);
    } catch {
      const shown = button.parentElement.querySelector("code");
      if (shown) getSelection().selectAllChildren(shown);
      button.focus({ preventScroll: true });
      flash(button, "failed", body.dataset.uncopied);
      announce(`${body.dataset.uncopied}. ${body.dataset.uncopiedFix}`);
      return;
    }
    flash(button, "copied", body.dataset.copied);
    announce(`${body.dataset.copied}: ${button.getAttribute("aria-label")}`);
    tick(button);
  });

  // --- what was copied on this device -----------------------------------------------------------------------------

  const TICKS = body.dataset.ticks && `letterhead.copied.${body.dataset.ticks}`;

  // By record and part, the text that was copied: another text is not ticked. A frame may have no storage.
  function ticks() {
    try {
      return JSON.parse(localStorage.getItem(TICKS)) ?? {};
    } catch {
      return {};
    }
  }

  function tick(button) {
    if (!TICKS || !button.dataset.part) return;
    try {
      localStorage.setItem(TICKS, JSON.stringify({ ...ticks(), [button.dataset.part]: button.dataset.copy }));
    } catch {
      return;
    }
    showTicks(document);
  }

  function showTicks(root) {
    if (!TICKS) return;
    const copied = ticks();
    for (const button of root.querySelectorAll("[data-part]")) {
      button.classList.toggle("ticked", copied[button.dataset.part] === button.dataset.copy);
    }
    const records = root.matches?.(".record") ? [root] : root.querySelectorAll(".record");
    for (const record of records) {
      const parts = [...record.querySelectorAll("[data-part]")];
      record.classList.toggle("ticked", parts.every((each) => each.classList.contains("ticked")));
    }
  }

  // --- pages that update by themselves ----------------------------------------------------------------------------

  const RELEASE = 1500; // milliseconds for which a piece that became smaller keeps its height

  // What stands below a piece glides to its new place: nothing jumps while somebody reads or is about to press.
  const BLOCKS = "main [data-live], main [data-block], .records, .records > li, footer";
  const gliding = new Set();

  function places() {
    const found = [...document.querySelectorAll(BLOCKS)];
    return new Map(found.map((each) => [each.id || each, each.getBoundingClientRect().top]));
  }

  function glide(change) {
    const before = places();
    gliding.forEach((each) => each.cancel());
    gliding.clear();
    change();
    const after = places();
    const moved = (each) => (each ? (before.get(each.id || each) ?? NaN) - after.get(each.id || each) : 0);
    for (const each of calm.matches ? [] : document.querySelectorAll(BLOCKS)) {
      const own = moved(each) - moved(each.parentElement.closest(BLOCKS)); // what it is in moves it already
      if (!own) continue; // nor what was not there before
      gliding.add(each.animate({ transform: [`translateY(${own}px)`, "none"] }, { duration: 260, easing: "ease-out" }));
    }
  }

  let releasing = 0;
  const kept = new Set(); // pieces that keep their height for now

  function release() {
    glide(() => {
      for (const piece of kept) {
        piece.style.minHeight = "";
        if ("leaves" in piece.dataset) piece.hidden = true;
      }
    });
    kept.clear();
  }

  function keepHeight(piece, height) {
    if (piece.hidden) {
      piece.hidden = false; // what is shown no more leaves with the others
      piece.dataset.leaves = "";
    }
    piece.style.minHeight = `${height}px`;
    kept.add(piece);
    clearTimeout(releasing);
    releasing = setTimeout(release, RELEASE);
  }

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
    showTicks(list);
    document.querySelector(".records").replaceWith(list);
  }

  // Replaces one piece where it changed; returns what is to be read aloud of it.
  function swap(fresh) {
    const old = document.getElementById(fresh.id);
    const html = fresh.outerHTML;
    if (!old || written.get(fresh.id) === html) return "";
    written.set(fresh.id, html);
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    const height = old.getBoundingClientRect().height;
    const isNews = old.dataset.announce !== fresh.dataset.announce;
    const turned = old.dataset.state !== fresh.dataset.state && fresh.dataset.state === "found";
    const piece = document.adoptNode(fresh);
    localise(piece);
    [...piece.querySelectorAll("details")].forEach((each, place) => { each.open ||= opened[place] ?? false; });
    old.replaceWith(piece);
    kept.delete(old);
    showTicks(piece);
    if (piece.getBoundingClientRect().height < height) keepHeight(piece, height);
    if (turned) piece.classList.add("turned");
    if (focused) piece.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    return (isNews && piece.dataset.announce) || "";
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
      glide(() => {
        relist(page);
        const pieces = [...page.querySelectorAll(".records [data-live]"), ...page.querySelectorAll("[data-live]")];
        const news = [...new Set(pieces)].map(swap).filter(Boolean); // the records first
        if (news.length) announce(`${news.join("; ")}.`);
      });
      for (const name of ["version", "outcome", "step", "published", "planned"]) {
        if (name in page.body.dataset) body.dataset[name] = page.body.dataset[name];
      }
      document.dispatchEvent(new Event("letterhead:updated"));
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
  showTicks(document);
  listen();
})();
