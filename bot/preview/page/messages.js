// Messages and everything on them: each state they were shown in, buttons, selects, files; and commands on their way.

import { openForm, selectBelow } from "./fields.js";
import { avatar, byId, complain, key, log, make, send, sized, world } from "./shared.js";

const REST = 1500; // milliseconds without an edit after which an answer is read out
const LONGEST_READING = 600; // characters of an answer that are read out unasked
const LONGEST_PAUSE = 2000; // milliseconds a replay waits at most between two states
const NEAR_THE_END = 80; // pixels from the bottom within which the log keeps following

// What the composer and the list of channels do about a message.
export const hooks = { reply: () => {}, rewrite: () => {}, unread: () => {} };

export const seconds = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(2)} s`);
const offset = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)} s`;

function clock(unix) {
  const moment = new Date(unix * 1000);
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

// One message: its element is made once and then kept, so that focus and slider survive every edit.

class MessageView {
  constructor(message) {
    this.states = [];
    this.pinned = null; // the state looked at, null while following the newest
    this.timer = null;
    this.content = make("div", { className: "content" });
    this.extras = make("div");
    this.selects = make("div", { className: "row" });
    this.buttons = make("div", { className: "row" });
    this.reactions = make("div", { className: "row" });
    this.note = make("p", { className: "note", hidden: true });
    this.scrubber = this.makeScrubber();
    const name = make("b", {}, message.author.name);
    const header = make("header", {}, name);
    if (message.author.is_bot) header.append(make("span", { className: "tag" }, "APP"));
    header.append(make("time", { dateTime: new Date(message.at * 1000).toISOString() }, clock(message.at)));
    this.body = make("div", { className: "body" }, header, this.content, this.extras, this.selects, this.buttons, this.reactions);
    this.body.append(this.note, this.scrubber);
    this.element = make("article", { className: "message", tabIndex: -1 }, avatar(message.author), this.body, this.makeMenu());
    const above = aboveLine(message);
    if (above) this.element.prepend(above);
    this.update(message);
  }

  makeMenu() {
    this.menu = make("details", { className: "more" }, make("summary", { ariaLabel: "More on this message", title: "More" }, "⋯"));
    const list = make("div", { className: "choices" });
    this.menu.append(list);
    this.menu.addEventListener("toggle", () => {
      const entry = (label, act) => {
        const button = make("button", { type: "button" }, label);
        button.addEventListener("click", () => { this.menu.open = false; act(); });
        return button;
      };
      const { id } = this.message;
      const apps = world.place.menus.map((name) => entry(`Apps › ${name}`, () => send("menu", { message: id, name })));
      const isMine = this.message.author.id === world.place.viewer.id;
      const own = isMine ? [entry("Edit", () => hooks.rewrite(this)), entry("Delete", () => send("delete", { message: id }))] : [];
      list.replaceChildren(entry("Reply", () => hooks.reply(this.message)), ...own, ...apps);
      if (this.menu.open) list.scrollIntoView({ block: "nearest" });
    });
    this.menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.menu.open) return;
      this.menu.open = false;
      this.menu.firstElementChild.focus();
    });
    return this.menu;
  }

  makeScrubber() {
    this.back = make("button", { type: "button", title: "Earlier state" }, "◀");
    this.forth = make("button", { type: "button", title: "Later state" }, "▶");
    this.slider = make("input", { type: "range", min: "0", value: "0" });
    this.slider.setAttribute("aria-label", "State of this message");
    this.label = make("output");
    this.replayer = make("button", { type: "button" }, "Replay");
    this.back.addEventListener("click", () => this.pin(this.shown - 1));
    this.forth.addEventListener("click", () => this.pin(this.shown + 1));
    this.slider.addEventListener("input", () => this.pin(Number(this.slider.value)));
    this.replayer.addEventListener("click", () => (this.timer === null ? this.replay(0) : this.pin(this.shown)));
    const parts = [this.back, this.slider, this.forth, this.label, this.replayer];
    return make("div", { className: "states", role: "group", ariaLabel: "States of this message", hidden: true }, ...parts);
  }

  get shown() {
    return this.pinned ?? this.states.length - 1;
  }

  update(message) {
    this.message = message;
    this.states.length = message.since;
    this.states.push(...message.states);
    this.element.classList.toggle("deleted", message.is_deleted);
    this.element.classList.toggle("private", message.is_private);
    this.reactions.replaceChildren(
      ...Object.entries(message.reactions).map(([emoji, count]) => make("span", { className: "reaction" }, `${emoji} ${count}`)),
    );
    this.menu.hidden = message.is_private || message.is_deleted;
    const notes = [];
    if (message.is_private) notes.push("Only you can see this");
    if (message.is_deleted) notes.push("Deleted: people no longer see it");
    this.note.textContent = notes.join(" · ");
    this.note.hidden = notes.length === 0;
    this.draw();
  }

  pin(index) {
    clearTimeout(this.timer);
    this.timer = null;
    const last = this.states.length - 1;
    this.pinTo(index >= last ? null : Math.max(0, index));
    this.draw();
  }

  // A shorter state must not pull the slider away from under the pointer: the message keeps its height meanwhile.
  pinTo(index) {
    if (this.pinned === null && index !== null) this.body.style.minHeight = `${this.body.offsetHeight}px`;
    if (index === null) this.body.style.minHeight = "";
    this.pinned = index;
  }

  replay(index) {
    const last = this.states.length - 1;
    if (index >= last) return this.pin(last);
    this.pinTo(index);
    const pause = Math.min(LONGEST_PAUSE, (this.states[index + 1].after - this.states[index].after) * 1000);
    this.timer = setTimeout(() => this.replay(index + 1), pause);
    this.draw();
  }

  draw() {
    const state = this.states[this.shown];
    const isNow = this.pinned === null;
    this.element.classList.toggle("past", !isNow);
    if (state.is_thinking) this.content.replaceChildren(thinking(this.message.author.name));
    else this.content.innerHTML = state.html;
    if (!state.is_thinking && this.spokenBefore(this.shown)) this.markEdited();
    this.extras.replaceChildren(...state.embeds.map(embed), ...state.files.map(attached));
    if (isNow) this.drawSelects(state.selects);
    this.buttons.replaceChildren(...state.buttons.map((button) => this.button(button, isNow)));
    this.drawScrubber(state, isNow);
  }

  // A select that stays as it was is not drawn again, so that a choice under way survives an edit.
  drawSelects(selects) {
    const written = JSON.stringify(selects);
    if (written === this.written) return;
    this.written = written;
    this.selects.replaceChildren(...selects.map((field) => selectBelow(field, this.message.id)));
  }

  spokenBefore(index) {
    return this.states.slice(0, index).some((state) => !state.is_thinking);
  }

  markEdited() {
    let home = this.content;
    while (home.lastElementChild?.matches("p, .subtext, ul, ol, li, h1, h2, h3")) home = home.lastElementChild;
    home.append(make("span", { className: "edited" }, "(edited)"));
  }

  drawScrubber(state, isNow) {
    const last = this.states.length - 1;
    this.scrubber.hidden = last < 1;
    this.scrubber.classList.toggle("back", !isNow);
    this.slider.max = String(last);
    this.slider.value = String(this.shown);
    const count = isNow ? `${last + 1} states` : `state ${this.shown + 1} of ${last + 1}`;
    this.label.textContent = `${count} · ${offset(state.after)}`;
    this.slider.setAttribute("aria-valuetext", `state ${this.shown + 1} of ${last + 1}, ${offset(state.after)}`);
    this.back.disabled = this.shown === 0;
    this.forth.disabled = isNow;
    this.replayer.textContent = this.timer === null ? "Replay" : "Pause";
  }

  button(button, isNow) {
    if (button.url) {
      return make("a", { className: "button link", href: button.url, rel: "noreferrer noopener nofollow", target: "_blank" }, button.label);
    }
    const element = make("button", { type: "button", className: `button ${button.style}` }, button.label);
    element.disabled = button.is_disabled || !isNow || this.message.is_deleted;
    element.addEventListener("click", () => send("press", { message: this.message.id, custom_id: button.id }));
    return element;
  }
}

function thinking(name) {
  const dots = make("span", { className: "dots", ariaHidden: "true" }, make("i"), make("i"), make("i"));
  return make("span", { className: "thinking" }, dots, `${name} is thinking…`);
}

function attached(file) {
  const address = `files/${file.id}?key=${encodeURIComponent(key)}&as=${encodeURIComponent(world.as)}`;
  const link = make("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, file.name);
  return make("p", { className: "file" }, link, make("small", {}, sized(file.size)));
}

function embed(given) {
  const fields = make("dl");
  for (const field of given.fields) {
    fields.append(make("dt", {}, field.name), make("dd", { className: "content", innerHTML: field.html }));
  }
  const box = make("div", { className: "embed" }, make("h3", {}, given.title));
  box.append(make("div", { className: "content", innerHTML: given.html }), fields, make("small", {}, given.footer));
  return box;
}

function aboveLine(message) {
  if (message.used) return usedLine(message.used);
  if (!message.reply) return null;
  const words = make("span", { className: "text", innerHTML: message.reply.html });
  return make("div", { className: "used" }, avatar(message.reply.author, "tiny"), make("b", {}, message.reply.author.name), words);
}

function usedLine(used) {
  const line = make("div", { className: "used" }, avatar(used.user, "tiny"), make("b", {}, used.user.name), "used");
  line.append(make("b", {}, `/${used.command}`), make("span", { className: "text", title: used.text }, used.text));
  return line;
}

// A command that the bot has not answered yet.

export function drawWaiting(interaction) {
  world.waiting.get(interaction.id)?.remove();
  world.waiting.delete(interaction.id);
  if (interaction.form) openForm(interaction);
  if (interaction.is_settled) return;
  if (!interaction.is_command) {
    if (interaction.has_failed) complain("This interaction failed: the bot did not answer within 3 seconds.");
    return;
  }
  const words = interaction.has_failed ? "The application did not respond" : "Sending command…";
  const note = make("p", { className: interaction.has_failed ? "note bad" : "note" }, words);
  const header = make("header", {}, make("b", {}, interaction.author.name), make("span", { className: "tag" }, "APP"));
  const body = make("div", { className: "body" }, header, note);
  const element = make("article", { className: "message" }, usedLine(interaction.used), avatar(interaction.author), body);
  element.dataset.channel = interaction.channel;
  element.hidden = interaction.channel !== world.channel;
  world.waiting.set(interaction.id, element);
  keepingTheEnd(() => log.append(element));
}

// The log

function keepingTheEnd(change) {
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END;
  change();
  if (follows) log.scrollTop = log.scrollHeight;
}

export function drawMessage(message) {
  keepingTheEnd(() => {
    const known = world.messages.get(message.id);
    if (known) return known.update(message);
    const view = new MessageView(message);
    const earlier = [...world.messages.values()].filter((other) => other.message.channel === message.channel).at(-1);
    view.element.classList.toggle("follows", Boolean(earlier) && continues(earlier.message, message));
    world.messages.set(message.id, view);
    view.element.hidden = message.channel !== world.channel;
    log.append(view.element);
    if (view.element.hidden && world.channel) hooks.unread(message.channel);
  });
  announce(message);
}

function continues(earlier, message) {
  const isOne = earlier.author.id === message.author.id && earlier.answers === message.answers;
  return isOne && !message.reply && message.at - earlier.at < 420;
}

// Read out: that it thinks, and its words once they have come to rest. Never every edit.

function announce(message) {
  if (!message.author.is_bot || message.channel !== world.channel) return;
  const view = world.messages.get(message.id);
  clearTimeout(view.reading);
  if (view.states.at(-1).is_thinking) return say(`${message.author.name} is thinking`);
  view.reading = setTimeout(() => say(`${message.author.name}: ${view.content.textContent.slice(0, LONGEST_READING)}`), REST);
}

function say(words) {
  const announcer = byId("announcer");
  announcer.append(make("p", {}, words));
  while (announcer.childElementCount > 3) announcer.firstElementChild.remove();
}
