// The timeline: waveform, shots, cuts to drag, playhead. Positions are shares of the film's length.

import { $, clock, el, t } from "./dom.js";
import { contentOf } from "./api.js";
import { simpleCamera } from "./film-model.js";

const STEP_S = 0.2;

/** Return functions that draw; `on` has select(index), seek(time), cut(index, time, isLast). */
export function timeline(model, on) {
  let peaks = [];

  const start = () => model.film.shots[0].start_s;
  const length = () => model.film.end_s - start();
  const share = (time) => `${(100 * (time - start())) / length()}%`;
  const timeAt = (clientX) => {
    const box = $("wave").getBoundingClientRect();
    return start() + Math.min(1, Math.max(0, (clientX - box.left) / box.width)) * length();
  };

  function drawShots(selected) {
    const { shots } = model.film;
    // Elements stay while their shot does, so that focus and a drag survive a redraw.
    while ($("shots").children.length > shots.length) $("shots").lastChild.remove();
    while ($("cuts").children.length > Math.max(0, shots.length - 1)) $("cuts").lastChild.remove();
    shots.forEach((shot, index) => {
      const button = $("shots").children[index] ?? $("shots").appendChild(makeShot(index));
      const end = model.end(index);
      Object.assign(button.style, { left: share(shot.start_s), width: `${(100 * (end - shot.start_s)) / length()}%` });
      button.setAttribute("aria-pressed", String(index === selected));
      const move = t(`move_${simpleCamera(shot.camera).split(":")[0]}`);
      button.setAttribute("aria-label", t("shot_label", { n: index + 1, start: clock(shot.start_s, 1), end: clock(end, 1), move }));
      button.style.backgroundImage = shot.image ? `url("${contentOf(shot.image.id)}")` : "";
      button.querySelector("span").textContent = `${index + 1} ${move}`;
      if (index) placeCut($("cuts").children[index - 1] ?? $("cuts").appendChild(makeCut(index)), index);
    });
  }

  function makeShot(index) {
    const button = el("button", { type: "button", class: "shot" }, el("span"));
    button.addEventListener("click", (event) => {
      on.select(index);
      if (event.detail) on.seek(timeAt(event.clientX)); // a click of a mouse has a place, a key has none
      else on.seek(model.film.shots[index].start_s);
    });
    return button;
  }

  function placeCut(handle, index) {
    const shot = model.film.shots[index];
    handle.style.left = share(shot.start_s);
    handle.setAttribute("aria-label", t("cut_label", { n: index, next: index + 1 }));
    handle.setAttribute("aria-valuemin", model.film.shots[index - 1].start_s.toFixed(2));
    handle.setAttribute("aria-valuemax", model.end(index).toFixed(2));
    handle.setAttribute("aria-valuenow", shot.start_s.toFixed(2));
    handle.setAttribute("aria-valuetext", clock(shot.start_s, 2));
  }

  function makeCut(index) {
    const handle = el("button", { type: "button", role: "slider" });
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      let moved = false;
      const move = (now) => {
        on.cut(index, timeAt(now.clientX), { step: !moved, isLast: false });
        moved = true;
      };
      const end = () => {
        handle.removeEventListener("pointermove", move);
        if (moved) on.cut(index, model.film.shots[index].start_s, { step: false, isLast: true });
      };
      handle.addEventListener("pointermove", move);
      handle.addEventListener("pointerup", end, { once: true });
      handle.addEventListener("pointercancel", end, { once: true });
    });
    handle.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const by = event.shiftKey ? 1 / model.film.fps : STEP_S;
      on.cut(index, model.film.shots[index].start_s + way * by, { step: true, isLast: true });
    });
    return handle;
  }

  function drawWave() {
    const canvas = $("wave"), ratio = devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = 64 * ratio;
    const paint = canvas.getContext("2d");
    paint.fillStyle = getComputedStyle(canvas).color;
    const { width, height } = canvas, whole = model.film.soundtrack.duration_s;
    const first = (start() / whole) * peaks.length, shown = (length() / whole) * peaks.length;
    const step = 3 * ratio;
    for (let x = 0; x < width; x += step) {
      const from = Math.floor(first + (x / width) * shown), to = Math.max(from + 1, Math.floor(first + ((x + step) / width) * shown));
      const loud = Math.max(0, ...peaks.slice(from, to));
      const tall = Math.max(ratio, loud * (height - 4));
      paint.fillRect(x, (height - tall) / 2, 2 * ratio, tall);
    }
  }

  function drawPlayhead(time) {
    $("playhead").style.left = share(time);
    $("playhead").setAttribute("aria-valuemin", start().toFixed(1));
    $("playhead").setAttribute("aria-valuemax", model.film.end_s.toFixed(1));
    $("playhead").setAttribute("aria-valuenow", time.toFixed(1));
    $("playhead").setAttribute("aria-valuetext", clock(time, 1));
    $("time").textContent = clock(time, 1);
  }

  $("wave").addEventListener("pointerdown", (event) => {
    $("wave").setPointerCapture(event.pointerId);
    on.seek(timeAt(event.clientX));
    const move = (now) => on.seek(timeAt(now.clientX));
    $("wave").addEventListener("pointermove", move);
    $("wave").addEventListener("pointerup", () => $("wave").removeEventListener("pointermove", move), { once: true });
  });
  new ResizeObserver(() => model.film && drawWave()).observe($("wave"));

  return { drawShots, drawWave, drawPlayhead, setPeaks(found) { peaks = found; if (model.film) drawWave(); } };
}
