// The voice of a form: words that are spoken, a sound file, or a recording.

import { $, all, clearError, clock, el, showError, t } from "./dom.js";
import { checked, takesDrops } from "./app.js";
import { ApiError, contentOf, isFinal, isThere, readOptions, request, submit, upload, watch } from "./api.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const LONGEST_RECORDING_S = 300;

/** Start the panel; `store` keeps what was chosen, `onChange` is called when it changes. */
export function startVoice(store, onChange) {
  const chosen = { upload: null, record: null, ...store.values.sounds };
  let busy = 0, stopListening = () => {};

  const source = () => checked("voice-source");
  const save = () => {
    store.keep({ sounds: { upload: chosen.upload, record: chosen.record } });
    onChange();
  };
  const refresh = () => {
    for (const part of all("#voice [data-source]")) part.hidden = part.dataset.source !== source();
    const sound = chosen[source()];
    $("heard").hidden = !sound;
    if (sound) {
      const address = contentOf(sound.id);
      if ($("heard-player").getAttribute("src") !== address) $("heard-player").src = address;
      $("heard-name").textContent = sound.duration_s ? `${sound.name}, ${clock(sound.duration_s)}` : sound.name;
    } else {
      $("heard-player").removeAttribute("src");
    }
    $("sound-drop").hidden = Boolean(chosen.upload);
  };

  const take = async (file, name, kind) => {
    const error = kind === "record" ? "record" : "audio";
    clearError("audio", "record", "text");
    busy += 1;
    $("heard-name").textContent = t("uploading", { percent: 0 });
    try {
      const sent = await upload(file, name, (percent) => { $("heard-name").textContent = t("uploading", { percent }); });
      chosen[kind] = { id: sent.id, name, duration_s: sent.duration_s, kind: sent.kind };
    } catch (problem) {
      showError(error, problem);
    } finally {
      busy -= 1;
      $("sound").value = "";
      refresh();
      save();
    }
  };

  for (const input of all('input[name="voice-source"]')) input.addEventListener("change", () => { refresh(); onChange(); });
  $("sound").addEventListener("change", () => $("sound").files[0] && take($("sound").files[0], $("sound").files[0].name, "upload"));
  takesDrops($("sound-drop"), (file) => take(file, file.name, "upload"));
  $("heard-remove").addEventListener("click", () => {
    chosen[source()] = null;
    refresh();
    save();
    (source() === "upload" ? $("sound") : $("record")).focus();
  });
  $("text").addEventListener("input", () => { clearError("text"); onChange(); });
  startRecorder((blob) => {
    const ending = blob.type.includes("mp4") ? "m4a" : blob.type.includes("ogg") ? "ogg" : "webm";
    take(blob, `${t("recording")} ${new Date().toLocaleTimeString(document.documentElement.lang)}.${ending}`, "record");
  });
  $("listen").addEventListener("click", async () => {
    stopListening();
    stopListening = await listen($("text").value.trim(), $("speaker").value);
  });
  fillVoices(store);
  for (const kind of ["upload", "record"]) {
    if (chosen[kind]) {
      isThere(chosen[kind].id).then((there) => {
        if (!there) { chosen[kind] = null; refresh(); save(); }
      });
    }
  }
  refresh();

  return {
    /** Return the part of a job's input that says what is heard, or null after showing why not. */
    input() {
      if (busy) return refuse(source() === "record" ? "record" : "audio", t("wait_upload"));
      if (source() === "text") {
        const text = $("text").value.trim();
        return text ? { text, voice: $("speaker").value || undefined } : refuse("text", t("need_words"));
      }
      const sound = chosen[source()];
      const kind = source();
      return sound ? { audio: sound.id } : refuse(kind === "record" ? "record" : "audio", t(kind === "record" ? "need_recording" : "need_sound"));
    },
    /** Return what `input` would, without showing anything. */
    peek() {
      if (source() === "text") return $("text").value.trim() ? { text: $("text").value.trim(), voice: $("speaker").value || undefined } : null;
      return chosen[source()] ? { audio: chosen[source()].id } : null;
    },
    sound: () => chosen[source()],
    /** Take a sound that is uploaded already. */
    use(sent, name) {
      chosen.upload = { id: sent.id, name, duration_s: sent.duration_s, kind: sent.kind };
      choose("upload");
    },
    /** Take words and their voice. */
    say(text, voice) {
      $("text").value = text;
      $("text").dispatchEvent(new Event("input"));
      if (voice) {
        store.keep({ inputs: { ...store.values.inputs, speaker: voice } });
        $("speaker").value = voice;
      }
      choose("text");
    },
  };

  function choose(kind) {
    const input = document.querySelector(`input[name="voice-source"][value="${kind}"]`);
    input.checked = true;
    input.dispatchEvent(new Event("change"));
    refresh();
    save();
  }
}

function refuse(field, message) {
  showError(field, message);
  return null;
}

/** List the voices that can speak here; `read` returns them. */
export async function fillVoices(store, read = readOptions) {
  const wanted = store.values.inputs?.speaker;
  let voices = [];
  try { ({ voices } = await read()); } catch { return; }
  const here = voices.filter((voice) => voice.installed !== false);
  const natural = here.filter((voice) => voice.engine !== "espeak");
  const language = document.documentElement.lang;
  const groups = [[t("natural_voices"), natural], [t("synthetic_voices"), here.filter((voice) => voice.engine === "espeak")]];
  const select = $("speaker");
  select.replaceChildren();
  for (const [label, members] of groups) {
    if (!members.length) continue;
    const named = members.map((voice) => el("option", { value: voice.name, text: nameOf(voice) }));
    select.append(el("optgroup", { label }, ...named));
  }
  if (!here.length) select.append(el("option", { value: "", text: t("no_voices") }));
  const tongue = language === "zh" ? /^(cmn|zh)/ : /^en/;
  const [own] = here.filter((voice) => voice.languages?.some((one) => tongue.test(one))).sort((a, b) => (b.mos ?? 0) - (a.mos ?? 0) || a.name.length - b.name.length);
  select.value = here.some((voice) => voice.name === wanted) ? wanted : own?.name ?? here[0]?.name ?? "";
}

function nameOf(voice) {
  if (voice.engine === "espeak") return voice.title;
  const name = voice.name.replace(/^[a-z]{2}_/, "");
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}, ${voice.title}`;
}

/** Speak words; return the sound. */
async function speak(text, voice) {
  const job = await submit("speak", { text, voice: voice || undefined }, false);
  const done = await new Promise((resolve) => watch(job.id, (now) => (!now || isFinal(now)) && resolve(now)));
  if (done?.status !== "succeeded") throw new ApiError(200, done?.error ?? {});
  const sound = await (await fetch(done.result.audio.url)).blob();
  request("DELETE", `/v1/jobs/${job.id}`).catch(() => {}); // nobody looks for it under Results
  return sound;
}

/** Speak words and play them; return a function that stops. */
async function listen(text, voice) {
  clearError("text");
  if (!text) {
    refuse("text", t("need_words"));
    $("text").focus();
    return () => {};
  }
  const button = $("listen"), player = new Audio();
  button.disabled = true;
  try {
    player.src = URL.createObjectURL(await speak(text, voice));
    await player.play();
  } catch (problem) {
    showError("text", problem.words ? problem : problem.message);
  } finally {
    button.disabled = false;
  }
  return () => player.pause();
}

/** Return the sound of words as an upload: for a film, whose soundtrack is a file. */
export const spoken = async (text, voice) => upload(await speak(text, voice), "speech.wav");

function startRecorder(onRecorded) {
  let recorder = null, meter = null;
  const button = $("record");
  const reset = () => {
    recorder = null;
    meter?.();
    button.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-label", t("start_recording"));
    $("record-hint").textContent = t("record_hint");
  };
  reset();
  button.addEventListener("click", async () => {
    if (recorder) {
      recorder.stop();
      return;
    }
    clearError("record");
    try {
      if (!navigator.mediaDevices) throw new Error(t("needs_https"));
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
      recorder = new MediaRecorder(stream, { mimeType });
      const parts = [];
      recorder.ondataavailable = (event) => event.data.size && parts.push(event.data);
      recorder.onstop = () => {
        for (const track of stream.getTracks()) track.stop();
        const blob = new Blob(parts, { type: mimeType });
        reset();
        onRecorded(blob);
      };
      recorder.start(1000);
      meter = showLevel(stream, () => recorder?.stop());
      button.setAttribute("aria-pressed", "true");
      button.setAttribute("aria-label", t("stop_recording"));
      $("record-hint").textContent = t("recording_now");
    } catch (problem) {
      reset();
      showError("record", t("no_microphone", { reason: problem.message ?? "?" }));
    }
  });
}

/** Draw how loud it is; return a function that ends it. */
function showLevel(stream, onTooLong) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const canvas = $("level"), paint = canvas.getContext("2d"), levels = [];
  const started = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    levels.push(Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length));
    if (levels.length > canvas.width / 4) levels.shift();
    paint.clearRect(0, 0, canvas.width, canvas.height);
    paint.fillStyle = getComputedStyle(canvas).color;
    levels.forEach((level, index) => {
      const height = Math.max(2, Math.min(1, 4 * level) * canvas.height);
      paint.fillRect(4 * index, (canvas.height - height) / 2, 2.5, height);
    });
    const seconds = (performance.now() - started) / 1000;
    $("clock").textContent = clock(seconds);
    if (seconds > LONGEST_RECORDING_S) onTooLong();
  }, 60);
  return () => {
    clearInterval(timer);
    context.close();
    paint.clearRect(0, 0, canvas.width, canvas.height);
    $("clock").textContent = clock(0);
  };
}
