// The preview's page: draws what the server tells of the world, and sends back what the person does.
// HTML comes from the server, rendered and escaped there; everything else is set as text.

const key = new URLSearchParams(location.search).get("key") ?? "";
const byId = (id) => document.getElementById(id);
const log = byId("log");
const input = byId("text");

const REST = 1500; // milliseconds without an edit after which an answer is read out
const LONGEST_READING = 600; // characters of an answer that are read out unasked
const LONGEST_PAUSE = 2000; // milliseconds a replay waits at most between two states
const NEAR_THE_END = 80; // pixels from the bottom within which the log keeps following

const world = { place: null, messages: new Map(), waiting: new Map(), channel: null, armed: null, target: null, unread: new Set() };

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const seconds = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(2)} s`);
const offset = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)} s`;

function clock(unix) {
  const moment = new Date(unix * 1000);
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function avatar(person, size = "") {
  const hue = person.is_bot ? "" : `hue-${(Number(BigInt(person.id) % 4n) || 0) + 1}`;
  return make("span", { className: `avatar ${size} ${hue}`, ariaHidden: "true" }, person.initials);
}

// One message: its element is made once and then kept, so that focus and slider survive every edit.

class MessageView {
  constructor(message) {
    this.states = [];
    this.pinned = null; // the state looked at, null while following the newest
    this.timer = null;
    this.content = make("div", { className: "content" });
    this.extras = make("div");
    this.buttons = make("div", { className: "row" });
    this.reactions = make("div", { className: "row" });
    this.note = make("p", { className: "note", hidden: true });
    this.scrubber = this.makeScrubber();
    const name = make("b", {}, message.author.name);
    const header = make("header", {}, name);
    if (message.author.is_bot) header.append(make("span", { className: "tag" }, "APP"));
    header.append(make("time", { dateTime: new Date(message.at * 1000).toISOString() }, clock(message.at)));
    this.body = make("div", { className: "body" }, header, this.content, this.extras, this.buttons, this.reactions);
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
      list.replaceChildren(entry("Reply", () => answer(this.message)), ...apps);
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
    this.extras.replaceChildren(...state.embeds.map(embed), ...state.files.map((name) => make("p", { className: "note" }, `📎 ${name}`)));
    this.buttons.replaceChildren(...state.buttons.map((button) => this.button(button, isNow)));
    this.drawScrubber(state, isNow);
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

function drawWaiting(interaction) {
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

function drawMessage(message) {
  keepingTheEnd(() => {
    const known = world.messages.get(message.id);
    if (known) return known.update(message);
    const view = new MessageView(message);
    const earlier = [...world.messages.values()].filter((other) => other.message.channel === message.channel).at(-1);
    view.element.classList.toggle("follows", Boolean(earlier) && continues(earlier.message, message));
    world.messages.set(message.id, view);
    view.element.hidden = message.channel !== world.channel;
    log.append(view.element);
    if (view.element.hidden && world.channel) markUnread(message.channel);
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

// Places

function drawPlace(place) {
  world.place = place;
  byId("guild").textContent = place.guild;
  byId("server-initial").textContent = place.guild.slice(0, 1).toUpperCase();
  byId("bot-name").textContent = place.bot.name;
  byId("my-name").textContent = place.viewer.name;
  byId("my-avatar").replaceWith(Object.assign(avatar(place.viewer, "small"), { id: "my-avatar" }));
  const isHere = place.channels.some((channel) => channel.id === world.channel);
  if (!isHere) world.channel = place.channels[0]?.id ?? null;
  const offersAsk = place.commands.some((command) => command.name === "ask");
  if (offersAsk && !world.seenAsk) arm("ask");
  world.seenAsk ||= offersAsk;
  drawChannels();
  drawComposer();
}

function drawChannels() {
  const list = byId("channels");
  const items = world.place.channels.map((channel) => {
    const button = make("button", { type: "button" }, channel.name);
    button.setAttribute("aria-current", String(channel.id === world.channel));
    button.addEventListener("click", () => goTo(channel.id));
    const unread = world.unread.has(channel.id) ? "unread" : "";
    return make("li", { className: `${channel.kind} ${unread}` }, button);
  });
  list.replaceChildren(make("li", { className: "heading" }, "Text channels"), ...items);
  const here = world.place.channels.find((channel) => channel.id === world.channel);
  byId("channel-name").textContent = here ? `${here.kind === "direct" ? "@" : "#"} ${here.name}` : "";
}

function goTo(id) {
  world.channel = id;
  world.unread.delete(id);
  for (const view of world.messages.values()) view.element.hidden = view.message.channel !== id;
  for (const element of world.waiting.values()) element.hidden = element.dataset.channel !== id;
  togglePlaces(false);
  world.target = null;
  drawChannels();
  drawComposer();
  log.scrollTop = log.scrollHeight;
  input.focus();
}

function markUnread(id) {
  world.unread.add(id);
  if (world.place) drawChannels();
}

// Composer

function answer(message) {
  world.armed = null;
  world.target = message;
  drawComposer();
  input.focus();
}

function arm(name) {
  world.target = null;
  world.armed = world.place.commands.find((command) => command.name === name) ?? null;
  drawComposer();
}

function drawComposer() {
  const command = world.armed;
  const armed = byId("armed");
  armed.hidden = command === null && world.target === null;
  const here = world.place?.channels.find((channel) => channel.id === world.channel);
  const place = here ? `#${here.name}` : "the channel";
  if (command) {
    armed.replaceChildren(`/${command.name}`, ...command.options.slice(0, 1).map((option) => make("span", {}, option.name)));
    armed.title = `Leave /${command.name} (Escape) and write a plain message`;
  }
  if (world.target) {
    armed.replaceChildren("Reply to", make("span", {}, world.target.author.name));
    armed.title = "Leave the reply (Escape) and write a plain message";
  }
  const isMute = world.place && world.place.commands.length === 0;
  const toAsk = command?.options.length ? "Ask away…" : "Press Enter to send";
  const plain = isMute ? "Waiting for the bot to connect…" : `Message ${place} · type / for commands`;
  input.placeholder = command ? toAsk : plain;
  byId("text-label").textContent = command ? `/${command.name} ${command.options[0]?.name ?? ""}` : `Message ${place}`;
  byId("suggestions").hidden = Boolean(isMute);
  drawCommands();
}

function offered() {
  if (world.armed || !/^\/\S*$/.test(input.value) || !world.place) return [];
  return world.place.commands.filter((command) => command.name.startsWith(input.value.slice(1)));
}

let chosen = 0;

function drawCommands() {
  const commands = offered();
  chosen = Math.min(chosen, Math.max(0, commands.length - 1));
  const list = byId("commands");
  list.hidden = commands.length === 0;
  list.replaceChildren(...commands.map((command, index) => {
    const parts = [make("b", {}, `/${command.name}`), ...command.options.map((option) => make("i", {}, option.name))];
    const item = make("li", { role: "option", id: `command-${index}` }, ...parts, make("small", {}, command.description));
    item.setAttribute("aria-selected", String(index === chosen));
    item.addEventListener("mousedown", (event) => { event.preventDefault(); take(command); });
    return item;
  }));
  if (commands.length) input.setAttribute("aria-activedescendant", `command-${chosen}`);
  else input.removeAttribute("aria-activedescendant");
}

function take(command) {
  input.value = "";
  arm(command.name);
  input.focus();
}

async function submit() {
  const text = input.value.trim();
  const typed = /^\/(\S+)\s*(.*)$/s.exec(text);
  const command = world.armed ?? world.place?.commands.find((known) => typed && known.name === typed[1]) ?? null;
  const words = world.armed || !command ? text : typed[2];
  if (command && command.options.length && !words) return complain("Write your question first.");
  if (!command && !text) return;
  const reply = world.target ? { reply: world.target.id } : {};
  if (await (command ? use(command, words) : send("say", { channel: world.channel, text, ...reply }))) {
    input.value = "";
    world.target = null;
  }
  drawComposer();
}

function use(command, words) {
  log.scrollTop = log.scrollHeight;
  if (command.name === "ask") return send("ask", { channel: world.channel, question: words });
  const [first] = command.options;
  return send("command", { channel: world.channel, name: command.name, options: first ? { [first.name]: words } : {} });
}

async function send(action, body) {
  complain("");
  try {
    const headers = { "Content-Type": "application/json", "X-Preview-Key": key };
    const response = await fetch(action, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) complain(await response.text());
    return response.ok;
  } catch {
    complain("The preview does not answer: is it still running in its terminal?");
    return false;
  }
}

function complain(words) {
  byId("problem").textContent = words;
}

function drawSuggestions(questions) {
  byId("suggestions").replaceChildren(...questions.map((question) => {
    const button = make("button", { type: "button", title: question }, question);
    button.addEventListener("click", () => {
      const ask = world.place.commands.find((command) => command.name === "ask");
      if (ask) use(ask, question);
      else complain("The bot has not registered /ask yet: one moment.");
    });
    return button;
  }));
}

// A form the bot opened: texts, and choices of one among several

function openForm(interaction) {
  const dialog = byId("form-dialog");
  byId("form-title").textContent = interaction.form.title;
  const fields = interaction.form.fields.map((field, index) => (field.choices.length ? choiceOf(field, index) : textOf(field, index)));
  byId("form-fields").replaceChildren(...fields);
  byId("form").onsubmit = () => {
    const values = Object.fromEntries(new FormData(byId("form")));
    send("form", { interaction: interaction.id, values });
  };
  if (!dialog.open) dialog.showModal();
}

function hintOf(field, index) {
  return field.hint ? [make("small", { id: `form-hint-${index}` }, field.hint)] : [];
}

function textOf(field, index) {
  const box = make(field.is_long ? "textarea" : "input", { name: field.id, required: field.is_required, placeholder: field.placeholder });
  box.value = field.value;
  box.maxLength = field.longest;
  if (field.is_long) box.rows = 4;
  if (field.hint) box.setAttribute("aria-describedby", `form-hint-${index}`);
  return make("label", {}, field.label, ...hintOf(field, index), box);
}

function choiceOf(field, index) {
  const options = field.choices.map((choice) => {
    const dot = make("input", { type: "radio", name: field.id, value: choice.value, required: field.is_required, checked: choice.is_chosen });
    const words = make("span", {}, choice.label);
    if (choice.hint) words.append(make("small", {}, choice.hint));
    return make("label", { className: "choice" }, dot, words);
  });
  const group = make("fieldset", {}, make("legend", {}, field.label), ...hintOf(field, index), ...options);
  if (field.hint) group.setAttribute("aria-describedby", `form-hint-${index}`);
  return group;
}

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
    for (const view of world.messages.values()) clearTimeout(view.reading); // what was there before is not news
    interactions.forEach(drawWaiting);
    drawWire(wire);
    byId("banner").hidden = true;
    log.scrollTop = log.scrollHeight;
  },
  place({ place }) { drawPlace(place); },
  message({ message }) {
    if (byId("typing").dataset.name === message.author.name) byId("typing").textContent = "";
    drawMessage(message);
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

function listen() {
  const source = new EventSource(`events?key=${encodeURIComponent(key)}`);
  source.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    told[news.type](news);
  });
  source.addEventListener("error", () => {
    byId("banner").hidden = false;
    byId("banner").textContent = source.readyState === EventSource.CLOSED
      ? "This address lacks its key: open the one that the preview printed in its terminal."
      : "The preview does not answer. Is it still running in its terminal? Trying again…";
  });
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

function onKey(event) {
  const commands = offered();
  if (event.key === "Escape") {
    world.armed = world.target = null;
    if (commands.length) input.value = "";
    complain("");
    drawComposer();
  } else if (event.key === "Backspace" && input.value === "" && (world.armed || world.target)) {
    world.armed = world.target = null;
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

byId("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
byId("armed").addEventListener("click", () => { world.armed = world.target = null; drawComposer(); input.focus(); });
byId("form-cancel").addEventListener("click", () => byId("form-dialog").close());
byId("menu-button").addEventListener("click", () => togglePlaces(!byId("places").classList.contains("open")));
byId("wire-button").addEventListener("click", () => toggleWire(byId("wire").classList.contains("closed")));
byId("theme-button").addEventListener("click", () => {
  setTheme(getComputedStyle(document.documentElement).colorScheme.includes("dark") ? "light" : "dark");
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") togglePlaces(false); });
log.addEventListener("click", openSpoiler);
log.addEventListener("keydown", openSpoiler);
input.addEventListener("keydown", onKey);
input.addEventListener("input", drawCommands);

const remembered = localStorage.getItem("theme");
if (remembered === "dark" || remembered === "light") setTheme(remembered);
input.focus();
listen();
