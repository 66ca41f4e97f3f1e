// The live view: one picture after the other, each with what to tell the person who aims.
import { play } from "./speak.js";

const REST_MS = 60;
const SETTLED = 3; // pictures in a row with the same hint before it is said
const SAID_AGAIN_MS = 6000;

export function setUpLiveView() {
  const picture = document.querySelector("[data-live]");
  if (!picture) return;
  const figure = picture.closest("figure");
  const words = figure.querySelector("[data-hint]");
  const hints = new Map();
  for (const hint of document.querySelector("[data-hints]").content.querySelectorAll("[data-aim]")) {
    hints.set(hint.dataset.aim, { text: hint.textContent, sound: hint.getAttribute("href") });
  }
  let shown = "", same = 0, last = "", saidAt = performance.now(), failures = 0;

  async function next() {
    try {
      const answer = await fetch(picture.dataset.live, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const address = URL.createObjectURL(await answer.blob());
      picture.src = address;
      if (shown) URL.revokeObjectURL(shown);
      shown = address;
      failures = 0;
      tell(answer.headers.get("X-Hint"));
    } catch {
      failures += 1;
      if (failures > 2) tell("gone");
    }
    if (!document.hidden) setTimeout(next, failures ? 1000 : REST_MS);
  }

  function tell(hint) {
    same = hint === last ? same + 1 : 1;
    last = hint;
    if (same < SETTLED || figure.dataset.aim === hint || !hints.has(hint)) return;
    figure.dataset.aim = hint;
    words.textContent = hints.get(hint).text;
    const now = performance.now();
    if (hints.get(hint).sound && now - saidAt > SAID_AGAIN_MS) {
      saidAt = now;
      play(hints.get(hint).sound);
    }
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) next(); });
  next();
}
