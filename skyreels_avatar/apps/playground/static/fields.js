// Parts that the forms share: prompt examples, seeds, consent, the estimate on the button.

import { $, all, clearError, duration, settled, short, showError, t } from "./dom.js";
import { post } from "./api.js";
import { randomSeed } from "./app.js";

export function startPrompts() {
  const mark = () => {
    for (const chip of all("#prompts button")) chip.setAttribute("aria-pressed", String($("prompt").value.trim() === chip.dataset.prompt));
  };
  for (const chip of all("#prompts button")) {
    chip.addEventListener("click", () => {
      $("prompt").value = $("prompt").value.trim() === chip.dataset.prompt ? "" : chip.dataset.prompt;
      $("prompt").dispatchEvent(new Event("input"));
    });
  }
  $("prompt").addEventListener("input", () => { clearError("prompt"); mark(); });
  mark();
  return mark;
}

export function startSeed() {
  $("dice").addEventListener("click", () => {
    $("seed").value = randomSeed();
    $("seed").dispatchEvent(new Event("input"));
  });
}

/** Return the number in the seed's field; 0 where there is none. */
export const seedValue = () => Math.max(0, Math.trunc(Number($("seed").value) || 0));

export function startConsent() {
  $("consent").addEventListener("change", () => clearError("consent"));
}

/** Return whether the statement is made; show what is missing otherwise. */
export function hasConsent() {
  if ($("consent").checked) return true;
  showError("consent", t("consent_needed"));
  return false;
}

/** Keep the estimate on the button; `read` returns {kind, input} or null where something is missing. */
export function estimator(read) {
  let newest = 0;
  return settled(1000, async () => {
    const wanted = read(), turn = ++newest;
    if (!wanted) {
      $("estimate").textContent = "";
      return;
    }
    try {
      const plan = await post("/v1/plan", wanted);
      if (turn !== newest) return;
      $("estimate").textContent = t("estimate", { time: duration(plan.seconds), length: short(plan.duration_s) });
    } catch {
      if (turn === newest) $("estimate").textContent = ""; // what is wrong is said when the job is sent
    }
  });
}

export async function busyButton(button, run) {
  const label = button.firstElementChild ?? button, before = label.textContent;
  button.disabled = true;
  label.textContent = t("sending");
  try { return await run(); } finally {
    button.disabled = false;
    label.textContent = before;
  }
}
