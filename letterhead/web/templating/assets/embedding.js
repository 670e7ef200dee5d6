"use strict";
// What a framed set-up page tells the application that frames it, and nobody but the origins that the operator named.
(() => {
  const { body, documentElement: root } = document;
  if (window.parent === window) return;
  body.classList.add("framed");
  const origins = (body.dataset.tell ?? "").split(" ").filter(Boolean);
  const posted = new Map();

  // Each message once, until it says something else.
  function post(type, fields) {
    const text = JSON.stringify(fields);
    if (posted.get(type) === text) return;
    posted.set(type, text);
    send(type, fields);
  }

  function send(type, fields) {
    for (const origin of origins) window.parent.postMessage({ type: `letterhead.${type}`, ...fields }, origin);
  }

  function tell() {
    const { sender, step, published, planned, outcome } = body.dataset;
    post("progress", { sender, step, published: Number(published), planned: Number(planned) });
    if (outcome === "done") post("verified", { sender });
  }

  const close = document.getElementById("close");
  if (close && origins.length) {
    close.hidden = false;
    close.addEventListener("click", () => send("closed", { sender: body.dataset.sender }));
  }
  new ResizeObserver(() => {
    const height = Math.ceil(root.getBoundingClientRect().height);
    if (height) post("height", { height }); // a frame that is hidden has none
  }).observe(root);
  // No DNS host shows itself in a frame, and the application has to stay: the way there is a window of its own.
  document.addEventListener("click", (event) => {
    const way = event.target.closest("#apply a");
    if (way) way.target = "_blank";
  });
  document.addEventListener("letterhead:updated", tell);
  tell();
})();
