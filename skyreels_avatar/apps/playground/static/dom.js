// Small tools for the page: elements, words of the dictionary, messages. Text is set as text, never
// as HTML, so that what people typed stays what they typed.

const language = document.documentElement.lang;
const { default: strings } = await import(`/static/strings.${language}.js`);

export const $ = (id) => document.getElementById(id);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Return a phrase of the dictionary; {name} stands for a value. */
export function t(key, values = {}) {
  const phrase = strings[key] ?? key;
  return phrase.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

export const known = (key) => key in strings;

/** Make an element; `text` is its text, `on` its listeners, other keys are attributes. */
export function el(tag, { text, on, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  if (text != null) made.textContent = text;
  for (const [name, listener] of Object.entries(on ?? {})) made.addEventListener(name, listener);
  made.append(...children.filter(Boolean));
  return made;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/static/icons.svg#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Show elements whose value is true, hide the others. */
export function show(visible) {
  for (const [id, value] of Object.entries(visible)) $(id).hidden = !value;
}

/** Tell people who do not see the page; the same words are not repeated. */
export function announce(text) {
  if ($("live").textContent !== text) $("live").textContent = text;
}

let toastTimer;
export function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("on"), 4000);
}

/** Return a length of time as people say it: "8 s", "3 min". */
export function duration(seconds) {
  if (seconds < 90) return t("seconds", { n: Math.max(1, Math.round(seconds)) });
  return t("minutes", { n: Math.round(seconds / 60) });
}

/** Return m:ss, with `digits` after the point. */
export function clock(seconds, digits = 0) {
  const rounded = Number(Math.max(0, seconds || 0).toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

export const short = (number) => Number(number).toLocaleString(language, { maximumFractionDigits: 1 });

/** Return phrases as one line. */
export const listed = (...phrases) => phrases.filter(Boolean).join(t("comma"));

/** Call a function when nothing has asked for it again for a moment. */
export function settled(wait_ms, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait_ms);
  };
}

// Errors beside their fields --------------------------------------------------

const FIELDS = { video: "footage-file", image: "photo", form: null };

/** Show an error beside the field that it is about, or for the whole form. */
export function showError(field, error) {
  const place = document.querySelector(`[data-error="${CSS.escape(field)}"]`) ?? document.querySelector('[data-error="form"]');
  if (!place) return;
  const { message, fix } = typeof error === "string" ? { message: error } : error.words?.() ?? { message: String(error) };
  place.replaceChildren(message, ...(fix ? [el("span", { class: "fix", text: fix })] : []));
  const input = $(FIELDS[field] ?? field);
  if (input?.matches("input, textarea, select")) input.setAttribute("aria-invalid", "true");
  const details = place.closest("details");
  if (details) details.open = true;
}

export function clearError(...fields) {
  for (const field of fields) {
    const place = document.querySelector(`[data-error="${CSS.escape(field)}"]`);
    if (place) place.replaceChildren();
    $(FIELDS[field] ?? field)?.removeAttribute?.("aria-invalid");
  }
}

export function clearErrors() {
  for (const place of all("[data-error]")) clearError(place.dataset.error);
}

/** Bring the first error on the page into view and focus what it is about. */
export function focusFirstError() {
  const place = all("[data-error]").find((one) => one.childNodes.length && one.offsetParent);
  if (!place) return;
  announce(place.textContent);
  const field = $(FIELDS[place.dataset.error] ?? place.dataset.error);
  const target = field?.offsetParent ? field : place.closest("[data-field]")?.querySelector("input, textarea, select, button");
  place.scrollIntoView({ block: "nearest" });
  target?.focus({ preventScroll: true });
}
