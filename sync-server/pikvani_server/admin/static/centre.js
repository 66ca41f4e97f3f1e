// What the pages do beyond plain HTML: the menu on a phone, keys, and parts that bring themselves up to date.
// Every page works without it.

const root = document.documentElement;
root.classList.add("js");

const menu = document.querySelector(".menu");
const nav = document.getElementById("nav");
if (menu && nav) {
  menu.hidden = false;
  menu.addEventListener("click", () => {
    const open = nav.classList.toggle("open");
    menu.setAttribute("aria-expanded", String(open));
    if (open) nav.querySelector("a")?.focus();
  });
  nav.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && nav.classList.contains("open")) { menu.click(); menu.focus(); }
  });
}

// Keys: an element with data-key is pressed, ticked or entered by that key, unless one is writing.
const writing = (where) => where.closest("textarea, select, input:not([type=radio]):not([type=checkbox])") !== null;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && writing(event.target)) { event.target.blur(); return; }
  if (writing(event.target) || (event.key === "Enter" && event.target.closest("a, button, summary"))) return;
  const wanted = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
  if (!wanted || wanted.offsetParent === null) return;
  event.preventDefault();
  if (wanted.matches("input[type=radio], input[type=checkbox], button")) {
    wanted.click();
    if (!wanted.matches("button")) wanted.focus();
  } else wanted.focus();
});

// Parts with data-live are replaced by their newest selves. What has the focus, is selected or scrolled stays so.
const fresh = document.getElementById("fresh");
const seconds = Number(fresh?.dataset.seconds || 0);
let failures = 0;

const stays = (part) => {
  const active = document.activeElement;
  if (active && part.contains(active) && active.matches("input, select, textarea")) return true;
  const chosen = getSelection();
  return Boolean(chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
};

const replace = (part, newer) => {
  if (part.innerHTML === newer.innerHTML || stays(part)) return;
  const active = document.activeElement;
  const held = active && part.contains(active) ? [...part.querySelectorAll("a, button, summary, [tabindex]")].indexOf(active) : -1;
  const scrolled = [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  const opened = [...part.querySelectorAll("details")].map((one) => one.open);
  const fields = [...part.querySelectorAll("input, select")].map((one) => one.value);
  part.replaceChildren(...newer.childNodes);
  part.querySelectorAll(".scroll").forEach((one, i) => { if (scrolled[i]) [one.scrollLeft, one.scrollTop] = scrolled[i]; });
  part.querySelectorAll("details").forEach((one, i) => { one.open = Boolean(opened[i]); });
  part.querySelectorAll("input, select").forEach((one, i) => { if (fields[i] !== undefined) one.value = fields[i]; });
  if (held >= 0) part.querySelectorAll("a, button, summary, [tabindex]")[held]?.focus({ preventScroll: true });
};

const refresh = async () => {
  if (document.hidden || !document.querySelector("[data-live]")) return;
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const newer = page.getElementById(part.id);
      if (newer) replace(part, newer);
    }
    failures = 0;
    root.dataset.fresh = String(Date.now());
  } catch {
    failures = Math.min(failures + 1, 5);
  }
};

const next = () => setTimeout(async () => { await refresh(); next(); }, seconds * 1000 * 2 ** failures);
if (seconds > 0 && document.querySelector("[data-live]")) {
  next();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}
