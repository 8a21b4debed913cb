// The film before it is rendered: every shot's photo through its camera, on the clock of the sound.

import { $, el } from "./dom.js";
import { contentOf, post } from "./api.js";

const LONGEST_S = 30, SHORTEST_S = 0.2, DRIFT_S = 0.12;

/**
 * Return functions that refresh the shots' screens and show a time. `onFail` gets (index, error or
 * null), `onReady` is called when other screens are there.
 */
export function animatic(model, { onFail, onReady }) {
  const clips = new Map(); // by what determines them: the address of the video
  let wanted = [], running = false;

  const keyOf = (index) => {
    const { image, camera } = model.film.shots[index];
    const seconds = Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.round(10 * model.lengthOf(index)) / 10));
    return image ? JSON.stringify({ image: image.id, camera, size: model.film.size, seconds }) : null;
  };

  function refresh() {
    const { shots } = model.film, screens = $("screens");
    while (screens.children.length > shots.length) screens.lastChild.remove();
    wanted = [];
    shots.forEach((shot, index) => {
      const key = keyOf(index), still = screens.children[index];
      const kept = still?.dataset.image === shot.image?.id ? still : null;
      const clip = key && clips.get(key);
      if (key && !clip) wanted.push(index);
      if (clip && kept?.dataset.key === key) return;
      // Until the new preview is there, the old one or the photo shows.
      if (!clip && kept) return;
      const made = clip
        ? el("video", { src: clip, muted: true, playsinline: true, preload: "auto", "data-key": key, "data-image": shot.image.id })
        : el("img", { src: shot.image ? contentOf(shot.image.id) : null, alt: "", "data-image": shot.image?.id ?? "" });
      if (clip) made.muted = true;
      if (still) still.replaceWith(made);
      else screens.append(made);
      made.addEventListener("loadeddata", onReady, { once: true });
    });
    onReady();
    fetchNext();
  }

  async function fetchNext() {
    if (running || !wanted.length) return;
    running = true;
    const index = wanted.shift(), key = index < model.film.shots.length ? keyOf(index) : null;
    try {
      if (key && !clips.has(key)) clips.set(key, URL.createObjectURL(await post("/v1/preview", JSON.parse(key), { binary: true })));
      if (key) onFail(index, null);
    } catch (problem) {
      if (key) {
        clips.set(key, contentOf(JSON.parse(key).image)); // not asked for again; the photo stays
        onFail(index, problem);
      }
    }
    running = false;
    if (model.film) refresh();
  }

  /** Show a time of the film; called for every frame while it plays. */
  function show(time, isPlaying) {
    const { shots } = model.film;
    [...$("screens").children].forEach((screen, index) => {
      const shot = shots[index];
      if (!shot) return;
      const half = index ? (shot.fade_s ?? 0) / 2 : 0, halfOut = (shots[index + 1]?.fade_s ?? 0) / 2;
      const end = model.end(index), last = index === shots.length - 1;
      const isOn = time >= shot.start_s - half && (time < end + halfOut || last);
      screen.style.opacity = !isOn ? 0 : half ? Math.min(1, (time - shot.start_s + half) / (2 * half)) : 1;
      if (screen.tagName !== "VIDEO" || !screen.duration) return;
      const rate = screen.duration / Math.max(SHORTEST_S, end - shot.start_s);
      const place = Math.min(screen.duration - 0.02, Math.max(0, (time - shot.start_s) * rate));
      if (!isOn || !isPlaying) {
        screen.pause();
        if (isOn && Math.abs(screen.currentTime - place) > 0.03) screen.currentTime = place;
        return;
      }
      screen.playbackRate = Math.min(4, Math.max(0.1, rate));
      if (Math.abs(screen.currentTime - place) > DRIFT_S) screen.currentTime = place;
      if (screen.paused) screen.play().catch(() => {});
    });
  }

  return { refresh, show };
}
