// The progress of one job: words, percent, time left, cancel.

import { $, announce, duration, listed, t } from "./dom.js";
import { post, watch } from "./api.js";
import { countJobs } from "./app.js";

const STAGES = {
  load: "load", analyse: "analyse", analyze: "analyse", read: "analyse", encode: "encode", speak: "speak",
  denoise: "denoise", sample: "denoise", decode: "write", write: "write", stitch: "write",
};

export function stageName(job) {
  if (job.status === "queued") return job.position > 0 ? t("stage_queued", { n: job.position }) : t("stage_next");
  return t(`stage_${STAGES[job.stage] ?? "working"}`);
}

/** Show how much is done; at 0 a bar that moves says that something is done at all. */
export function showPercent(meter, percent) {
  if (percent) meter.setAttribute("aria-valuenow", percent);
  else meter.removeAttribute("aria-valuenow");
  meter.firstElementChild.style.width = percent ? `${percent}%` : "";
}

/** Follow a job in the panel of the stage until it is final; `onEnd` gets it, or null if it is gone. */
export function follow(jobId, onEnd) {
  let said = "", saidAt = 0;
  const stop = watch(jobId, (job) => {
    if (!job || ["succeeded", "failed", "canceled"].includes(job.status)) {
      announce(job?.status === "succeeded" ? t("done") : job?.status === "canceled" ? t("canceled") : t("failed"));
      countJobs();
      onEnd(job);
      return;
    }
    const percent = Math.round(job.percent ?? 0);
    const left = job.status === "running" && job.seconds_left != null ? t("time_left", { time: duration(job.seconds_left) }) : "";
    $("stage-name").textContent = stageName(job);
    $("percent").textContent = percent ? `${percent}%` : "";
    $("left").textContent = left;
    showPercent($("meter"), percent);
    // Not every percent is news: a change of stage, or ten seconds, is.
    if (stageName(job) !== said || performance.now() - saidAt > 10_000) {
      said = stageName(job);
      saidAt = performance.now();
      announce(listed(said, percent ? `${percent}%` : "", left));
    }
  });
  $("stage-name").textContent = t("stage_next");
  $("percent").textContent = $("left").textContent = "";
  showPercent($("meter"), 0);
  $("cancel").disabled = false;
  $("cancel").onclick = async () => {
    $("cancel").disabled = true;
    try { await post(`/v1/jobs/${jobId}/cancel`); } catch { $("cancel").disabled = false; }
  };
  countJobs();
  return stop;
}

/** Copy the signed address of a result. */
export async function copyLink(job) {
  const { toast } = await import("./dom.js");
  const address = new URL(job.result.video?.url ?? job.result.audio.url, location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    const until = new URL(address).searchParams.get("expires");
    const date = until && new Date(1000 * Number(until)).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
    toast(date ? t("copied", { date }) : t("copied_plain"));
  } catch {
    window.prompt(t("copy_link"), address); // a page without https may not write to the clipboard
  }
}

/** Return the name of a downloaded result. */
export const fileName = (job) => `${job.kind}-${job.id.slice(-6)}.${job.result.video ? "mp4" : "wav"}`;
