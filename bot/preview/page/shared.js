// What every part of the page shares: what is known of the world, how elements are made, how requests are sent.
// HTML comes from the server, rendered and escaped there; everything else is set as text.

export const key = new URLSearchParams(location.search).get("key") ?? "";
export const byId = (id) => document.getElementById(id);
export const log = byId("log");
export const input = byId("text");

export const world = {
  as: sessionStorage.getItem("as") ?? "", // the member the person at the browser is, by id
  place: null,
  messages: new Map(),
  waiting: new Map(),
  channel: null,
  armed: null, // the command being filled in
  target: null, // the message being replied to
  rewriting: null, // the message being edited
  unread: new Set(),
};

export const here = () => world.place?.channels.find((channel) => channel.id === world.channel) ?? null;

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function avatar(person, size = "") {
  const hue = person.is_bot ? "" : `hue-${(Number(BigInt(person.id) % 4n) || 0) + 1}`;
  return make("span", { className: `avatar ${size} ${hue}`, ariaHidden: "true" }, person.initials);
}

export function complain(words) {
  byId("problem").textContent = words;
}

async function post(action, body, type) {
  complain("");
  try {
    const headers = { "Content-Type": type, "X-Preview-Key": key, "X-Preview-As": world.as };
    const response = await fetch(action, { method: "POST", headers, body });
    if (response.ok) return await response.json();
    complain(await response.text());
  } catch {
    complain("The preview does not answer: is it still running in its terminal?");
  }
  return null;
}

// The server's answer, or null where there was none: the reason is shown then.
export const send = (action, body) => post(action, JSON.stringify(body), "application/json");

// Hands files over, one after the other; gives the ids under which they are held, or null if one was refused.
export async function hold(files) {
  const held = [];
  for (const file of files) {
    const answer = await post(`hold?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream");
    if (!answer) return null;
    held.push(answer.id);
  }
  return held;
}

export function sized(bytes) {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
