// Exchange a token for a cookie that scripts cannot read.

import "./app.js";
import { $, clearErrors, showError } from "./dom.js";
import { post } from "./api.js";

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  try {
    await post("/v1/session", { token: $("token").value.trim() });
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    location.assign(/^\/[a-z]*$/.test(next) ? next : "/"); // a page of this server, nowhere else
  } catch (problem) {
    showError("form", problem);
    $("token").focus();
  }
});
$("token").focus();
