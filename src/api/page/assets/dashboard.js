// Follows what runs: figures every two seconds, and the whole list anew when there is another one. Without this script the
// page reloads by itself.
import { localise } from "./times.js";

const EVERY = 2000;
const byId = (id) => document.getElementById(id);

async function show() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { "Accept": "text/html" } });
  const content = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
  if (!content) { location.reload(); return; }
  // Whoever is on a link with the keyboard stays there.
  const focused = document.activeElement?.getAttribute("href");
  byId("content").replaceWith(content);
  localise("medium");
  if (focused) content.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

function figures(live) {
  for (const card of document.querySelectorAll("[data-id]")) {
    const one = live[card.dataset.id];
    if (!one) continue;
    const set = (selector, text) => {
      const place = card.querySelector(selector);
      if (place.textContent !== text) place.textContent = text;
    };
    set("[data-elapsed]", one.clock);
    set("[data-figure=size]", one.size);
    set("[data-figure=participants]", String(one.participants));
    set("[data-figure=speaker]", one.speaker ?? byId("content").dataset.nobody);
  }
}

async function look() {
  try {
    const content = byId("content");
    const answer = await fetch(`/dashboard?page=${content.dataset.page}`, { cache: "no-store" });
    if (answer.status >= 500) throw new Error(answer.status);
    if (!answer.ok) { location.reload(); return; }
    byId("offline").hidden = true;
    const state = await answer.json();
    if (state.version !== content.dataset.version) await show();
    figures(state.live);
  } catch {
    byId("offline").hidden = false;
  }
  setTimeout(look, EVERY);
}

localise("medium");
setTimeout(look, EVERY);
