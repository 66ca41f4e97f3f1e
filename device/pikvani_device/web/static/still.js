// A visit nobody touches ends by itself: first it asks, then it goes to the start and forgets.
import { play } from "./speak.js";

const WARNING_S = 20;

export function setUpTimeout() {
  const whole = Number(document.body.dataset.timeout);
  const dialog = document.querySelector("dialog.still");
  if (!whole || !dialog) return;
  let timer = 0;
  const end = () => window.location.replace(document.body.dataset.end);
  const ask = () => {
    dialog.showModal();
    play(dialog.dataset.ask);
    timer = setTimeout(end, WARNING_S * 1000);
  };
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(5, whole - WARNING_S) * 1000);
  };
  dialog.querySelector("[data-stay]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    // The device counts for itself, and must be told that someone is here.
    fetch("/stay", { method: "POST" }).then((answer) => answer.ok || end());
    again();
  });
  for (const sign of ["pointerdown", "keydown", "input"]) {
    document.addEventListener(sign, () => { if (!dialog.open) again(); }, { passive: true });
  }
  again();
}
