// A live face over WebRTC: it says what is typed, or what the microphone hears.

import { $, all, announce, clearError, clearErrors, listed, settled, short, showError, t } from "./dom.js";
import { checked, keepInputs, memory, showsPercent, takesDrops } from "./app.js";
import { get, post, upload } from "./api.js";
import { fillVoices } from "./voice.js";

const LOOK_MS = 2000, STALLED_MS = 4000, LONGEST_WAIT_MS = 8000, GATHERING_MS = 1500;
const store = memory("live");
let peer = null, microphone = null, attempts = 0, seen = { frames: -1, at: 0 };

// The picture -----------------------------------------------------------------

/** Show what the page waits for over the picture; nothing takes it away. */
function wait(text) {
  $("waiting").hidden = !text;
  $("waiting-text").textContent = text;
}

/** Leave, and say so: a browser that only falls silent is waited for. */
function leave() {
  if (peer?.name) fetch(`/v1/live/connect/${peer.name}`, { method: "DELETE", keepalive: true }).catch(() => {});
  peer?.close();
  peer = null;
}
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => event.persisted && connect());

async function connect() {
  leave();
  const own = (peer = new RTCPeerConnection());
  own.addTransceiver("video", { direction: "recvonly" });
  const sound = own.addTransceiver("audio", { direction: "sendrecv" });
  const stream = new MediaStream();
  own.ontrack = ({ track }) => {
    stream.addTrack(track);
    $("face").srcObject = stream;
    $("face").play().catch(() => {});
  };
  own.onconnectionstatechange = () => {
    if (own === peer && own.connectionState === "failed") again();
  };
  try {
    if (microphone) await sound.sender.replaceTrack(microphone.getAudioTracks()[0]);
    await own.setLocalDescription(await own.createOffer());
    await gathered(own);
    const { id, sdp } = await post("/v1/live/connect", { sdp: own.localDescription.sdp });
    own.name = id;
    if (own === peer) await own.setRemoteDescription({ type: "answer", sdp });
    seen = { frames: 0, at: performance.now() };
  } catch (problem) {
    if (own !== peer) return;
    if (problem.status) showError("form", problem);
    again();
  }
}

/** Wait until the browser knows its addresses: they are sent with the offer. */
function gathered(own) {
  return new Promise((resolve) => {
    const look = () => own.iceGatheringState === "complete" && resolve();
    own.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, GATHERING_MS);
    look();
  });
}

let timer;
function again() {
  wait(t("live_lost"));
  clearTimeout(timer);
  timer = setTimeout(connect, Math.min(500 * 2 ** attempts++, LONGEST_WAIT_MS));
}

/** Connect again when no picture has come for some seconds. */
async function watch() {
  if (document.hidden || !peer || peer.connectionState !== "connected") {
    seen.at = performance.now();
    return;
  }
  for (const one of (await peer.getStats()).values()) {
    if (one.type !== "inbound-rtp" || one.kind !== "video") continue;
    if (one.framesDecoded !== seen.frames) {
      if (one.framesDecoded) {
        attempts = 0;
        wait("");
      }
      seen = { frames: one.framesDecoded, at: performance.now() };
    } else if (performance.now() - seen.at > STALLED_MS) {
      again();
    }
  }
}
$("face").addEventListener("playing", () => wait(""));
setInterval(watch, 500);

// What it says ----------------------------------------------------------------

/** Ask the server; show beside its field what it refuses. */
async function ask(field, send) {
  clearErrors();
  try {
    const state = await send();
    if (state) showState(state);
    return true;
  } catch (problem) {
    showError(problem.field ?? field, problem);
    return false;
  }
}

$("say-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  hearIt();
  const text = $("text").value.trim();
  if (!text) {
    showError("text", t("live_need_words"));
    $("text").focus();
    return;
  }
  if (await ask("text", () => post("/v1/live/say", { text, voice: $("speaker").value || null }))) $("text").value = "";
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say-form").requestSubmit();
});
$("text").addEventListener("input", () => clearError("text"));
$("interrupt").addEventListener("click", () => ask("form", () => post("/v1/live/interrupt")));

// Browsers play sound only after somebody has touched the page.
const pressed = (id, on) => $(id).setAttribute("aria-pressed", String(on));
function hearIt(on = !microphone) {
  $("face").muted = !on;
  pressed("sound", on);
}
$("sound").addEventListener("click", () => hearIt($("face").muted));

$("mic").addEventListener("click", async () => {
  clearError("record");
  try {
    if (microphone) {
      for (const track of microphone.getTracks()) track.stop();
      microphone = null;
    } else {
      if (!navigator.mediaDevices) throw new Error(t("needs_https"));
      microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
    }
    const sound = peer?.getTransceivers().find((one) => one.receiver.track.kind === "audio");
    await sound?.sender.replaceTrack(microphone?.getAudioTracks()[0] ?? null);
  } catch (problem) {
    showError("record", t("no_microphone", { reason: problem.message ?? "?" }));
  }
  pressed("mic", Boolean(microphone));
  hearIt(); // who speaks does not want to hear it again a moment later
});

// Who it is, and how it performs ----------------------------------------------

async function showPortrait(file) {
  clearError("image", "consent");
  $("photo").value = "";
  const label = $("photo-name").textContent;
  try {
    const sent = await upload(file, file.name, (percent) => { $("photo-name").textContent = t("uploading", { percent }); });
    $("photo-name").textContent = t("live_preparing");
    await ask("image", () => post("/v1/live/portrait", { image: sent.id, consent: $("consent").checked }));
  } catch (problem) {
    showError("image", problem);
  } finally {
    $("photo-name").textContent = label;
  }
}
$("photo").addEventListener("change", () => $("photo").files[0] && showPortrait($("photo").files[0]));
takesDrops($("photo-drop"), showPortrait);
takesDrops($("stage"), showPortrait);

let changes = {};
const send = settled(400, () => {
  const now = changes;
  changes = {};
  ask(Object.keys(now)[0], () => post("/v1/live/set", now));
});
function direct(change) {
  Object.assign(changes, change);
  send();
}
const directPrompt = () => direct({ prompt: $("prompt").value.trim() || null });
const directCamera = () => direct({ camera: `${checked("move")}:${$("strength").value}` });
$("prompt").addEventListener("change", directPrompt);
for (const chip of all("#prompts button")) {
  chip.addEventListener("click", () => {
    $("prompt").value = chip.dataset.prompt;
    directPrompt();
  });
}
for (const input of all('input[name="move"]')) input.addEventListener("change", directCamera);
$("strength").addEventListener("change", directCamera);
$("expressiveness").addEventListener("change", () => direct({ expressiveness: Number($("expressiveness").value) }));

/** Show prompt, camera and expressiveness as they are, whoever chose them. */
function showDirection({ prompt, camera, expressiveness }) {
  $("prompt").value = prompt ?? "";
  const [move, percent] = (camera ?? "static").split(":");
  for (const input of all('input[name="move"]')) input.checked = input.value === move;
  if (percent) $("strength").value = percent;
  $("expressiveness").value = expressiveness ?? 100;
  for (const id of ["strength", "expressiveness"]) $(id).dispatchEvent(new Event("input"));
}

function showState(state) {
  const who = state.speaking ? t("live_speaking") : t("live_quiet");
  const rate = state.picture_fps < state.fps ? t("live_slow", { n: short(state.picture_fps), of: short(state.fps) }) : "";
  $("status").textContent = listed(who, state.waiting ? t("live_waiting", { n: state.waiting }) : "", t("live_viewers", { n: state.viewers }), rate);
  if (rate) announce(rate);
  if (state.problem) showError("form", state.problem);
}

async function look() {
  if (!document.hidden) await get("/v1/live").then(showState, () => {});
  setTimeout(look, LOOK_MS);
}

keepInputs(store, ["speaker"]);
showsPercent("strength");
showsPercent("expressiveness");
const options = get("/v1/live/options");
options.then(({ consent_required }) => { $("consent-row").hidden = !consent_required; }, () => {});
fillVoices(store, () => options);
get("/v1/live").then((state) => { showDirection(state); showState(state); }, () => {});
connect();
look();
