// Two videos side by side on one clock: the first leads, the second follows.

import { $, all, clock, el, icon, t } from "./dom.js";

const DRIFT_S = 0.06;
let frame = 0;

export function openPair(pair) {
  const dialog = $("viewer");
  $("pair").replaceChildren(...pair.map(({ job, caption }, index) => {
    // One sound is enough: two of the same words would echo.
    const player = el("video", { src: job.result.video.url, poster: job.result.picture?.url, playsinline: true, preload: "auto", "aria-label": caption });
    player.muted = index > 0;
    return el("figure", {}, player, el("figcaption", { text: caption }));
  }));
  const [leader, follower] = all("#pair video");
  const setPlaying = (plays) => {
    $("play").replaceChildren(icon(plays ? "pause" : "play"));
    $("play").setAttribute("aria-label", t(plays ? "pause" : "play"));
  };
  const longest = () => Math.max(leader.duration || 0, follower.duration || 0);
  const tick = () => {
    const time = leader.currentTime;
    if (Math.abs(follower.currentTime - time) > DRIFT_S && time < (follower.duration || 0)) follower.currentTime = time;
    if (document.activeElement !== $("scrub") || !leader.paused) $("scrub").value = longest() ? Math.round((1000 * time) / longest()) : 0;
    $("scrub").setAttribute("aria-valuetext", clock(time, 1));
    $("time").textContent = `${clock(time, 1)} / ${clock(longest(), 1)}`;
    frame = requestAnimationFrame(tick);
  };
  const play = async () => {
    if (leader.ended) leader.currentTime = follower.currentTime = 0;
    await Promise.all([leader.play(), follower.play()]).catch(() => {});
  };
  const pause = () => { leader.pause(); follower.pause(); };
  leader.onplay = () => setPlaying(true);
  leader.onpause = () => { setPlaying(false); follower.pause(); };
  $("play").onclick = () => (leader.paused ? play() : pause());
  $("scrub").oninput = () => {
    const time = ($("scrub").value / 1000) * longest();
    leader.currentTime = Math.min(time, leader.duration || 0);
    follower.currentTime = Math.min(time, follower.duration || 0);
  };
  $("viewer-close").onclick = () => dialog.close();
  dialog.onclose = () => {
    cancelAnimationFrame(frame);
    pause();
    $("pair").replaceChildren();
  };
  setPlaying(false);
  dialog.showModal();
  tick();
  play();
}
