// The page Retalk: footage, the face that speaks, new words.

import { $, clearError, clearErrors, el, focusFirstError, listed, show, showError, t, toast } from "./dom.js";
import { contentOf, get, isFinal, isThere, post, submit, upload } from "./api.js";
import { checked, keepInputs, memory, takesDrops } from "./app.js";
import { busyButton, estimator, hasConsent, seedValue, startConsent, startPrompts, startSeed } from "./fields.js";
import { copyLink, fileName, follow } from "./progress.js";
import { startVoice } from "./voice.js";

const store = memory("retalk");
let footage = store.values.footage ?? null, seen = null, face = store.values.face ?? null, uploading = false, job = null, stopFollowing = () => {};

keepInputs(store, ["text", "speaker", "prompt", "length", "seed"], ["voice-source", "keep"]);
const markPrompts = startPrompts();
startSeed();
startConsent();
const voice = startVoice(store, () => estimate());
const estimate = estimator(() => {
  const sound = voice.peek();
  return footage && sound ? { kind: "retalk", input: { ...settings(), ...sound } } : null;
});

function settings() {
  return {
    video: footage?.id, ...(face ? { face } : {}), prompt: $("prompt").value.trim(), keep: checked("keep"),
    length: $("length").value, seed: seedValue(),
  };
}

const LAYERS = ["empty", "footage", "faces", "working", "result"];
function setState(state) {
  $("stage").dataset.state = state;
  const visible = { empty: ["empty"], footage: ["footage"], choose: ["footage", "faces"], working: ["footage", "working"], result: ["result"] }[state];
  show(Object.fromEntries(LAYERS.map((id) => [id, visible.includes(id)])));
  show({ "footage-tools": state === "footage" || state === "choose", "result-tools": state === "result", tag: false });
  $("show-faces").hidden = !(seen?.faces.length > 1);
  $("show-faces").setAttribute("aria-pressed", String(state === "choose"));
  $("footage").controls = state === "footage";
  if (state !== "footage") $("footage").pause();
  if (state === "choose") {
    $("footage").currentTime = 0;
    placeFaces();
  }
  if (state !== "result") $("result").pause();
}

// Footage and faces -------------------------------------------------------------

async function takeVideo(file, name) {
  clearError("video", "form", "face");
  uploading = true;
  seen = face = null;
  setState("footage");
  $("footage-note").textContent = t("uploading", { percent: 0 });
  try {
    const sent = await upload(file, name, (percent) => { $("footage-note").textContent = t("uploading", { percent }); });
    footage = { id: sent.id, name };
    store.keep({ footage, face: null, job: null });
    $("footage").src = contentOf(footage.id);
    uploading = false;
    await findFaces();
  } catch (problem) {
    footage = null;
    setState("empty");
    showError("video", problem);
  } finally {
    uploading = false;
    $("footage-file").value = "";
    estimate();
  }
}

async function findFaces() {
  $("footage-note").textContent = t("looking_video");
  try {
    seen = await post("/v1/faces", { video: footage.id });
  } catch (problem) {
    $("footage-note").textContent = "";
    showError("video", problem);
    return;
  }
  const count = seen.faces.length;
  $("footage-note").textContent = count > 1 ? t("faces_found", { n: count }) : t(count ? "one_face" : "no_face_video");
  $("faces").replaceChildren(...seen.faces.map((one, index) => {
    const input = el("input", { type: "radio", name: "face", value: index, "aria-label": t("face_n", { n: index + 1 }) });
    input.checked = face ? holds(one, face) : index === 0;
    input.addEventListener("change", () => chooseFace(one));
    return el("label", {}, input, el("span", {}, el("b", { text: t("face_n", { n: index + 1 }) })));
  }));
  if (count && !face) chooseFace(seen.faces[0]);
  setState(count > 1 ? "choose" : "footage");
}

// x and y of a face are its middle.
const holds = (box, point) => Math.abs(box.x - point.x) < box.width / 2 && Math.abs(box.y - point.y) < box.height / 2;

function chooseFace(box) {
  face = { x: box.x, y: box.y };
  store.keep({ face });
  clearError("face");
}

/** Lay the boxes over the picture, which fills its layer without being cropped. */
function placeFaces() {
  if (!seen) return;
  const area = $("stage").getBoundingClientRect();
  const scale = Math.min(area.width / seen.width, area.height / seen.height);
  const [width, height] = [seen.width * scale, seen.height * scale];
  Object.assign($("faces").style, { width: `${width}px`, height: `${height}px`, left: `${(area.width - width) / 2}px`, top: `${(area.height - height) / 2}px` });
  [...$("faces").children].forEach((label, index) => {
    const box = seen.faces[index];
    Object.assign(label.style, { left: `${100 * (box.x - box.width / 2)}%`, top: `${100 * (box.y - box.height / 2)}%`, width: `${100 * box.width}%`, height: `${100 * box.height}%` });
  });
}
new ResizeObserver(placeFaces).observe($("stage"));

$("footage-file").addEventListener("change", () => $("footage-file").files[0] && takeVideo($("footage-file").files[0], $("footage-file").files[0].name));
takesDrops($("stage"), (file) => takeVideo(file, file.name));
$("replace").addEventListener("click", () => $("footage-file").click());
$("show-faces").addEventListener("click", () => setState($("stage").dataset.state === "choose" ? "footage" : "choose"));
for (const id of ["length", "seed"]) $(id).addEventListener("change", () => { estimate(); describeMore(); });

function describeMore() {
  $("more-note").textContent = listed($("length").selectedOptions[0].textContent, t("seed_n", { n: seedValue() }));
}

// Go ----------------------------------------------------------------------------

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  if (!footage || uploading) showError("video", t(uploading ? "wait_upload" : "need_video"));
  const sound = voice.input();
  const agreed = hasConsent();
  if (!footage || uploading || !sound || !agreed) {
    focusFirstError();
    return;
  }
  try {
    await busyButton($("go"), async () => { watchJob(await submit("retalk", { ...settings(), ...sound }, true)); });
    if (matchMedia("(max-width: 960px)").matches) $("stage").scrollIntoView({ behavior: "smooth", block: "start" });
  } catch (problem) {
    showError(problem.field ?? "form", problem);
    focusFirstError();
  }
});

function watchJob(started) {
  stopFollowing();
  store.keep({ job: started.id });
  setState("working");
  stopFollowing = follow(started.id, ended);
}

function ended(final) {
  job = final;
  if (final?.status === "succeeded") {
    $("result").src = final.result.video.url;
    if (final.result.picture) $("result").poster = final.result.picture.url;
    $("download").href = final.result.video.url;
    $("download").download = fileName(final);
    setState("result");
    $("result").play().catch(() => {});
    return;
  }
  store.keep({ job: null });
  setState(footage ? "footage" : "empty");
  if (final?.status === "failed") {
    const { message, fix, field } = final.error ?? {};
    showError(field ?? "form", { words: () => ({ message: message || t("failed"), fix }) });
    focusFirstError();
  } else if (final) toast(t("canceled"));
}

$("copy-link").addEventListener("click", () => copyLink(job));
$("back-to-video").addEventListener("click", () => { store.keep({ job: null }); setState(footage ? "footage" : "empty"); });

// The last video that was made is footage at hand for a first try.
async function offerLastResult() {
  try {
    const { jobs } = await get("/v1/jobs?status=succeeded&limit=20");
    const last = jobs.find((one) => one.result?.video);
    $("example").hidden = !last;
    $("example").onclick = async () => {
      const blob = await (await fetch(last.result.video.url)).blob();
      takeVideo(blob, fileName(last));
    };
  } catch { /* a convenience */ }
}

async function restore() {
  if (footage && !(await isThere(footage.id))) {
    footage = face = null;
    store.keep({ footage, face });
  }
  offerLastResult();
  markPrompts();
  describeMore();
  if (footage) {
    $("footage").src = contentOf(footage.id);
    setState("footage");
    findFaces().then(resumeJob);
  } else resumeJob();
  estimate();
}

async function resumeJob() {
  if (!store.values.job) return;
  try {
    const found = await get(`/v1/jobs/${store.values.job}`);
    if (isFinal(found)) ended(found);
    else watchJob(found);
  } catch { store.keep({ job: null }); }
}

restore();
