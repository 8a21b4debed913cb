// A film as the page edits it: shots over one soundtrack, each from its start to the next one's.

export const SHORTEST_S = 0.5;
const UNDO_STEPS = 50;

/** Return the film with its undo steps; `onChange` is called after every change. */
export function filmModel(saved, onChange) {
  let film = saved ?? null;
  const before = [];

  const model = {
    get film() { return film; },
    get canUndo() { return before.length > 0; },
    /** Change the film by a function; what belongs together (a drag, typing) is one step to undo. */
    change(edit, { step = true } = {}) {
      if (step && film) {
        before.push(JSON.stringify(film));
        if (before.length > UNDO_STEPS) before.shift();
      }
      edit(film);
      onChange();
    },
    undo() {
      if (!before.length) return;
      film = JSON.parse(before.pop());
      onChange();
    },
    replace(next) {
      if (film) before.push(JSON.stringify(film));
      film = next;
      onChange();
    },
    end: (index) => film.shots[index + 1]?.start_s ?? film.end_s,
    lengthOf: (index) => model.end(index) - film.shots[index].start_s,
    at: (time) => {
      const later = film.shots.findIndex((shot) => shot.start_s > time);
      return later === -1 ? film.shots.length - 1 : Math.max(0, later - 1);
    },
    /** Return a time for the cut before a shot that leaves both neighbors long enough. */
    limited(index, time) {
      const low = film.shots[index - 1].start_s + SHORTEST_S, high = model.end(index) - SHORTEST_S;
      return onFrame(Math.min(Math.max(time, low), high), film.fps);
    },
    /** Cut a shot in two at a time; return whether both parts are long enough. */
    split(time) {
      const index = model.at(time), shot = film.shots[index], cut = onFrame(time, film.fps);
      if (cut - shot.start_s < SHORTEST_S || model.end(index) - cut < SHORTEST_S) return false;
      model.change((one) => one.shots.splice(index + 1, 0, { ...structuredClone(shot), start_s: cut, fade_s: 0 }));
      return true;
    },
    /** Remove a shot; the one before lasts longer. */
    remove(index) {
      if (film.shots.length < 2) return;
      model.change((one) => {
        const [gone] = one.shots.splice(index, 1);
        if (index === 0) one.shots[0].start_s = gone.start_s;
      });
    },
    /** Return the script of the film, its files being ids of uploads. */
    script() {
      return {
        soundtrack: film.soundtrack.id, size: film.size, fps: film.fps,
        shots: film.shots.map((shot, index) => ({
          ...shot.extra, image: shot.image?.id, prompt: shot.prompt, camera: shot.camera, start_s: shot.start_s,
          ...(index === film.shots.length - 1 && film.end_s < film.soundtrack.duration_s - 0.05 ? { end_s: film.end_s } : {}),
          ...(shot.seed ? { seed: shot.seed } : {}),
          ...(shot.fade_s && index ? { transition: { fade_s: shot.fade_s } } : {}),
        })),
      };
    },
    names() {
      const names = { [film.soundtrack.id]: film.soundtrack.name };
      for (const { image } of film.shots) if (image) names[image.id] = image.name;
      return names;
    },
  };
  return model;
}

const onFrame = (time, fps) => Math.round(time * fps) / fps;

/** Return a new film over a sound: one shot. */
export function newFilm(soundtrack, image = null) {
  return {
    soundtrack, size: "768x512", fps: 25, end_s: soundtrack.duration_s,
    shots: [{ image, prompt: "", camera: "push_in:60", start_s: 0, seed: 0, fade_s: 0 }],
  };
}

/** Return the move and strength of a camera, of keyframes the first. */
export function simpleCamera(camera) {
  if (typeof camera === "string") return camera;
  const first = Array.isArray(camera) ? camera[0] : camera;
  return `${first.move}:${Math.round(100 * (first.strength ?? 1))}`;
}
