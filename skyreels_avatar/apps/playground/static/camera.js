// The camera move of a form, with a preview of it on the photo by the renderer of the product.

import { $, all, clearError, showError } from "./dom.js";
import { checked, showsPercent } from "./app.js";
import { post } from "./api.js";

/** Return the camera as the product writes it: "push_in:60". */
export function cameraValue() {
  const move = checked("move");
  return move === "static" ? "static" : `${move}:${$("strength").value}`;
}

export function setCamera(value) {
  const [move, strength] = String(value ?? "static").split(":");
  const input = all('input[name="move"]').find((one) => one.value === move);
  if (input) input.checked = true;
  if (strength) $("strength").value = parseFloat(strength);
  $("strength").dispatchEvent(new Event("input"));
  dim();
}

function dim() {
  $("strength").disabled = checked("move") === "static";
}

/** Call `onChange` when another move or strength is chosen. */
export function startCamera(onChange) {
  showsPercent("strength");
  for (const input of all('input[name="move"]')) input.addEventListener("change", () => { clearError("camera"); dim(); onChange(); });
  $("strength").addEventListener("input", onChange);
  dim();
}

/** Ask for previews one at a time, always for the newest wish; old answers are dropped. */
export function previewer(onVideo, onWait = () => {}) {
  let running = false, wish = null, shown = null, round = 0;
  const run = async () => {
    if (running) return;
    running = true;
    while (wish) {
      const current = wish, turn = round;
      wish = null;
      onWait(true);
      try {
        const blob = await post("/v1/preview", current, { binary: true });
        if (!wish && turn === round) {
          if (shown) URL.revokeObjectURL(shown);
          shown = URL.createObjectURL(blob);
          clearError("camera");
          onVideo(shown, current);
        }
      } catch (problem) {
        if (!wish && turn === round && problem.status !== 404) showError("camera", problem);
      }
    }
    onWait(false);
    running = false;
  };
  return {
    ask(image, camera, size, seconds) {
      wish = { image, camera, ...(size ? { size } : {}), ...(seconds ? { seconds } : {}) };
      run();
    },
    /** Drop what was asked for, also what is on its way: it is of another photo. */
    forget() {
      wish = null;
      round += 1;
    },
  };
}
