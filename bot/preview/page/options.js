// The options of the command being filled in: a field for each, of its own kind, with what the bot suggests.

import { byId, here, hold, make, send, world } from "./shared.js";

const REST = 250; // milliseconds of quiet after which the bot is asked for suggestions

const isPlain = (option) => option.kind === "string" && option.choices.length === 0 && !option.suggests;

// The option that is written into the composer itself: the first, if it is words.
export function mainOption(command) {
  const [first] = command?.options ?? [];
  return first && isPlain(first) ? first : null;
}

export function drawOptions(command) {
  const panel = byId("options");
  if (panel.dataset.command === (command?.name ?? "")) return;
  panel.dataset.command = command?.name ?? "";
  const main = mainOption(command);
  const others = (command?.options ?? []).filter((option) => option !== main);
  panel.hidden = others.length === 0;
  const required = others.filter((option) => option.is_required);
  const optional = others.filter((option) => !option.is_required);
  panel.replaceChildren(...required.map((option) => fieldOf(command, option)), ...(optional.length ? [folded(command, optional)] : []));
}

// What may be left out stays folded away until somebody wants it.
function folded(command, optional) {
  const names = make("summary", {}, optional.map(({ name }) => name).join(" · "));
  return make("details", {}, names, make("div", { className: "fields" }, ...optional.map((option) => fieldOf(command, option))));
}

function fieldOf(command, option) {
  const box = boxOf(option);
  box.dataset.option = option.name;
  box.id = `option-${option.name}`;
  if (option.is_required) box.setAttribute("aria-required", "true");
  const words = make("span", { className: option.is_required ? "required" : "" }, option.name);
  const label = make("label", { htmlFor: box.id, title: option.description }, words);
  const field = make("div", { className: "option" }, label, box);
  if (option.suggests) suggest(field, box, command, option);
  return field;
}

function boxOf(option) {
  const list = (choices) => make("select", {}, make("option", { value: "" }, option.is_required ? "Choose…" : "–"),
    ...choices.map(({ value, name }) => make("option", { value: String(value) }, name)));
  const named = (things, sign) => things.map(({ id, name }) => ({ value: id, name: `${sign}${name}` }));
  if (option.choices.length) return list(option.choices);
  switch (option.kind) {
    case "boolean": return list([{ value: "true", name: "Yes" }, { value: "false", name: "No" }]);
    case "user": return list(named([...world.place.people, world.place.bot], "@"));
    case "role": return list(named(world.place.roles, "@"));
    case "mentionable": return list(named([...world.place.people, world.place.bot, ...world.place.roles], "@"));
    case "channel": return list(named(world.place.channels, "#"));
    case "attachment": return make("input", { type: "file" });
    case "integer": return make("input", { type: "number", step: "1" });
    case "number": return make("input", { type: "number", step: "any" });
    default: return make("input", { type: "text", placeholder: option.description, maxLength: 4000 });
  }
}

// What is filled in so far, without files; words chosen from suggestions are sent as the value behind them.
function filled(command) {
  const values = {};
  for (const option of command.options) {
    const box = byId(`option-${option.name}`);
    if (!box || option.kind === "attachment" || box.value === "") continue;
    if (option.kind === "boolean") values[option.name] = box.value === "true";
    else values[option.name] = box.dataset.value && box.dataset.shown === box.value ? box.dataset.value : box.value;
  }
  return values;
}

// Everything the command is sent with; null where something is missing or a file was refused, with the reason shown.
export async function gathered(command, words, complain) {
  const values = filled(command);
  const main = mainOption(command);
  if (main && words) values[main.name] = words;
  const files = {};
  for (const option of command.options.filter(({ kind }) => kind === "attachment")) {
    const chosen = [...(byId(`option-${option.name}`)?.files ?? [])];
    if (chosen.length === 0) continue;
    files[option.name] = await hold(chosen);
    if (files[option.name] === null) return null;
  }
  const missing = command.options.find(({ name, is_required }) => is_required && !(name in values) && !(name in files));
  if (missing) {
    complain(missing === main ? "Write your question first." : `/${command.name} needs “${missing.name}”.`);
    byId(`option-${missing.name}`)?.focus();
    return null;
  }
  return { values, files };
}

// Suggestions: a list below the field, moved through with the arrow keys.

function suggest(field, box, command, option) {
  const list = make("ul", { className: "suggested", role: "listbox", id: `suggested-${option.name}`, hidden: true });
  const state = { timer: null, choices: [], chosen: -1, asked: 0 };
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-autocomplete", "list");
  box.autocomplete = "off";

  const draw = (words = "") => {
    const isOpen = document.activeElement === box && (state.choices.length > 0 || words !== "");
    list.hidden = !isOpen;
    box.setAttribute("aria-expanded", String(isOpen));
    const items = state.choices.map((choice, index) => {
      const item = make("li", { role: "option", id: `${list.id}-${index}` }, choice.name);
      item.setAttribute("aria-selected", String(index === state.chosen));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(choice); });
      return item;
    });
    list.replaceChildren(...items, ...(words ? [make("li", { className: "note" }, words)] : []));
    if (state.chosen >= 0) box.setAttribute("aria-activedescendant", `${list.id}-${state.chosen}`);
    else box.removeAttribute("aria-activedescendant");
  };

  const take = (choice) => {
    box.value = choice.name;
    Object.assign(box.dataset, { value: String(choice.value), shown: choice.name });
    state.choices = [];
    state.chosen = -1;
    draw();
  };

  const ask = async () => {
    const asked = ++state.asked;
    const options = { ...filled(command), [option.name]: box.value };
    const answer = await send("complete", { channel: here()?.id ?? "", name: command.name, options, focused: option.name });
    if (asked !== state.asked || !answer) return;
    state.choices = answer.choices ?? [];
    state.chosen = -1;
    draw(answer.choices === null ? "Loading options failed" : state.choices.length ? "" : "No options match");
  };

  const soon = () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(ask, REST);
  };
  box.addEventListener("input", soon);
  box.addEventListener("focus", soon);
  box.addEventListener("blur", () => { clearTimeout(state.timer); state.asked += 1; state.choices = []; draw(); });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && state.choices.length) {
      state.chosen = (state.chosen + step + state.choices.length) % state.choices.length;
      draw();
      event.preventDefault();
    } else if ((event.key === "Enter" || event.key === "Tab") && state.chosen >= 0) {
      if (event.key === "Enter") event.preventDefault();
      take(state.choices[state.chosen]);
    } else if (event.key === "Escape" && !list.hidden) {
      state.choices = [];
      draw();
      event.stopPropagation();
    }
  });
  field.append(list);
}
