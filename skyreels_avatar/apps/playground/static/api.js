// The HTTP contract of the server, as functions.

import { duration, known, t } from "./dom.js";

/** An answer of the server that refuses: what is wrong, what to do, beside which field. */
export class ApiError extends Error {
  constructor(status, { code = "", message = "", fix = "", field = null } = {}, retryAfter_s = 0) {
    super(message);
    Object.assign(this, { status, code, fix, field, retryAfter_s });
  }

  /** Return what to show: known errors in the language of the page, others as they came. */
  words() {
    if (this.status === 0) return { message: t("error_network") };
    const key = { 413: "error_too_large", 429: "error_queue_full" }[this.status];
    const translated = document.documentElement.lang !== "en" && (known(`error_${this.code}`) ? `error_${this.code}` : key);
    const message = translated ? t(translated) : this.message || t("failed");
    const again = this.retryAfter_s && !/\d/.test(this.fix) ? t("error_again", { time: duration(this.retryAfter_s) }) : "";
    return { message, fix: translated ? again || this.message : this.fix || again };
  }
}

export async function request(method, path, body, { headers = {}, signal, binary = false } = {}) {
  const isJson = body !== undefined && !(body instanceof Blob);
  let response;
  try {
    response = await fetch(path, {
      method, signal, credentials: "same-origin",
      headers: { ...(isJson ? { "Content-Type": "application/json" } : {}), ...headers },
      body: isJson ? JSON.stringify(body) : body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (!response.ok) throw await refusal(response);
  if (binary) return response.blob();
  return response.status === 204 ? null : response.json();
}

async function refusal(response) {
  const found = await response.json().catch(() => ({}));
  signInWhere(response.status === 401);
  return new ApiError(response.status, found.error, Number(response.headers.get("Retry-After")) || 0);
}

function signInWhere(isNeeded) {
  if (isNeeded && document.documentElement.dataset.page !== "sign-in") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
}

export const get = (path) => request("GET", path);
export const post = (path, body, options) => request("POST", path, body ?? {}, options);

/** Send a file; `onProgress` gets percents. */
export function upload(file, name, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open("POST", `/v1/uploads?name=${encodeURIComponent(name)}`);
    sender.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    sender.upload.onprogress = (event) => event.lengthComputable && onProgress(Math.round((100 * event.loaded) / event.total));
    sender.onerror = () => reject(new ApiError(0));
    sender.onload = () => {
      let found = {};
      try { found = JSON.parse(sender.responseText); } catch { /* no JSON: the status says enough */ }
      if (sender.status < 300) resolve(found);
      signInWhere(sender.status === 401);
      if (sender.status >= 300) reject(new ApiError(sender.status, found.error, Number(sender.getResponseHeader("Retry-After")) || 0));
    };
    sender.send(file);
  });
}

export const contentOf = (uploadId) => `/playground/uploads/${encodeURIComponent(uploadId)}`;

/** Return whether an upload is still there. */
export const isThere = (uploadId) => get(`/v1/uploads/${encodeURIComponent(uploadId)}`).then(() => true, (problem) => problem.status === 0);

let options;
export const readOptions = () => (options ??= get("/v1/options"));

export function submit(kind, input, consent) {
  // The key makes a repeated click, or a repeated request after a lost answer, the same job.
  const key = crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("");
  const body = { kind, input, ...(consent ? { consent: { statement: true } } : {}) };
  const send = () => post("/v1/jobs", body, { headers: { "Idempotency-Key": key } });
  return send().catch((error) => (error.status === 0 ? send() : Promise.reject(error)));
}

const FINAL = ["succeeded", "failed", "canceled"];
export const isFinal = (job) => FINAL.includes(job.status);

/** Call `onChange` with a job whenever it changes, until it is final; return a function that stops. */
export function watch(jobId, onChange) {
  let stopped = false, source, timer;
  const stop = () => {
    stopped = true;
    source?.close();
    clearTimeout(timer);
  };
  const take = (job) => {
    if (stopped) return;
    if (isFinal(job)) stop();
    onChange(job);
  };
  const poll = async () => {
    if (stopped) return;
    try {
      take(await get(`/v1/jobs/${jobId}`));
    } catch (error) {
      if (error.status === 404) {
        stop();
        onChange(null);
        return;
      }
    }
    if (!stopped) timer = setTimeout(poll, 2000);
  };
  const listen = () => {
    source = new EventSource(`/v1/jobs/${jobId}/events`);
    source.addEventListener("job", (event) => take(JSON.parse(event.data)));
    source.onerror = () => {
      // The browser reconnects by itself unless the server refused.
      if (source.readyState === EventSource.CLOSED) poll();
    };
  };
  listen();
  return stop;
}
