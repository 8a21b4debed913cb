// The progress of one job: words, percent, time left, cancel.

import { $, announce, duration, t } from "./dom.js";
import { post, watch } from "./api.js";
import { countJobs } from "./app.js";

const STAGES = {
  load: "load", analyse: "analyse", analyze: "analyse", read: "analyse", encode: "encode", speak: "speak",
  denoise: "denoise", sample: "denoise", decode: "write", write: "write", stitch: "write",
};

export function stageName(job) {
  if (job.status === "queued") return job.position > 0 ? t("stage_queued", { n: job.position }) : t("stage_next");
  const shot = /shot (\d+)(?: of (\d+))?/.exec(job.stage ?? "");
  if (shot) return t("stage_shot", { n: shot[1], all: shot[2] ?? "?" });
  return t(`stage_${STAGES[job.stage] ?? "working"}`);
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
    $("percent").textContent = `${percent}%`;
    $("left").textContent = left;
    $("meter").setAttribute("aria-valuenow", percent);
    $("meter").firstElementChild.style.width = `${percent}%`;
    // Not every percent is news: a change of stage, or ten seconds, is.
    if (stageName(job) !== said || performance.now() - saidAt > 10_000) {
      said = stageName(job);
      saidAt = performance.now();
      announce([said, `${percent}%`, left].filter(Boolean).join(", "));
    }
  });
  $("stage-name").textContent = t("stage_next");
  $("percent").textContent = "0%";
  $("left").textContent = "";
  $("meter").firstElementChild.style.width = "0";
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
