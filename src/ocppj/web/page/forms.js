// A form for each command, made from the JSON Schema of its request.
import { Problem, request } from "./page.js";
import { element } from "./views.js";

let api;
const loadApi = () => (api ??= request("openapi.json").catch((error) => { api = undefined; throw error; }));
let next = 0;

export async function commandForm(path, station) {
  const { paths, components } = await loadApi();
  const resolve = (schema) => (schema.$ref ? components.schemas[schema.$ref.split("/").at(-1)] : schema);
  const box = element("div");
  const answer = element("pre", { hidden: true, role: "status" });
  const fields = element("div");
  const select = element("select", { ariaLabel: "Action" },
    ...station.actions.toSorted().map((action) => element("option", { value: action }, action)));
  const send = element("button", { type: "button", className: "main" }, "Send");
  let read = () => ({});

  function choose() {
    const operation = paths[`/stations/{id}/calls/${select.value}`]?.post;
    const index = operation?.tags.indexOf(`OCPP ${station.version}`) ?? -1;
    const text = element("textarea", { rows: 8, value: "{}", ariaLabel: "Payload as JSON" });
    if (index < 0) {
      // A feature of the vendor: there is no schema.
      read = () => JSON.parse(text.value);
      fields.replaceChildren(text);
    } else {
      const schema = resolve(operation.requestBody.content["application/json"].schema.anyOf[index]);
      const made = object(schema, resolve);
      read = made.read;
      const about = element("p", { className: "soft" }, (schema.description ?? "").split("\n\n")[0]);
      fields.replaceChildren(about, made.node);
    }
    answer.hidden = true;
  }

  async function call() {
    send.disabled = true;
    answer.hidden = false;
    answer.className = "soft";
    answer.textContent = "Waiting for the station…";
    try {
      const result = await request(`${path}/calls/${encodeURIComponent(select.value)}`, { method: "POST", body: read() });
      answer.className = "";
      answer.textContent = result === null ? "sent" : JSON.stringify(result, null, 2);
    } catch (error) {
      answer.className = "bad";
      const more = error.document ?? {};
      const lines = [more.title, error.message, more.errorCode && `${more.errorCode}: ${more.errorDescription}`];
      answer.textContent = error instanceof Problem || error instanceof SyntaxError
        ? [...new Set(lines.filter(Boolean))].join("\n") : "No answer from the server";
    } finally {
      send.disabled = false;
    }
  }

  select.addEventListener("change", choose);
  send.addEventListener("click", call);
  if (station.actions.includes("TriggerMessage")) select.value = "TriggerMessage";
  choose();
  box.append(element("div", { className: "bar" }, select), fields, element("div", { className: "buttons" }, send), answer);
  return box;
}

// Each of these returns a node, and a function that reads its value: undefined if there is none.

function object(schema, resolve) {
  const readers = [];
  const node = element("div");
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties ?? {}).filter((name) => name !== "customData");
  names.sort((a, b) => required.has(b) - required.has(a));
  for (const name of names) {
    const made = field(name, resolve(schema.properties[name]), required.has(name), resolve);
    node.append(made.node);
    readers.push([name, made.read]);
  }
  if (!names.length) node.append(element("p", { className: "soft" }, "No fields."));
  const read = () => Object.fromEntries(readers.map(([name, one]) => [name, one()]).filter(([, value]) => value !== undefined));
  return { node, read };
}

function field(name, schema, required, resolve) {
  if (schema.type === "object" || schema.type === "array") return part(name, schema, required, resolve);
  const id = `field-${next++}`;
  const { input, read } = scalar(schema, required);
  input.id = id;
  input.required = required;
  const label = element("label", { htmlFor: id, title: schema.description ?? "" }, name + (required ? " *" : ""));
  return { node: element("div", { className: "field" }, label, input), read };
}

function scalar(schema, required) {
  if (schema.enum || schema.type === "boolean") {
    const values = schema.enum ?? [true, false];
    const blank = required ? [] : [element("option", { value: "" }, "")];
    const input = element("select", {}, ...blank, ...values.map((value) => element("option", { value: JSON.stringify(value) }, String(value))));
    return { input, read: () => (input.value ? JSON.parse(input.value) : undefined) };
  }
  if (schema.type === "integer" || schema.type === "number") {
    const input = element("input", { type: "number", step: schema.type === "integer" ? "1" : "any", min: schema.minimum ?? "", max: schema.maximum ?? "" });
    return { input, read: () => (input.value === "" ? undefined : Number(input.value)) };
  }
  if (schema.type === "string") {
    const time = schema.format === "date-time";
    const input = element("input", { type: "text", placeholder: time ? "2026-01-31T12:00:00Z" : "", spellcheck: false });
    if (schema.maxLength) input.maxLength = schema.maxLength;
    return { input, read: () => (input.value === "" && !required ? undefined : input.value) };
  }
  const input = element("input", { type: "text", placeholder: "JSON", spellcheck: false });
  return { input, read: () => (input.value === "" ? undefined : JSON.parse(input.value)) };
}

// Objects and arrays. Optional ones are made when they are wanted, so that types may contain themselves.
function part(name, schema, required, resolve) {
  const box = element("fieldset", {}, element("legend", {}, name + (required ? " *" : "")));
  if (schema.type === "array") {
    const items = [];
    const list = element("div");
    const add = element("button", { type: "button" }, "Add");
    add.addEventListener("click", () => {
      const made = field(String(items.length + 1), resolve(schema.items), true, resolve);
      items.push(made);
      list.append(made.node);
      remove.hidden = false;
      add.disabled = items.length >= (schema.maxItems ?? Infinity);
    });
    const remove = element("button", { type: "button", hidden: true }, "Remove");
    remove.addEventListener("click", () => {
      items.pop().node.remove();
      remove.hidden = !items.length;
      add.disabled = false;
    });
    box.append(list, element("div", { className: "buttons" }, add, remove));
    if (required) for (let made = 0; made < (schema.minItems ?? 0); made++) add.click();
    return { node: box, read: () => (items.length || required ? items.map((one) => one.read()) : undefined) };
  }
  let made = required ? object(schema, resolve) : null;
  const toggle = element("button", { type: "button" }, "Add");
  toggle.addEventListener("click", () => {
    if (made) {
      made.node.remove();
      made = null;
    } else {
      made = object(schema, resolve);
      toggle.before(made.node);
    }
    toggle.textContent = made ? "Remove" : "Add";
  });
  box.append(...(made ? [made.node] : [toggle]));
  return { node: box, read: () => made?.read() };
}
