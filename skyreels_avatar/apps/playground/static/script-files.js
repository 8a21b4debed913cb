// Scripts in and out: YAML of the product, with the files that it names.

import { t } from "./dom.js";
import { post, upload } from "./api.js";

const isScript = (name) => /\.(ya?ml)$/i.test(name);
const isText = (name) => /\.(srt|vtt|lrc)$/i.test(name);
const baseName = (name) => name.split(/[\\/]/).pop();

/** Return the film of a script; files are [{name, blob}], a script and what it names. */
export async function importScript(files) {
  const script = files.find((file) => isScript(file.name));
  if (!script) throw new Error(t("import_no_script"));
  const text = await script.blob.text(), texts = {}, uploads = {};
  for (const file of files) if (isText(file.name)) texts[baseName(file.name)] = await file.blob.text();
  let found = await post("/v1/script/read", { script: text, texts, files: {} });
  if (found.missing.length) {
    const absent = [];
    for (const name of found.missing) {
      const file = files.find((one) => baseName(one.name) === baseName(name));
      if (file) uploads[name] = (await upload(file.blob, baseName(name))).id;
      else absent.push(name);
    }
    if (absent.length) throw new Error(t("import_missing", { names: absent.join(", ") }));
    found = await post("/v1/script/read", { script: text, texts, files: uploads });
  }
  return found.film;
}

/** Offer the script of a film as a file. */
export async function exportScript(model) {
  const { script } = await post("/v1/script/write", { script: model.script(), names: model.names() });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([script], { type: "application/yaml" }));
  link.download = "film.yaml";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
