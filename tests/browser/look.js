// Run in the page: a line for everything a person would complain of.
([target, kiosk, scrolls]) => {
  const found = [];
  const seen = (el) => {
    const box = el.getBoundingClientRect();
    if (getComputedStyle(el).visibility === "hidden" || !box.width || !box.height) return false;
    return !el.closest(".unseen") && !el.closest("dialog:not([open])");
  };
  const name = (el) => `${el.dataset.pick || el.className || el.tagName} ${(el.textContent || "").trim().slice(0, 40)}`;
  const sticksOutX = (box, edge) => box.right > edge.right + 1.5 || box.left < edge.left - 1.5;
  const sticksOutY = (box, edge) => box.bottom > edge.bottom + 1.5 || box.top < edge.top - 1.5;

  for (const el of document.querySelectorAll("body *")) {
    if (!seen(el) || el.closest("svg") || el.closest("pre")) continue;
    for (const node of el.childNodes) {
      if (node.nodeType !== 3 || !node.textContent.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        if (box.right > innerWidth + 1 || box.left < -1) found.push(`beyond the screen: ${name(el)}`);
        for (let up = el; up && up !== document.body; up = up.parentElement) {
          const style = getComputedStyle(up);
          const edge = up.getBoundingClientRect();
          const clipsY = ["hidden", "clip"].includes(style.overflowY);
          if (style.overflowX !== "visible" && sticksOutX(box, edge)) found.push(`cut off at the side: ${name(el)}`);
          if (clipsY && sticksOutY(box, edge)) found.push(`cut off above or below: ${name(el)}`);
          const button = ["A", "BUTTON", "LABEL"].includes(up.tagName);
          if (button && (sticksOutX(box, edge) || sticksOutY(box, edge))) found.push(`out of its button: ${name(el)}`);
        }
      }
    }
  }
  if (target) {
    for (const el of document.querySelectorAll("a, button, input:not([type=hidden]), summary")) {
      const box = el.getBoundingClientRect();
      if (seen(el) && (box.width < target - 0.5 || box.height < target - 0.5)) {
        found.push(`too small to touch, ${box.width.toFixed(0)} x ${box.height.toFixed(0)}: ${name(el)}`);
      }
    }
  }
  const buttons = [...document.querySelectorAll("main a, main button")].filter(seen);
  for (const [number, one] of buttons.entries()) {
    for (const other of buttons.slice(number + 1)) {
      const x = one.getBoundingClientRect();
      const y = other.getBoundingClientRect();
      const wide = Math.min(x.right, y.right) - Math.max(x.left, y.left);
      const high = Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top);
      if (wide > 2 && high > 2) found.push(`one over the other: ${name(one)} | ${name(other)}`);
    }
  }
  const page = document.documentElement;
  const main = document.querySelector("main");
  if (page.scrollWidth > innerWidth + 1) found.push("scrolls sideways");
  const over = Math.max(main.scrollHeight - main.clientHeight, page.scrollHeight - innerHeight);
  if (kiosk && !scrolls && over > 2) found.push(`taller than the screen by ${over} pixels`);
  for (const image of document.images) {
    if (image.complete && !image.naturalWidth && seen(image)) found.push(`a picture is missing: ${image.src}`);
  }
  return [...new Set(found)];
}
