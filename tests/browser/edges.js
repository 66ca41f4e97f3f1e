// Run in the page with a name, or with none: everything that can be touched, by name; or the one of that name.
(wanted) => {
  const seen = (el) => !el.closest("dialog:not([open])") && (el.closest("label") || el).offsetWidth > 0;
  const name = (el) => {
    if (el.type === "file") return `file:${el.name}${el.multiple ? ":many" : ""}`;
    if (el.hasAttribute("data-stay")) return "stay";
    if (el.hasAttribute("data-greet")) return "speak";
    if (el.hasAttribute("data-speak")) return "slow" in el.dataset ? "speak:slow" : "speak";
    if (el.dataset.pick || el.dataset.go) return el.dataset.pick || el.dataset.go;
    const to = el.form ? el.form.action : el.href || "";
    // A key's own name is another each time the page is shown.
    const path = new URL(to, location.href).pathname.replace(/\/keys\/[^/]+\//, "/keys/-/");
    return [path, el.value].filter(Boolean).join("=");
  };
  const all = [...document.querySelectorAll("a, button, input[type=checkbox], input[type=file]")]
    .filter((el) => seen(el) && !(el.getAttribute("href") || "").startsWith("tel:"));
  if (wanted) return all.find((el) => name(el) === wanted) || null;
  return [...new Set(all.map(name))];
}
