// Take a photo with the camera of this device.

import { $, t } from "./dom.js";

/** Open the dialog; `onPhoto` gets a JPEG. */
export async function openShutter(onPhoto) {
  const dialog = $("shutter"), finder = $("finder");
  $("shutter-error").textContent = "";
  $("snap").disabled = true;
  dialog.showModal();
  let stream;
  const close = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    finder.srcObject = null;
    if (dialog.open) dialog.close();
  };
  dialog.onclose = close;
  $("shutter-cancel").onclick = close;
  try {
    if (!navigator.mediaDevices) throw new Error(t("needs_https"));
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 1280 } } });
    if (!dialog.open) {
      close();
      return;
    }
    finder.srcObject = stream;
    await finder.play();
    $("snap").disabled = false;
    $("snap").focus();
  } catch (problem) {
    $("shutter-error").textContent = t("no_camera", { reason: problem.message ?? "?" });
    return;
  }
  $("snap").onclick = () => {
    const canvas = document.createElement("canvas"), side = Math.min(finder.videoWidth, finder.videoHeight);
    canvas.width = canvas.height = side;
    const left = (finder.videoWidth - side) / 2, top = (finder.videoHeight - side) / 2;
    canvas.getContext("2d").drawImage(finder, left, top, side, side, 0, 0, side, side);
    canvas.toBlob((blob) => {
      close();
      onPhoto(blob);
    }, "image/jpeg", 0.93);
  };
}
