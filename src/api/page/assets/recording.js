// Follows the recording: asks for its state every two seconds until nothing more can happen, and shows the page anew when
// it has changed. Without this script the page reloads by itself.
import { localise } from "./times.js";

const EVERY = 2000;
const byId = (id) => document.getElementById(id);

function watchPlayer() {
  const player = document.querySelector("video, audio");
  player?.addEventListener("error", () => { byId("cannot-play").hidden = false; });
}

function clock(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const [h, min, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(min)}:${two(s)}` : `${min}:${two(s)}`;
}

// Between two answers the clock goes on by itself.
let begun = 0;
function setElapsed(seconds) {
  begun = performance.now() - seconds * 1000;
}
setInterval(() => {
  const timer = document.querySelector("[data-elapsed]");
  if (timer) timer.textContent = clock(Math.max(0, Math.floor((performance.now() - begun) / 1000)));
}, 500);

async function show() {
  const answer = await fetch(location.href, { cache: "no-store", headers: { "Accept": "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page.getElementById("content");
  // Signed out, revoked or deleted: that page is another one.
  if (!content) { location.reload(); return; }
  byId("content").replaceWith(content);
  const words = content.querySelector(".headline");
  byId("news").textContent = words ? words.textContent : content.querySelector("h1").textContent;
  begin();
}

async function look() {
  const content = byId("content");
  try {
    const answer = await fetch(content.dataset.state, { cache: "no-store" });
    if (answer.status >= 500) throw new Error(answer.status);
    byId("offline").hidden = true;
    const state = answer.ok ? await answer.json() : { state: "gone" };
    if (state.state !== content.dataset.phase) { await show(); return; }
    if (document.querySelector("[data-elapsed]")) setElapsed(state.elapsed);
  } catch {
    byId("offline").hidden = false;
  }
  setTimeout(look, EVERY);
}

function begin() {
  localise("long");
  watchPlayer();
  const timer = document.querySelector("[data-elapsed]");
  if (timer) setElapsed(Number(timer.dataset.elapsed));
  if (byId("content").dataset.final !== "true") setTimeout(look, EVERY);
}

begin();
