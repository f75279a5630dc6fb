// The preview's page: where one is and as whom, what the server tells, and what holds the parts together.

import { arm, drawComposer, drawSuggestions, leave, reply, rewrite } from "./composer.js";
import { drawMessage, drawWaiting, hooks, seconds } from "./messages.js";
import { avatar, byId, complain, here, input, key, log, make, send, world } from "./shared.js";

// Places

function drawPlace(place) {
  world.place = place;
  byId("guild").textContent = place.guild;
  byId("server-initial").textContent = place.guild.slice(0, 1).toUpperCase();
  byId("bot-name").textContent = place.bot.name;
  byId("my-avatar").replaceWith(Object.assign(avatar(place.viewer, "small"), { id: "my-avatar" }));
  drawPeople(place);
  const isHere = place.channels.some((channel) => channel.id === world.channel);
  if (!isHere) world.channel = place.channels[0]?.id ?? null;
  const offersAsk = place.commands.some((command) => command.name === "ask" && command.channels.includes(world.channel));
  if (offersAsk && !world.seenAsk) arm("ask");
  world.seenAsk ||= offersAsk;
  if (!isHere) showHere();
  drawChannels();
  drawComposer();
}

function drawPeople(place) {
  const list = byId("viewer");
  const options = place.people.map(({ id, name, roles }) => make("option", { value: id }, roles.length ? `${name} · ${roles.join(", ")}` : name));
  list.replaceChildren(...options);
  list.value = place.viewer.id;
}

// Each channel with the threads that are open in it.
function inOrder(channels) {
  const below = (parent) => channels.filter((channel) => channel.parent === parent);
  return below("").flatMap((channel) => [channel, ...below(channel.id)]);
}

function drawChannels() {
  const place = world.place;
  const items = inOrder(place.channels).map((channel) => {
    const button = make("button", { type: "button" }, make("span", {}, channel.name));
    if (channel.is_shut) button.append(make("span", { className: "lock", title: "Not everybody sees this channel" }, "private"));
    button.setAttribute("aria-current", String(channel.id === world.channel));
    button.addEventListener("click", () => goTo(channel.id));
    const unread = world.unread.has(channel.id) ? "unread" : "";
    return make("li", { className: `${channel.kind} ${unread}` }, button);
  });
  if (!place.channels.some((channel) => channel.kind === "direct")) items.push(directly(place.bot));
  byId("channels").replaceChildren(make("li", { className: "heading" }, "Channels"), ...items);
  const current = here();
  const sign = { direct: "@", thread: "↳", voice: "♪", forum: "≡" }[current?.kind] ?? "#";
  byId("channel-name").textContent = current ? `${sign} ${current.name}` : "";
  drawPosts();
}

function directly(bot) {
  const button = make("button", { type: "button" }, make("span", {}, `Write to ${bot.name} directly`));
  button.addEventListener("click", async () => {
    const opened = await send("direct", {});
    if (opened) goTo(opened.id);
  });
  return make("li", { className: "direct" }, button);
}

// The posts of the forum one looks at, the newest last.
function drawPosts() {
  const forum = here()?.kind === "forum" ? here() : null;
  byId("welcome").hidden = forum !== null;
  byId("posts").hidden = forum === null;
  if (!forum) return;
  const posts = world.place.channels.filter((channel) => channel.parent === forum.id);
  const cards = posts.map((post) => {
    const said = [...world.messages.values()].filter((view) => view.message.channel === post.id);
    const starter = said[0];
    const button = make("button", { type: "button" }, make("b", {}, post.name));
    if (starter) button.append(make("span", {}, `${starter.message.author.name}: ${starter.content.textContent.slice(0, 160)}`));
    const replies = Math.max(0, said.length - 1);
    button.append(make("small", {}, replies === 1 ? "1 reply" : `${replies} replies`));
    button.addEventListener("click", () => goTo(post.id));
    return make("li", {}, button);
  });
  const none = make("li", { className: "note" }, "No posts yet: write the first one below.");
  byId("posts").replaceChildren(...(cards.length ? cards : [none]));
}

function showHere() {
  for (const view of world.messages.values()) view.element.hidden = view.message.channel !== world.channel;
  for (const element of world.waiting.values()) element.hidden = element.dataset.channel !== world.channel;
}

function goTo(id) {
  world.channel = id;
  world.unread.delete(id);
  showHere();
  togglePlaces(false);
  world.target = world.rewriting = null;
  drawChannels();
  drawComposer();
  log.scrollTop = log.scrollHeight;
  input.focus();
}

hooks.reply = reply;
hooks.rewrite = rewrite;
hooks.unread = (id) => {
  world.unread.add(id);
  if (world.place) drawChannels();
};

// On the wire

function drawWire(wire) {
  const figures = [
    ["First sign", seconds(wire.first_sign)],
    ["First words", seconds(wire.first_words)],
    ["Edits", String(wire.edits)],
    ["Mean gap", seconds(wire.mean_gap)],
    ["Longest gap", seconds(wire.longest_gap)],
    ["Refused (429)", String(wire.throttled), wire.throttled > 0],
    ["Whole answer", seconds(wire.took)],
  ];
  byId("figures").replaceChildren(...figures.map(([name, value, isBad]) =>
    make("div", {}, make("dt", {}, name), make("dd", { className: isBad ? "bad" : "" }, value))));
  drawPulse(wire.took);
}

function drawPulse(took) {
  const spoken = [...world.messages.values()].filter((view) => view.message.author.is_bot);
  const last = spoken.at(-1);
  const pages = spoken.filter((view) => last.message.used && JSON.stringify(view.message.used) === JSON.stringify(last.message.used));
  const recent = pages.length ? pages.filter((view) => Math.abs(view.message.at - last.message.at) < 900) : spoken.slice(-1);
  const moments = recent.flatMap((view) => view.states.filter((state) => !state.is_thinking).map((state) => state.after));
  byId("pulse").replaceChildren(...moments.map((after) => {
    const x = String(4 + (192 * after) / Math.max(took ?? 0, 0.001));
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: "8", y2: "28" })) line.setAttribute(name, value);
    return line;
  }));
}

// What the server tells

let typing = null;

const told = {
  state({ place, messages, interactions, suggestions, wire }) {
    for (const view of world.messages.values()) view.element.remove();
    for (const element of world.waiting.values()) element.remove();
    world.messages.clear();
    world.waiting.clear();
    drawPlace(place);
    if (suggestions) drawSuggestions(suggestions);
    messages.forEach(drawMessage);
    world.unread.clear();
    for (const view of world.messages.values()) clearTimeout(view.reading); // what was there before is not news
    interactions.forEach(drawWaiting);
    drawChannels();
    drawWire(wire);
    byId("banner").hidden = true;
    log.scrollTop = log.scrollHeight;
  },
  place({ place }) { drawPlace(place); },
  message({ message }) {
    if (byId("typing").dataset.name === message.author.name) byId("typing").textContent = "";
    drawMessage(message);
    if (here()?.kind === "forum") drawPosts();
  },
  interaction({ interaction }) { drawWaiting(interaction); },
  wire({ wire }) { drawWire(wire); },
  typing({ channel, name }) {
    if (channel !== world.channel) return;
    byId("typing").dataset.name = name;
    byId("typing").textContent = `${name} is typing…`;
    clearTimeout(typing);
    typing = setTimeout(() => { byId("typing").textContent = ""; }, 8000);
  },
};

let source = null;

function listen() {
  source?.close();
  const opened = new EventSource(`events?key=${encodeURIComponent(key)}&as=${encodeURIComponent(world.as)}`);
  source = opened;
  opened.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    told[news.type](news);
  });
  opened.addEventListener("error", () => {
    if (opened.readyState === EventSource.CLOSED && world.as) return become(""); // that member is of another run
    byId("banner").hidden = false;
    byId("banner").textContent = opened.readyState === EventSource.CLOSED
      ? "This address lacks its key: open the one that the preview printed in its terminal."
      : "The preview does not answer. Is it still running in its terminal? Trying again…";
  });
}

// Look at the server as another of its members.
function become(id) {
  world.as = id;
  sessionStorage.setItem("as", id);
  leave();
  complain("");
  world.seenAsk = false;
  listen();
}

// Hands on

function togglePlaces(isOpen) {
  byId("places").classList.toggle("open", isOpen);
  byId("menu-button").setAttribute("aria-expanded", String(isOpen));
}

function toggleWire(isOpen) {
  byId("wire").classList.toggle("closed", !isOpen);
  byId("wire-button").setAttribute("aria-expanded", String(isOpen));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

function openSpoiler(event) {
  const spoiler = event.target.closest?.(".spoiler");
  if (spoiler && (event.type === "click" || event.key === "Enter" || event.key === " ")) spoiler.classList.add("open");
}

byId("viewer").addEventListener("change", () => become(byId("viewer").value));
byId("form-cancel").addEventListener("click", () => byId("form-dialog").close());
byId("form-dialog").addEventListener("close", () => {
  input.blur(); // a field that was focused before the dialog takes no text until it is focused anew
  input.focus();
});
byId("menu-button").addEventListener("click", () => togglePlaces(!byId("places").classList.contains("open")));
byId("wire-button").addEventListener("click", () => toggleWire(byId("wire").classList.contains("closed")));
byId("theme-button").addEventListener("click", () => {
  setTheme(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "light" : "dark");
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") togglePlaces(false); });
log.addEventListener("click", openSpoiler);
log.addEventListener("keydown", openSpoiler);

const remembered = localStorage.getItem("theme");
if (remembered === "dark" || remembered === "light") setTheme(remembered);
input.focus();
listen();
