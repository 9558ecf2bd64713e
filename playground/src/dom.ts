// The few helpers that stand in for a framework.

/** Makes an element. An attribute that is `true` is there without a value, one that is `false` is not there. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | boolean>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A labelled text field. */
export function field(label: string, attributes: Readonly<Record<string, string | boolean>>): { label: HTMLLabelElement; input: HTMLInputElement } {
  const input = h("input", { autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes });
  return { label: h("label", {}, h("span", {}, label), input), input };
}

/** Sets a text, if it is another: what did not change is not read out again. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An element for one item of a list. */
export interface Row<T> {
  readonly element: HTMLElement;
  update(item: T): void;
}

/** The rows of a list by key: made once, updated in place, in the order of the items. */
export class Rows<T> {
  readonly #list: HTMLElement;
  readonly #make: (item: T) => Row<T>;
  readonly #rows = new Map<string, Row<T>>();

  constructor(list: HTMLElement, make: (item: T) => Row<T>) {
    this.#list = list;
    this.#make = make;
  }

  show(items: ReadonlyMap<string, T>): void {
    for (const [key, row] of this.#rows) {
      if (items.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    let index = 0;
    for (const [key, item] of items) {
      let row = this.#rows.get(key);
      if (!row) this.#rows.set(key, (row = this.#make(item)));
      row.update(item);
      const there = this.#list.children[index++];
      if (there !== row.element) this.#list.insertBefore(row.element, there ?? null);
    }
  }
}

/** A person's initial on a colour of their own. */
export function avatar(): { element: HTMLElement; name(userId: string): void } {
  const element = h("span", { class: "avatar", "aria-hidden": "true" });
  return {
    element,
    name: (userId) => {
      setText(element, (Array.from(userId)[0] ?? "?").toUpperCase());
      element.style.setProperty("--hue", String(hue(userId)));
    },
  };
}

function hue(text: string): number {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 100_003;
  return (hash * 137) % 360;
}
