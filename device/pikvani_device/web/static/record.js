// A voice note, recorded in place where the browser allows it; elsewhere the link leads to a page with a file field.
// While it records the key shows how loud it is. It ends by itself once somebody has spoken and stopped.
const WORD_MS = 10000;
const STORY_MS = 60000;
const QUIET_MS = 1300;
const NOBODY_MS = 7000;
const RISE = 2.8; // times the background

export function setUpRecording() {
  const key = document.querySelector("[data-record]");
  if (!key || !navigator.mediaDevices || !window.MediaRecorder) return;
  let recorder = null;
  key.addEventListener("click", async (event) => {
    event.preventDefault();
    if (recorder) {
      if (recorder.state === "recording") recorder.stop();
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
    const end = () => recorder.state === "recording" && recorder.stop();
    const deaf = watch(sound, key, end);
    recorder.ondataavailable = (piece) => pieces.push(piece.data);
    recorder.onstop = () => {
      deaf();
      for (const track of sound.getTracks()) track.stop();
      send(key, new Blob(pieces, { type: recorder.mimeType }));
    };
    recorder.start();
    key.classList.add("recording");
    key.querySelector("span").textContent = key.dataset.stop;
    // What hurts may be a story; elsewhere a word is asked for.
    setTimeout(end, key.dataset.at === "symptoms" ? STORY_MS : WORD_MS);
  });
}

// Shows the level and calls `end` after speech, or where nobody speaks; gives back what stops it.
function watch(sound, key, end) {
  const context = new AudioContext();
  const meter = context.createAnalyser();
  meter.fftSize = 1024;
  context.createMediaStreamSource(sound).connect(meter);
  const samples = new Float32Array(meter.fftSize);
  const began = performance.now();
  let floor = 1, spoke = false, loudAt = began;
  const timer = setInterval(() => {
    meter.getFloatTimeDomainData(samples);
    const level = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
    // 0 at -60 dB and below, 1 at full scale, as the device's own meter.
    const shown = Math.min(1, Math.max(0, 1 + Math.log10(level + 1e-9) / 3));
    key.style.setProperty("--level", shown.toFixed(2));
    floor = Math.min(Math.max(level, 1e-4), floor * 1.02);
    const now = performance.now();
    if (level > Math.max(floor * RISE, 2e-3)) {
      spoke = true;
      loudAt = now;
    }
    if (spoke ? now - loudAt > QUIET_MS : now - began > NOBODY_MS) end();
  }, 50);
  return () => {
    clearInterval(timer);
    context.close();
  };
}

async function send(key, note) {
  const form = new FormData();
  form.append("at", key.dataset.at);
  form.append("note", note, "note");
  const answer = await fetch(key.dataset.record, { method: "POST", body: form });
  window.location.assign(answer.redirected ? answer.url : window.location.href);
}
