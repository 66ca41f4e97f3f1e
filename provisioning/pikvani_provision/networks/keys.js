// A keyboard for a screen without one: it writes into the passphrase as a finger would.
"use strict";
const rows = {
  abc: ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"],
  ABC: ["1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"],
  "#+=": ["!@#$%^&*()", "-_=+[]{}\\|", ";:'\",.<>/?", "~` "],
};
const field = document.getElementById("p");
const board = document.getElementById("keys");
function key(label, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label === " " ? "␣" : label;
  button.addEventListener("click", press);
  return button;
}
function draw(layer) {
  board.replaceChildren();
  for (const letters of rows[layer]) {
    const row = document.createElement("div");
    for (const letter of letters) row.append(key(letter, () => { field.value += letter; }));
    board.append(row);
  }
  const last = document.createElement("div");
  for (const name of Object.keys(rows)) if (name !== layer) last.append(key(name, () => draw(name)));
  last.append(key("⌫", () => { field.value = field.value.slice(0, -1); }));
  board.append(last);
}
if (field && board) draw("abc");
