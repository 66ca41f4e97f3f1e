// A voice note, recorded in place where the browser allows it; elsewhere the link leads to a page with a file field.
const LONGEST_MS = 8000;

export function setUpRecording() {
  const key = document.querySelector("[data-record]");
  if (!key || !navigator.mediaDevices || !window.MediaRecorder) return;
  let recorder = null;
  key.addEventListener("click", async (event) => {
    event.preventDefault();
    if (recorder) {
      recorder.stop();
      return;
    }
    let sound;
    try {
      sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      window.location.assign(key.href);
      return;
    }
    const pieces = [];
    recorder = new MediaRecorder(sound);
    recorder.ondataavailable = (piece) => pieces.push(piece.data);
    recorder.onstop = () => {
      for (const track of sound.getTracks()) track.stop();
      send(key, new Blob(pieces, { type: recorder.mimeType }));
    };
    recorder.start();
    key.classList.add("recording");
    key.querySelector("span").textContent = key.dataset.stop;
    setTimeout(() => recorder.state === "recording" && recorder.stop(), LONGEST_MS);
  });
}

async function send(key, note) {
  const form = new FormData();
  form.append("at", key.dataset.at);
  form.append("note", note, "note");
  const answer = await fetch(key.dataset.record, { method: "POST", body: form });
  window.location.assign(answer.redirected ? answer.url : window.location.href);
}
