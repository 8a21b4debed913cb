// The page Talk: a photo, a voice, a sentence, a camera; one button.

import { $, clearError, clearErrors, el, focusFirstError, listed, settled, show, showError, t, toast } from "./dom.js";
import { contentOf, get, isFinal, isThere, post, readOptions, submit, upload } from "./api.js";
import { keepInputs, memory, randomSeed, showsPercent, takesDrops } from "./app.js";
import { cameraValue, previewer, setCamera, startCamera } from "./camera.js";
import { busyButton, estimator, hasConsent, seedValue, startConsent, startPrompts, startSeed } from "./fields.js";
import { copyLink, fileName, follow } from "./progress.js";
import { startVoice } from "./voice.js";
import { openShutter } from "./shutter.js";

const EXAMPLE = { image: "portrait.png", sound: "speech.wav", prompt: "a person speaks warmly and smiles" };
const STEADY = ["picture", "preview", "working", "result", "empty"];
const store = memory("talk");
let photo = store.values.photo ?? null, uploading = false, job = null, stopFollowing = () => {};

keepInputs(store, ["text", "speaker", "prompt", "strength", "size", "style", "seed", "fps", "expressiveness"], ["move", "voice-source"]);
const markPrompts = startPrompts();
startSeed();
startConsent();
showsPercent("expressiveness");
const voice = startVoice(store, () => estimate());
const estimate = estimator(() => {
  const sound = voice.peek();
  return photo && sound ? { kind: "generate", input: { ...settings(), ...sound } } : null;
});
const preview = previewer(
  (address) => {
    $("preview").src = address;
    $("preview").play().catch(() => {});
    if (["photo", "preview"].includes($("stage").dataset.state)) setState("preview");
  },
  (waits) => { $("photo-note").textContent = waits && !$("preview").src ? t("preparing_preview") : note; },
);
let note = "";
const askPreview = () => photo && !uploading && preview.ask(photo.id, cameraValue(), $("size").value);
const askSoon = settled(120, askPreview);
startCamera(() => { askSoon(); backToPhoto(); });
$("size").addEventListener("change", () => { askPreview(); estimate(); describeMore(); backToPhoto(); });
for (const id of ["seed", "fps", "style", "expressiveness"]) $(id).addEventListener("change", () => { estimate(); describeMore(); });

function settings() {
  return {
    image: photo?.id, prompt: $("prompt").value.trim(), camera: cameraValue(), size: $("size").value || undefined,
    fps: Number($("fps").value), seed: seedValue(), style: $("style").value, expressiveness: Number($("expressiveness").value),
  };
}

function describeMore() {
  const option = (id) => $(id).selectedOptions[0]?.textContent ?? "";
  $("more-note").textContent = listed(option("size"), option("style"), t("seed_n", { n: seedValue() }));
}

/** Show one state of the stage: empty, photo, preview, working or result. */
function setState(state) {
  $("stage").dataset.state = state;
  const visible = { empty: ["empty"], photo: ["picture"], preview: ["picture", "preview"], working: ["picture", "working"], result: ["result"] }[state];
  show(Object.fromEntries(STEADY.map((id) => [id, visible.includes(id)])));
  show({ "photo-tools": state === "photo" || state === "preview", "result-tools": state === "result", tag: state === "preview" });
  $("tag").textContent = t("preview_of");
  if (state !== "preview") $("preview").pause();
  else $("preview").play().catch(() => {});
  if (state !== "result") $("result").pause();
}

function backToPhoto() {
  if ($("stage").dataset.state !== "result") return;
  setState($("preview").src ? "preview" : "photo");
}

let newestPhoto = 0;

// The photo -------------------------------------------------------------------

async function takePhoto(file, name) {
  const turn = ++newestPhoto;
  clearError("image", "form");
  uploading = true;
  preview.forget();
  $("preview").removeAttribute("src");
  const local = URL.createObjectURL(file);
  $("picture").src = local;
  note = t("uploading", { percent: 0 });
  setState("photo");
  try {
    const sent = await upload(file, name, (percent) => { if (turn === newestPhoto) $("photo-note").textContent = t("uploading", { percent }); });
    if (turn !== newestPhoto) return;
    photo = { id: sent.id, name };
    uploading = false;
    $("picture").src = contentOf(photo.id); // a browser cannot show every format, the server can
    store.keep({ photo, job: null });
    await lookAt();
  } catch (problem) {
    if (turn !== newestPhoto) return;
    photo = null;
    setState("empty");
    showError("image", problem);
  } finally {
    URL.revokeObjectURL(local);
    if (turn === newestPhoto) uploading = false;
    $("photo").value = "";
    estimate();
  }
}

/** Find the faces, so that a wrong photo is known before anything else is done. */
async function lookAt() {
  note = "";
  $("photo-note").textContent = t("looking");
  try {
    const { faces } = await post("/v1/faces", { image: photo.id });
    if (!faces.length) {
      $("photo-note").textContent = "";
      showError("image", t("no_face"));
      return;
    }
    note = faces.length > 1 ? t("several_faces", { n: faces.length }) : "";
    $("photo-note").textContent = note;
    askPreview();
  } catch (problem) {
    $("photo-note").textContent = "";
    showError("image", problem);
  }
}

$("photo").addEventListener("change", () => $("photo").files[0] && takePhoto($("photo").files[0], $("photo").files[0].name));
takesDrops($("stage"), (file) => takePhoto(file, file.name));
$("replace").addEventListener("click", () => $("photo").click());
$("take").addEventListener("click", () => openShutter((blob) => takePhoto(blob, "camera.jpg")));
addEventListener("paste", (event) => {
  const [file] = event.clipboardData?.files ?? [];
  if (file?.type.startsWith("image/")) takePhoto(file, file.name);
});

$("example").addEventListener("click", async () => {
  $("example").disabled = true;
  try {
    const [image, sound] = await Promise.all([EXAMPLE.image, EXAMPLE.sound].map(async (name) => (await fetch(`/examples/${name}`)).blob()));
    $("prompt").value = EXAMPLE.prompt;
    $("prompt").dispatchEvent(new Event("input"));
    const sending = upload(sound, EXAMPLE.sound).then((sent) => voice.use(sent, EXAMPLE.sound));
    await Promise.all([takePhoto(image, EXAMPLE.image), sending]);
    $("consent").focus({ preventScroll: true });
  } catch (problem) {
    showError("form", problem);
  } finally {
    $("example").disabled = false;
  }
});

// Generate --------------------------------------------------------------------

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  generate();
});

async function generate() {
  clearErrors();
  const sound = voice.input();
  if (!photo || uploading) showError("image", t(uploading ? "wait_upload" : "need_photo"));
  const agreed = hasConsent();
  if (!photo || uploading || !sound || !agreed) {
    focusFirstError();
    return;
  }
  try {
    await busyButton($("go"), async () => { watchJob(await submit("generate", { ...settings(), ...sound }, true)); });
    if (matchMedia("(max-width: 960px)").matches) $("stage").scrollIntoView({ behavior: "smooth", block: "start" });
  } catch (problem) {
    showError(problem.field ?? "form", problem);
    focusFirstError();
  }
}

function watchJob(started) {
  stopFollowing();
  store.keep({ job: started.id });
  setState("working");
  stopFollowing = follow(started.id, ended);
}

function ended(final) {
  job = final;
  if (final?.status === "succeeded") {
    showResult(final);
    fillStrip();
    return;
  }
  store.keep({ job: null });
  setState(photo ? ($("preview").src ? "preview" : "photo") : "empty");
  if (photo && !$("preview").src) askPreview();
  if (final?.status === "failed") {
    const { message, fix, field } = final.error ?? {};
    showError(field ?? "form", { words: () => ({ message: message || t("failed"), fix }) });
    focusFirstError();
  } else if (final) toast(t("canceled"));
}

function showResult(final) {
  job = final;
  if ($("result").getAttribute("src") !== final.result.video.url) $("result").src = final.result.video.url;
  if (final.result.picture) $("result").poster = final.result.picture.url;
  $("download").href = final.result.video.url;
  $("download").download = fileName(final);
  setState("result");
  $("result").play().catch(() => {}); // a browser may want a click first
}

$("copy-link").addEventListener("click", () => copyLink(job));
$("back-to-photo").addEventListener("click", () => { store.keep({ job: null }); photo ? backToPhoto() : setState("empty"); });
$("again").addEventListener("click", async () => {
  $("seed").value = randomSeed();
  $("seed").dispatchEvent(new Event("input"));
  describeMore();
  try {
    watchJob(await submit("generate", { ...job.input, seed: seedValue() }, job.consent?.statement));
  } catch (problem) {
    showError(problem.field ?? "form", problem);
  }
});

// What was made before ---------------------------------------------------------

async function fillStrip() {
  try {
    const { jobs } = await get("/v1/jobs?status=succeeded&limit=20");
    const made = jobs.filter((one) => one.kind === "generate" && one.result?.picture).slice(0, 8);
    $("recent").hidden = !made.length;
    $("strip").replaceChildren(...made.map((one) => {
      const label = one.input.text || one.input.prompt || t("kind_generate");
      const picture = el("img", { src: one.result.picture.url, alt: label, loading: "lazy" });
      const link = el("a", { href: one.result.video.url, title: label }, picture);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        showResult(one);
      });
      return el("li", {}, link);
    }));
  } catch { /* the strip is a convenience */ }
}

async function restore() {
  const options = await readOptions().catch((problem) => { showError("form", problem); return null; });
  if (options) {
    const sizes = options.sizes.filter((size) => size !== "auto" && size);
    $("size").replaceChildren(el("option", { value: "", text: t("size_own") }), ...sizes.map((size) => el("option", { value: size, text: size.replace("x", " x ") })));
    const wanted = store.values.inputs?.size ?? "512x512";
    if (["", ...sizes].includes(wanted)) $("size").value = wanted;
  }
  if (store.values.again) { // a job that Results sent here
    const { input } = store.values.again;
    store.keep({ again: null, photo: { id: input.image, name: "" }, job: null });
    photo = store.values.photo;
    $("prompt").value = input.prompt ?? "";
    if (input.text) voice.say(input.text, input.voice);
    else if (input.audio) voice.use({ id: input.audio }, t("voice"));
    setCamera(input.camera);
    for (const id of ["size", "style", "seed", "expressiveness"]) {
      if (input[id] == null) continue;
      $(id).value = input[id];
      $(id).dispatchEvent(new Event("input"));
    }
    for (const id of ["prompt", "strength"]) $(id).dispatchEvent(new Event("input"));
  }
  if (photo && !(await isThere(photo.id))) {
    photo = null;
    store.keep({ photo });
  }
  if (photo) {
    $("picture").src = contentOf(photo.id);
    setState("photo");
    askPreview();
  }
  if (store.values.job) {
    try {
      const found = await get(`/v1/jobs/${store.values.job}`);
      if (isFinal(found)) ended(found);
      else watchJob(found);
    } catch { store.keep({ job: null }); }
  }
  markPrompts();
  describeMore();
  estimate();
  fillStrip();
}

restore();
