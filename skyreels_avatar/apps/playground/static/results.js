// The page Results: own jobs, two of them side by side, links, once more with another seed.

import { $, all, clearError, el, icon, listed, short, show, showError, t, toast } from "./dom.js";
import { get, isFinal, post, readOptions, request, submit, watch } from "./api.js";
import { countJobs, memory, randomSeed } from "./app.js";
import { copyLink, fileName, showPercent, stageName } from "./progress.js";
import { openPair } from "./compare.js";

const PAGE_SIZE = 24;
const language = document.documentElement.lang;
const jobs = new Map(), watching = new Map(), picked = [];
let oldest = null;

const isShown = (job) => job.kind !== "speak";

async function load(before) {
  const query = new URLSearchParams({ limit: PAGE_SIZE, ...(before ? { before } : {}) });
  const found = await get(`/v1/jobs?${query}`);
  for (const job of found.jobs) {
    oldest = job.id;
    if (isShown(job)) put(job, false);
  }
  $("older").hidden = found.jobs.length < PAGE_SIZE;
  refreshBlank();
}

function refreshBlank() {
  show({ blank: !jobs.size, "results-note": jobs.size > 1, compare: jobs.size > 1 });
}

/** Show a job: in the place of its card, else first or last. */
function put(job, first) {
  const before = jobs.get(job.id);
  const made = card(job);
  jobs.set(job.id, { job, card: made });
  if (before) before.card.replaceWith(made);
  else if (first) $("cards").prepend(made);
  else $("cards").append(made);
  if (!isFinal(job) && !watching.has(job.id)) watching.set(job.id, watch(job.id, (now) => changed(job.id, now)));
}

function changed(id, now) {
  if (!now) {
    forget(id);
    return;
  }
  const known = jobs.get(id);
  if (!known) return;
  known.job = now;
  if (isFinal(now)) {
    watching.delete(id);
    put(now, false);
    countJobs();
  } else known.card.update(now);
}

function forget(id) {
  watching.get(id)?.();
  watching.delete(id);
  jobs.get(id)?.card.remove();
  jobs.delete(id);
  unpick(id);
  refreshBlank();
}

function card(job) {
  const poster = el("div", { class: "poster" });
  const made = el("li", { class: "card", "data-status": job.status, "data-job": job.id });
  if (job.status === "succeeded") poster.append(playerOf(job));
  else if (isFinal(job)) poster.append(el("p", { text: job.status === "canceled" ? t("canceled") : job.error?.message ?? t("failed") }));
  else {
    const parts = progressPart(job);
    poster.append(parts.box);
    made.update = parts.update;
  }
  const time = new Date(job.created_at);
  const when = el("time", { datetime: time.toISOString(), text: time.toLocaleString(language, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }) });
  const facts = el("div", { class: "facts" }, el("h2", {}, el("span", { text: t(`kind_${job.kind}`) }), when));
  const said = job.input.text || job.input.prompt;
  if (said) facts.append(el("p", { class: "said", text: said }));
  facts.append(el("p", { class: "hint", text: factsOf(job) }));
  if (isFinal(job) && job.kind !== "film") facts.append(el("button", { type: "button", class: "plain", on: { click: (event) => again(job, event.currentTarget) } }, icon("dice"), el("span", { text: t("again_seed") })));
  facts.append(actionsOf(job));
  made.append(poster, facts);
  return made;
}

function playerOf(job) {
  return el("video", {
    src: job.result.video.url, poster: job.result.picture?.url, controls: true, playsinline: true, preload: "none",
    "aria-label": `${t(`kind_${job.kind}`)}: ${job.input.text || job.input.prompt || ""}`,
  });
}

function progressPart(job) {
  const name = el("strong"), percent = el("span");
  const meter = el("div", { class: "meter", role: "progressbar", "aria-label": t("progress"), "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));
  const box = el("div", { class: "working" }, name, meter, percent);
  const update = (now) => {
    name.textContent = stageName(now);
    const done = Math.round(now.percent ?? 0);
    percent.textContent = done ? `${done}%` : "";
    showPercent(meter, done);
  };
  update(job);
  return { box, update };
}

function factsOf(job) {
  const facts = [];
  if (job.result?.width) facts.push(t("job_facts", { length: short(job.result.duration_s), width: job.result.width, height: job.result.height }));
  if (job.result?.shots) facts.push(t("shots_n", { n: job.result.shots }));
  const camera = job.input.camera;
  if (typeof camera === "string" && camera !== "static") facts.push(cameraText(camera));
  if (job.input.seed != null && job.kind !== "film") facts.push(t("seed_n", { n: job.input.seed }));
  return listed(...facts);
}

function cameraText(camera) {
  const [move, strength] = camera.split(":");
  return `${t(`move_${move}`)}${strength ? ` ${strength}%` : ""}`;
}

function actionsOf(job) {
  const button = (name, label, run) => el("button", { type: "button", class: "quiet icon", title: label, "aria-label": label, on: { click: run } }, icon(name));
  const row = el("div", { class: "actions" });
  if (job.status === "succeeded") {
    row.append(
      el("a", { class: "quiet icon", href: job.result.video.url, download: fileName(job), title: t("download"), "aria-label": t("download") }, icon("download")),
      button("link", t("copy_link"), () => copyLink(job)),
    );
  }
  if (isFinal(job)) {
    if (job.kind === "generate") row.append(button("photo", t("use_settings", { page: t("talk") }), () => openInTalk(job)));
    row.append(deleteButton(job));
  } else row.append(button("close", t("cancel"), (event) => { event.currentTarget.disabled = true; post(`/v1/jobs/${job.id}/cancel`).catch((problem) => showError("form", problem)); }));
  if (job.status === "succeeded") {
    const box = el("input", { type: "checkbox", class: "pick", on: { change: (event) => pick(job.id, event.currentTarget) } });
    box.checked = picked.includes(job.id);
    row.append(el("label", { class: "check" }, box, el("span", { text: t("compare_this") })));
  }
  return row;
}

function deleteButton(job) {
  const label = el("span");
  let sure = false, timer;
  label.hidden = true;
  const made = el("button", { type: "button", class: "quiet", title: t("delete"), "aria-label": t("delete") }, icon("trash"), label);
  const ask = (asks) => {
    sure = asks;
    label.textContent = asks ? t("delete_sure") : "";
    label.hidden = !asks;
    made.classList.toggle("danger", asks);
    made.setAttribute("aria-label", t(asks ? "delete_sure" : "delete"));
  };
  made.addEventListener("click", async () => {
    if (!sure) { // asked in place: a second click deletes
      ask(true);
      timer = setTimeout(() => ask(false), 4000);
      return;
    }
    clearTimeout(timer);
    try {
      await request("DELETE", `/v1/jobs/${job.id}`);
      const next = jobs.get(job.id)?.card.nextElementSibling ?? jobs.get(job.id)?.card.previousElementSibling;
      forget(job.id);
      toast(t("deleted"));
      (next?.querySelector("button, a") ?? $("main")).focus();
    } catch (problem) {
      showError("form", problem);
    }
  });
  return made;
}

async function again(job, button) {
  clearError("form");
  button.disabled = true;
  try {
    put(await submit(job.kind, { ...job.input, seed: randomSeed() }, job.consent?.statement), true);
    refreshBlank();
    countJobs();
    scrollTo({ top: 0, behavior: "smooth" });
  } catch (problem) {
    showError("form", problem);
    scrollTo({ top: 0 });
  } finally {
    button.disabled = false;
  }
}

function openInTalk(job) {
  memory("talk").keep({ again: { input: job.input } });
  location.assign("/");
}

// Two side by side ---------------------------------------------------------------

function pick(id, box) {
  if (box.checked) {
    picked.push(id);
    if (picked.length > 2) {
      const first = picked.shift();
      const other = jobs.get(first)?.card.querySelector(".pick");
      if (other) other.checked = false;
    }
  } else unpick(id);
  $("compare").disabled = picked.length !== 2;
}

function unpick(id) {
  const at = picked.indexOf(id);
  if (at >= 0) picked.splice(at, 1);
  $("compare").disabled = picked.length !== 2;
}

$("compare").addEventListener("click", () => {
  for (const player of all("#cards video")) player.pause();
  openPair(picked.map((id) => jobs.get(id).job).map((job) => ({ job, caption: listed(job.input.text || job.input.prompt, factsOf(job)) })));
});
$("older").addEventListener("click", () => load(oldest).catch((problem) => showError("form", problem)));

load().catch((problem) => { showError("form", problem); refreshBlank(); });
readOptions().then(({ limits }) => {
  const days = Math.round((limits?.keep_s ?? 0) / 86400);
  document.querySelector("#blank p").textContent = days ? t("no_results_hint", { days }) : t("no_results_hint_plain");
}).catch(() => {});
