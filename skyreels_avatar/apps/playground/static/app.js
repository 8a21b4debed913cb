// What every page has: the bar, the language, light and dark, and the number of running jobs.

import { $, all } from "./dom.js";
import { get, isFinal } from "./api.js";

const root = document.documentElement;
const YEAR_S = 365 * 86400;
const remember = (name, value) => {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=strict`;
};

for (const tab of all("[data-tab]")) {
  if (tab.dataset.tab === root.dataset.page) tab.setAttribute("aria-current", "page");
}

$("language").addEventListener("click", () => {
  remember("language", $("language").dataset.language);
  location.reload();
});

$("theme").addEventListener("click", () => {
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  remember("theme", root.dataset.theme);
});

/** Show in the bar how many jobs are not final. */
export async function countJobs() {
  try {
    const { jobs } = await get("/v1/jobs?limit=50");
    const running = jobs.filter((job) => !isFinal(job) && job.kind !== "speak").length;
    $("running").hidden = !running;
    $("running").textContent = running;
  } catch { /* the page itself says so when it needs the server */ }
}
if ($("running")) {
  countJobs();
  setInterval(() => document.hidden || countJobs(), 10_000);
}

/** Values of a page's form that survive a reload. */
export function memory(page) {
  const key = `playground.${page}`;
  let values = {};
  try { values = JSON.parse(localStorage.getItem(key)) ?? {}; } catch { /* damaged or forbidden */ }
  return {
    values,
    keep(changes) {
      Object.assign(values, changes);
      try { localStorage.setItem(key, JSON.stringify(values)); } catch { /* full or forbidden */ }
    },
  };
}

/** Keep inputs of a page by their ids or names, and fill them in again. */
export function keepInputs(store, ids, names = []) {
  const saved = store.values.inputs ?? {};
  const changed = (name, value) => store.keep({ inputs: { ...store.values.inputs, [name]: value } });
  for (const id of ids) {
    const input = $(id);
    if (saved[id] != null) input.value = saved[id];
    input.addEventListener("input", () => changed(id, input.value));
    input.addEventListener("change", () => changed(id, input.value));
  }
  for (const name of names) {
    for (const input of all(`input[name="${name}"]`)) {
      if (saved[name] != null) input.checked = input.value === saved[name];
      input.addEventListener("change", () => changed(name, input.value));
    }
  }
}

/** Let a box take files that are dropped on it as its own input would. */
export function takesDrops(box, take) {
  for (const kind of ["dragenter", "dragover"]) {
    box.addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      box.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) box.addEventListener(kind, () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}

/** Let a range show its value in percent. */
export function showsPercent(id) {
  const write = () => {
    $(`${id}-value`).textContent = `${$(id).value}%`;
    $(id).setAttribute("aria-valuetext", `${$(id).value}%`);
  };
  $(id).addEventListener("input", write);
  write();
}

export const checked = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;
}
