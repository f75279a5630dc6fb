// Where a person writes: plain messages with files, replies, edits, posts in a forum, and commands with their options.

import { drawOptions, gathered, mainOption } from "./options.js";
import { byId, complain, here, hold, input, log, make, send, sized, world } from "./shared.js";

const files = []; // chosen for the next message
let chosen = 0; // which of the offered commands

const isForum = () => here()?.kind === "forum" && !world.armed;
const commandsHere = () => (world.place?.commands ?? []).filter((command) => command.channels.includes(world.channel));

export function reply(message) {
  leave();
  world.target = message;
  drawComposer();
  input.focus();
}

export function rewrite(view) {
  leave();
  world.rewriting = view.message;
  input.value = view.content.innerText.replace(/\(edited\)\s*$/, "").trim();
  drawComposer();
  input.focus();
}

export function arm(name) {
  leave();
  world.armed = commandsHere().find((command) => command.name === name) ?? null;
  drawComposer();
}

export function leave() {
  world.armed = world.target = world.rewriting = null;
}

export function drawComposer() {
  if (world.armed) world.armed = commandsHere().find((command) => command.name === world.armed.name) ?? null;
  drawArmed();
  drawPlaceholder();
  drawOptions(world.armed);
  byId("title-field").hidden = !isForum();
  byId("attach").hidden = Boolean(world.armed || world.rewriting) || !here()?.takes_files;
  byId("suggestions").hidden = !commandsHere().some((command) => command.name === "ask");
  drawFiles();
  drawCommands();
}

function drawArmed() {
  const armed = byId("armed");
  const command = world.armed;
  armed.hidden = !(command || world.target || world.rewriting);
  const main = mainOption(command);
  if (command) armed.replaceChildren(`/${command.name}`, ...(main ? [make("span", {}, main.name)] : []));
  if (world.target) armed.replaceChildren("Reply to", make("span", {}, world.target.author.name));
  if (world.rewriting) armed.replaceChildren("Edit", make("span", {}, "your message"));
  armed.title = "Leave this (Escape) and write a plain message";
}

function drawPlaceholder() {
  const place = here();
  const name = place ? `${place.kind === "direct" ? "@" : "#"}${place.name}` : "the channel";
  const isMute = world.place && world.place.commands.length === 0;
  const main = mainOption(world.armed);
  let words = `Message ${name} · type / for commands`;
  if (isForum()) words = `What is your post in ${name} about?`;
  if (place && !place.is_writable) words = "You may not write here · type / for commands";
  if (isMute) words = "Waiting for the bot to connect…";
  if (world.armed) words = main ? "Ask away…" : "Press Enter to send";
  input.placeholder = words;
  byId("text-label").textContent = world.armed ? `/${world.armed.name} ${main?.name ?? ""}` : `Message ${name}`;
}

// Files

function drawFiles() {
  byId("files").hidden = files.length === 0;
  byId("files").replaceChildren(...files.map((file) => {
    const button = make("button", { type: "button", title: `Leave ${file.name} out` }, "✕");
    button.addEventListener("click", () => { files.splice(files.indexOf(file), 1); drawFiles(); });
    return make("li", {}, file.name, make("small", {}, sized(file.size)), button);
  }));
}

// Commands

function offered() {
  if (world.armed || world.rewriting || !input.value.startsWith("/") || !world.place) return [];
  const typed = input.value.slice(1);
  return commandsHere().filter((command) => command.name.startsWith(typed));
}

function drawCommands() {
  const commands = offered();
  chosen = Math.min(chosen, Math.max(0, commands.length - 1));
  const list = byId("commands");
  list.hidden = commands.length === 0;
  list.replaceChildren(...commands.map((command, index) => {
    const options = command.options.map((option) => make("i", { className: option.is_required ? "required" : "" }, option.name));
    const item = make("li", { role: "option", id: `command-${index}` }, make("b", {}, `/${command.name}`), ...options);
    item.append(make("small", {}, command.description));
    item.setAttribute("aria-selected", String(index === chosen));
    item.addEventListener("mousedown", (event) => { event.preventDefault(); take(command); });
    return item;
  }));
  if (commands.length) {
    input.setAttribute("aria-activedescendant", `command-${chosen}`);
    list.children[chosen].scrollIntoView({ block: "nearest" });
  } else {
    input.removeAttribute("aria-activedescendant");
  }
}

function take(command) {
  input.value = "";
  arm(command.name);
  const first = mainOption(command) ? input : byId("options").querySelector("[aria-required]");
  (first ?? input).focus();
}

// Typed in full, "/docs list" is the longest command of that name.
function typedCommand(text) {
  if (!text.startsWith("/")) return null;
  const fitting = commandsHere().filter(({ name }) => text === `/${name}` || text.startsWith(`/${name} `));
  return fitting.sort((one, other) => other.name.length - one.name.length)[0] ?? null;
}

async function submit() {
  const text = input.value.trim();
  const command = world.armed ?? typedCommand(text);
  const isSent = command ? await use(command, world.armed ? text : text.slice(command.name.length + 1).trim()) : await write(text);
  if (isSent) {
    input.value = "";
    byId("title").value = "";
    files.length = 0;
    if (command) byId("options").dataset.command = " "; // so that its fields are drawn anew, empty
    world.target = world.rewriting = null;
    input.focus();
  }
  drawComposer();
}

async function use(command, words) {
  if (!world.armed && command.options.some((option) => option.is_required && option !== mainOption(command))) {
    take(command);
    input.value = words;
    return false;
  }
  const given = await gathered(command, words, complain);
  if (!given) return false;
  log.scrollTop = log.scrollHeight;
  return send("command", { channel: world.channel, name: command.name, options: given.values, files: given.files });
}

async function write(text) {
  if (!text && files.length === 0) return false;
  if (world.rewriting) return send("rewrite", { message: world.rewriting.id, text });
  const held = await hold(files);
  if (held === null) return false;
  if (isForum()) return send("post", { channel: world.channel, title: byId("title").value, text, files: held });
  const to = world.target ? { reply: world.target.id } : {};
  return send("say", { channel: world.channel, text, files: held, ...to });
}

export function drawSuggestions(questions) {
  byId("suggestions").replaceChildren(...questions.map((question) => {
    const button = make("button", { type: "button", title: question }, question);
    button.addEventListener("click", () => {
      const ask = commandsHere().find((command) => command.name === "ask");
      if (!ask) return complain("The bot has not registered /ask yet: one moment.");
      log.scrollTop = log.scrollHeight;
      send("ask", { channel: world.channel, question });
    });
    return button;
  }));
}

function onKey(event) {
  const commands = offered();
  if (event.key === "Backspace" && input.value === "" && (world.armed || world.target || world.rewriting)) {
    leave();
    drawComposer();
  } else if (commands.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + commands.length) % commands.length;
    drawCommands();
    event.preventDefault();
  } else if (commands.length && (event.key === "Enter" || event.key === "Tab")) {
    event.preventDefault();
    take(commands[chosen]);
  }
}

function onEscape(event) {
  if (event.key !== "Escape") return;
  if (offered().length || world.rewriting) input.value = "";
  leave();
  complain("");
  drawComposer();
  input.focus();
}

byId("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
byId("composer").addEventListener("keydown", onEscape);
byId("armed").addEventListener("click", () => { leave(); drawComposer(); input.focus(); });
byId("attach").addEventListener("click", () => byId("chooser").click());
byId("chooser").addEventListener("change", () => {
  files.push(...byId("chooser").files);
  byId("chooser").value = "";
  drawFiles();
  input.focus();
});
input.addEventListener("keydown", onKey);
input.addEventListener("input", drawCommands);
