// Sound: one voice at a time. A page whose sound is missing says so on its button and goes on without.
const player = new Audio();
player.preservesPitch = true;
let button = null;

function quiet() {
  player.pause();
  if (button) button.classList.remove("playing");
  button = null;
}

export async function play(address, from = null, rate = 1) {
  quiet();
  button = from;
  player.src = address;
  player.defaultPlaybackRate = rate;
  player.playbackRate = rate;
  const ended = new Promise((resolve) => {
    player.onended = player.onpause = () => resolve();
  });
  try {
    await player.play();
  } catch (error) {
    // NotAllowedError: nobody has touched the page yet; the button stays as it is.
    if (from && error.name === "NotSupportedError") {
      from.classList.add("missing");
      const words = from.querySelector("span:not(.unseen)") || from;
      words.textContent = from.dataset.missing;
    }
    return false;
  }
  if (from) from.classList.add("playing");
  await ended;
  if (button === from) quiet();
  return true;
}

export function setUpSpeech() {
  for (const key of document.querySelectorAll("[data-speak]")) {
    key.addEventListener("click", (event) => {
      event.preventDefault();
      if (key.classList.contains("playing")) quiet();
      else play(key.href, key, "slow" in key.dataset ? 0.75 : 1);
    });
  }
  const first = document.querySelector("[data-auto]");
  if (first) play(first.href, first);
  const greet = document.querySelector("[data-greet]");
  if (greet) {
    let greeting = false;
    const say = async () => {
      if (greeting) return;
      greeting = true;
      const languages = [...document.querySelectorAll(".language")];
      for (const [number, address] of greet.dataset.greet.split(" ").entries()) {
        languages[number].classList.add("playing");
        const said = await play(address, greet);
        languages[number].classList.remove("playing");
        if (!said) break;
      }
      greeting = false;
    };
    greet.addEventListener("click", (event) => event.preventDefault());
    document.addEventListener("pointerdown", say);
  }
}
