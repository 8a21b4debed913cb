// The page Film: shots over one sound, an animatic that is always there, and rendering.

import { $, all, clearError, clearErrors, clock, focusFirstError, settled, short, show, showError, t, toast } from "./dom.js";
import { contentOf, get, isFinal, post, submit, upload } from "./api.js";
import { keepInputs, memory, takesDrops } from "./app.js";
import { animatic } from "./animatic.js";
import { cameraValue, setCamera, startCamera } from "./camera.js";
import { busyButton, estimator, hasConsent, seedValue, startConsent, startPrompts } from "./fields.js";
import { filmModel, newFilm, SHORTEST_S, simpleCamera } from "./film-model.js";
import { copyLink, fileName, follow } from "./progress.js";
import { exportScript, importScript } from "./script-files.js";
import { timeline } from "./timeline.js";
import { spoken, startVoice } from "./voice.js";

const EXAMPLE = ["film.yaml", "film.flac", "film.srt", "portrait.png", "portrait_man.png"];
const store = memory("film");
let selected = store.values.selected ?? 0, time = 0, filling = false, job = null, stopFollowing = () => {};

const model = filmModel(store.values.film, () => refresh());
const screens = animatic(model, {
  onFail(index, problem) {
    if (index !== selected) return;
    if (problem) showError("image", problem);
    else clearError("image");
  },
  onReady: () => model.film && draw(),
});
const track = timeline(model, {
  select,
  seek,
  cut(index, wanted, { step, isLast }) {
    const limited = model.limited(index, wanted);
    model.change((film) => { film.shots[index].start_s = limited; }, { step });
    if (isLast) seek(limited);
  },
});
const sound = $("soundtrack");

keepInputs(store, ["text", "speaker"], ["voice-source"]);
const voice = startVoice(store, () => clearError("soundtrack"));
const markPrompts = startPrompts();
startConsent();
const estimate = estimator(() => (model.film && isComplete() ? { kind: "film", input: { script: JSON.stringify(model.script()) } } : null));
const isComplete = () => model.film.shots.every((shot) => shot.image);
startCamera(() => edit((shot) => { shot.camera = cameraValue(); }));

// Drawing ---------------------------------------------------------------------

const keepFilm = settled(200, () => store.keep({ film: model.film, selected }));

function refresh() {
  const { film } = model;
  show({ blank: !film, form: Boolean(film), export: Boolean(film) });
  if (!film) return;
  selected = Math.min(selected, film.shots.length - 1);
  $("undo").disabled = !model.canUndo;
  $("remove-shot").disabled = film.shots.length < 2;
  $("film-size").value = film.size;
  const size = t("film_saved", { n: film.shots.length, length: short(film.end_s - film.shots[0].start_s) });
  $("film-note").textContent = store.values.made ? `${size}. ${t("render_kept")}` : size;
  const [width, height] = film.size.split("x");
  $("stage").style.aspectRatio = `${width} / ${height}`;
  track.drawShots(selected);
  fillInspector();
  refreshScreens();
  draw();
  keepFilm();
  estimate();
}
const refreshScreens = settled(150, () => model.film && screens.refresh());

function draw() {
  track.drawPlayhead(time);
  screens.show(time, !sound.paused);
  const shot = model.film.shots[model.at(time)];
  $("screen-note").textContent = shot.image ? "" : t("shot_needs_photo", { n: model.at(time) + 1 });
}

function fillInspector() {
  const shot = model.film.shots[selected];
  filling = true;
  $("shot-title").textContent = `${t("shot_n", { n: selected + 1 })}, ${clock(shot.start_s, 1)} - ${clock(model.end(selected), 1)}`;
  if (document.activeElement !== $("prompt")) $("prompt").value = shot.prompt ?? "";
  if (document.activeElement !== $("seed")) $("seed").value = shot.seed ?? 0;
  $("fade").value = String(shot.fade_s ?? 0);
  if ($("fade").selectedIndex < 0) $("fade").value = "0.4";
  $("fade").disabled = selected === 0;
  $("shot-picture").hidden = !shot.image;
  if (shot.image) $("shot-picture").src = contentOf(shot.image.id);
  if (simpleCamera(shot.camera) !== cameraValue()) setCamera(simpleCamera(shot.camera));
  markPrompts();
  filling = false;
}

/** Change the selected shot; typing in one field is one step to undo. */
let typing = null;
function edit(change, field = null) {
  if (filling || !model.film) return;
  model.change((film) => change(film.shots[selected]), { step: !field || typing !== field });
  typing = field;
}

function select(index) {
  typing = null;
  selected = index;
  clearError("image", "prompt", "camera");
  refresh();
}

$("prompt").addEventListener("input", () => edit((shot) => { shot.prompt = $("prompt").value; }, "prompt"));
$("seed").addEventListener("input", () => edit((shot) => { shot.seed = seedValue(); }, "seed"));
$("fade").addEventListener("change", () => edit((shot) => { shot.fade_s = Number($("fade").value); }));
$("film-size").addEventListener("change", () => model.change((film) => { film.size = $("film-size").value; }));
$("split").addEventListener("click", () => {
  if (!model.split(time)) toast(t("too_short", { n: short(SHORTEST_S) }));
  else select(model.at(time));
});
$("remove-shot").addEventListener("click", () => model.remove(selected));
$("undo").addEventListener("click", () => { typing = null; model.undo(); });
addEventListener("keydown", (event) => {
  if (!model.film || event.target.closest("input, textarea, select, dialog, button, video, audio")) return;
  if (event.key === " ") {
    event.preventDefault();
    toggle();
  } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    model.undo();
  }
});

// Photos of shots ----------------------------------------------------------------

async function takePhoto(file, name) {
  const index = selected;
  clearError("image");
  try {
    const sent = await upload(file, name);
    model.change((film) => {
      const old = film.shots[index].image;
      film.shots[index].image = { id: sent.id, name };
      // A film's first photo is everybody's until they get their own.
      for (const shot of film.shots) if (!shot.image && !old) shot.image = { id: sent.id, name };
    });
  } catch (problem) {
    showError("image", problem);
  }
  $("shot-photo").value = "";
}
$("shot-photo").addEventListener("change", () => $("shot-photo").files[0] && takePhoto($("shot-photo").files[0], $("shot-photo").files[0].name));
takesDrops($("shot-drop"), (file) => takePhoto(file, file.name));
takesDrops($("stage"), (file) => file.type.startsWith("image/") && takePhoto(file, file.name));

// Playing ------------------------------------------------------------------------

function seek(to) {
  time = Math.min(Math.max(to, model.film.shots[0].start_s), model.film.end_s);
  sound.currentTime = time;
  draw();
}

function toggle() {
  if (!sound.paused) {
    sound.pause();
    return;
  }
  if (time >= model.film.end_s - 0.05) seek(model.film.shots[0].start_s);
  showAnimatic();
  sound.play().catch((problem) => showError("script", problem.message));
}

function tick() {
  if (sound.paused || !model.film) return;
  time = sound.currentTime;
  if (time >= model.film.end_s) sound.pause();
  const now = model.at(time);
  draw();
  if (now !== selected) select(now);
  requestAnimationFrame(tick);
}

function setPlaying() {
  const plays = !sound.paused;
  $("play").querySelector("use").setAttribute("href", `/static/icons.svg#${plays ? "pause" : "play"}`);
  $("play").setAttribute("aria-label", t(plays ? "pause" : "play"));
  if (plays) tick();
  else if (model.film) draw();
}
$("play").addEventListener("click", toggle);
sound.addEventListener("play", setPlaying);
sound.addEventListener("pause", setPlaying);
$("playhead").addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: 2, PageDown: -2 }[event.key];
  if (way) seek(time + way);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(model.film.end_s);
  else return;
  event.preventDefault();
});

async function loadSound() {
  const { soundtrack } = model.film;
  sound.src = contentOf(soundtrack.id);
  try {
    track.setPeaks((await post("/v1/peaks", { audio: soundtrack.id, count: 2000 })).peaks);
  } catch (problem) {
    showError("script", problem);
  }
}

// Sounds, scripts ------------------------------------------------------------------

for (const id of ["start", "change-sound"]) $(id).addEventListener("click", () => $("sound-dialog").showModal());
$("sound-cancel").addEventListener("click", () => $("sound-dialog").close());
$("sound-dialog").addEventListener("close", () => $("heard-player").pause());
$("sound-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  const given = voice.input();
  if (!given) return;
  await busyButton($("sound-use"), async () => {
    try {
      useSound(given.text ? { ...(await spoken(given.text, given.voice)), name: "speech.wav" } : voice.sound());
      $("sound-dialog").close();
    } catch (problem) {
      showError("soundtrack", problem.words ? problem : problem.message);
    }
  });
});

function useSound({ id, name, duration_s }) {
  const soundtrack = { id, name, duration_s };
  if (model.film) {
    model.change((film) => {
      film.soundtrack = soundtrack;
      film.end_s = duration_s;
      film.shots = film.shots.filter((shot, index) => !index || shot.start_s < duration_s - SHORTEST_S);
    });
  } else model.replace(newFilm(soundtrack));
  time = 0;
  loadSound();
}

async function open(files, button) {
  clearErrors();
  await busyButton(button, async () => {
    try {
      model.replace(await importScript(files));
      if (button === $("import")) toast(t("imported"));
      selected = 0;
      time = model.film.shots[0].start_s;
      showAnimatic();
      loadSound();
      refresh();
    } catch (problem) {
      showError("form", problem.words ? problem : problem.message);
      focusFirstError();
    }
  });
}
$("example").addEventListener("click", () => fetchExample().then((files) => open(files, $("example"))));
const fetchExample = () => Promise.all(EXAMPLE.map(async (name) => ({ name, blob: await (await fetch(`/examples/${name}`)).blob() })));
$("import").addEventListener("click", () => $("import-files").click());
$("import-files").addEventListener("change", () => {
  const files = [...$("import-files").files].map((file) => ({ name: file.name, blob: file }));
  $("import-files").value = "";
  open(files, $("import"));
});
$("export").addEventListener("click", () => exportScript(model).catch((problem) => showError("form", problem)));

// Rendering --------------------------------------------------------------------------

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  const lacking = model.film.shots.findIndex((shot) => !shot.image);
  if (lacking >= 0) {
    select(lacking);
    showError("image", t("shot_needs_photo", { n: lacking + 1 }));
  }
  if (!hasConsent() || lacking >= 0) {
    focusFirstError();
    return;
  }
  sound.pause();
  const input = { script: JSON.stringify(model.script(), null, 1), ...(store.values.made ? { reuse: store.values.made } : {}) };
  try {
    await busyButton($("go"), async () => { watchJob(await submit("film", input, true)); });
    $("stage").scrollIntoView({ behavior: "smooth", block: "nearest" });
  } catch (problem) {
    showError(problem.field ?? "script", problem);
    focusFirstError();
  }
});

function watchJob(started) {
  stopFollowing();
  store.keep({ job: started.id });
  show({ working: true, result: false, "result-tools": false, transport: true });
  stopFollowing = follow(started.id, ended);
}

function ended(final) {
  job = final;
  show({ working: false });
  if (final?.status === "succeeded") {
    store.keep({ made: final.id });
    $("result").src = final.result.video.url;
    if (final.result.picture) $("result").poster = final.result.picture.url;
    $("download").href = final.result.video.url;
    $("download").download = fileName(final);
    show({ result: true, "result-tools": true, transport: false });
    const { shots, shots_made: made } = final.result;
    if (made != null && made < shots) toast(t("shots_made", { made, kept: shots - made }));
    $("result").play().catch(() => {});
    return;
  }
  store.keep({ job: null });
  if (final?.status === "failed") {
    const { message, fix } = final.error ?? {};
    showError("script", { words: () => ({ message: message || t("failed"), fix }) });
    focusFirstError();
  } else if (final) toast(t("canceled"));
}

function showAnimatic() {
  $("result").pause();
  show({ result: false, "result-tools": false, transport: true });
  if (job && isFinal(job)) store.keep({ job: null });
}
$("back-to-animatic").addEventListener("click", showAnimatic);
$("copy-link").addEventListener("click", () => copyLink(job));

// ---------------------------------------------------------------------------------------

async function restore() {
  $("go").firstElementChild.textContent = t("render");
  if (model.film) loadSound();
  refresh();
  if (store.values.job) {
    try {
      const found = await get(`/v1/jobs/${store.values.job}`);
      if (isFinal(found)) ended(found);
      else watchJob(found);
    } catch { store.keep({ job: null }); }
  }
  for (const input of all('input[name="move"]')) input.addEventListener("change", () => { typing = null; });
}

restore();
