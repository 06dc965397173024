// The page's frame: routes, the token, and requests to the command API.
import { showStation, showStations, showStatistics } from "./views.js";

const main = document.getElementById("main");
const state = document.getElementById("state");
const dialog = document.getElementById("ask");
const secret = document.getElementById("secret");
const KEY = "ocppj-token";
let leave = () => {};

function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}`, ...more } : more;
}

function askToken() {
  if (!dialog.open) dialog.showModal();
  secret.focus();
}

export class Problem extends Error {}

export async function request(path, { method = "GET", body, signal } = {}) {
  const more = body === undefined ? {} : { "Content-Type": "application/json" };
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(path, { method, headers: headers(more), body: text, signal });
  if (response.status === 401) askToken();
  const answer = await response.text();
  const value = answer ? JSON.parse(answer) : null;
  if (!response.ok) {
    const error = new Problem(value?.detail || value?.title || response.statusText);
    error.document = value;
    error.status = response.status;
    throw error;
  }
  return value;
}

// Reads Server-Sent Events. EventSource cannot send a token.
export async function follow(path, signal, onEvent) {
  const response = await fetch(path, { headers: headers(), signal });
  if (response.status === 401) askToken();
  if (!response.ok) throw new Problem(response.statusText);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = new Map(part.split("\n").map((line) => {
        const end = line.indexOf(": ");
        return [line.slice(0, end), line.slice(end + 2)];
      }));
      if (fields.has("data")) onEvent(fields.get("event"), JSON.parse(fields.get("data")));
    }
  }
}

export function tell(text, bad = false) {
  if (state.textContent !== text) state.textContent = text;
  state.className = bad ? "bad" : "";
}

// Runs work now and every so often, one run at a time, and shows why it fails.
export function repeat(work, seconds, signal) {
  let timer;
  const run = async () => {
    try {
      if (!document.hidden) await work();
    } catch (error) {
      if (signal.aborted) return;
      tell(error instanceof Problem ? error.message : "No answer from the server", true);
    }
    if (!signal.aborted) timer = setTimeout(run, seconds * 1000);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  run();
}

function route() {
  leave();
  const controller = new AbortController();
  leave = () => controller.abort();
  const [, view, id] = location.hash.split("/");
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.hash === `#/${view || "stations"}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren();
  tell("");
  if (view === "station" && id) showStation(main, decodeURIComponent(id), controller.signal);
  else if (view === "statistics") showStatistics(main, controller.signal);
  else showStations(main, controller.signal);
}

document.getElementById("token").addEventListener("click", askToken);
document.getElementById("use").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, secret.value.trim());
  secret.value = "";
  dialog.close();
  route();
});
document.getElementById("forget").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  secret.value = "";
  dialog.close();
  route();
});
addEventListener("hashchange", route);
route();
