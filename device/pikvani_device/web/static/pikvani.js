// Makes pages that work without it livelier: sound that plays in place, the live view, recording, and the end of a
// forgotten visit. It asks nobody but the device.
import { setUpSpeech } from "./speak.js";
import { setUpLiveView } from "./live.js";
import { setUpRecording } from "./record.js";
import { setUpTimeout } from "./still.js";

setUpSpeech();
setUpLiveView();
setUpRecording();
setUpTimeout();

for (const input of document.querySelectorAll("input[data-send]")) {
  const form = input.form;
  form.querySelector(".send").hidden = true;
  input.addEventListener("change", () => {
    if (!input.files.length) return;
    form.classList.add("sending");
    // The other file field of the form goes along empty; the device passes over it.
    form.submit();
  });
}

const print = document.querySelector("[data-print]");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}

if (document.body.classList.contains("kiosk")) {
  document.addEventListener("contextmenu", (event) => event.preventDefault());
}
