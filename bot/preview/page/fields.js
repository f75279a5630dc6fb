// What is filled in and chosen: the fields of a form the bot opened, and the selects below its messages.

import { byId, hold, make, send } from "./shared.js";

const LONG_LIST = 6; // choices from which on a list is shown closed

function hintOf(field, index) {
  return field.hint ? [make("small", { id: `form-hint-${index}` }, field.hint)] : [];
}

function describe(element, field, index) {
  if (field.hint) element.setAttribute("aria-describedby", `form-hint-${index}`);
  return element;
}

function textOf(field, index) {
  const box = make(field.is_long ? "textarea" : "input", { name: field.id, required: field.is_required, placeholder: field.placeholder });
  box.value = field.value;
  box.maxLength = field.longest;
  if (field.is_long) box.rows = 4;
  return make("label", {}, field.label, ...hintOf(field, index), describe(box, field, index));
}

function filesOf(field, index) {
  const box = make("input", { type: "file", name: field.id, required: field.is_required, multiple: field.most > 1 });
  const most = field.most > 1 ? [make("small", {}, `${field.most} files at most`)] : [];
  return make("label", {}, field.label, ...hintOf(field, index), ...most, describe(box, field, index));
}

function checkboxOf(field, index) {
  const box = make("input", { type: "checkbox", name: field.id, checked: field.is_checked });
  return make("label", { className: "choice" }, box, make("span", {}, field.label, ...hintOf(field, index)));
}

function choiceOf(field, index) {
  if (field.most === 1 && field.choices.length > LONG_LIST) {
    return make("label", {}, field.label, ...hintOf(field, index), describe(listOf(field), field, index));
  }
  const options = field.choices.map((choice) => {
    const kind = field.most > 1 ? "checkbox" : "radio";
    const isRequired = field.is_required && kind === "radio";
    const dot = make("input", { type: kind, name: field.id, value: choice.value, required: isRequired, checked: choice.is_chosen });
    const words = make("span", {}, choice.label);
    if (choice.hint) words.append(make("small", {}, choice.hint));
    return make("label", { className: "choice" }, dot, words);
  });
  return describe(make("fieldset", {}, make("legend", {}, field.label), ...hintOf(field, index), ...options), field, index);
}

function listOf(field) {
  const list = make("select", { name: field.id, required: field.is_required });
  list.append(make("option", { value: "" }, field.placeholder || "Choose…"));
  for (const choice of field.choices) {
    list.append(make("option", { value: choice.value, selected: choice.is_chosen }, choice.label));
  }
  return list;
}

const drawn = { text: textOf, files: filesOf, checkbox: checkboxOf, choice: choiceOf };

// What was filled in, by the field's id: text, a claim, or a list of what was chosen.
function valueOf(form, field) {
  const values = new FormData(form).getAll(field.id).filter((value) => value !== "");
  if (field.kind === "checkbox") return values.length > 0;
  return field.kind === "choice" && field.most > 1 ? values : (values[0] ?? "");
}

export function openForm(interaction) {
  const dialog = byId("form-dialog");
  const form = byId("form");
  const fields = interaction.form.fields;
  byId("form-title").textContent = interaction.form.title;
  byId("form-fields").replaceChildren(...fields.map((field, index) => drawn[field.kind](field, index)));
  form.onsubmit = async () => {
    const values = {};
    const chosen = {};
    for (const field of fields) {
      if (field.kind === "files") chosen[field.id] = [...form.elements[field.id].files];
      else values[field.id] = valueOf(form, field);
    }
    const files = {};
    for (const [name, given] of Object.entries(chosen)) {
      files[name] = await hold(given);
      if (files[name] === null) return;
    }
    send("form", { interaction: interaction.id, values, files });
  };
  if (!dialog.open) dialog.showModal();
}

// A select below a message: one choice is sent at once, several when the button beside them is pressed.
export function selectBelow(field, message) {
  const press = (values) => send("press", { message, custom_id: field.id, values });
  if (field.most === 1) {
    const list = listOf(field);
    list.ariaLabel = field.label;
    list.disabled = field.is_disabled;
    list.addEventListener("change", () => { if (list.value) press([list.value]); });
    return list;
  }
  const group = choiceOf({ ...field, is_required: false }, 0);
  const button = make("button", { type: "button", className: "button secondary" }, "Choose");
  group.disabled = field.is_disabled;
  button.addEventListener("click", () => press([...group.querySelectorAll("input:checked")].map((box) => box.value)));
  group.append(button);
  return make("details", { className: "several" }, make("summary", {}, field.label), group);
}
