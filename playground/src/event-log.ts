import { h } from "./dom.js";

/** Older entries are dropped. */
const MOST_ENTRIES = 300;

/** What happened. Times in ms. */
export interface Entry {
  readonly kind: string;
  readonly text: string;
  readonly seq?: number | undefined;
  readonly epoch?: number | undefined;
  readonly ms?: number | undefined;
}

/** What happened to one participant, newest first. */
export class EventLog {
  readonly element: HTMLElement;
  readonly #list: HTMLElement;

  constructor(id: string) {
    this.#list = h("ol", { class: "entries", tabindex: "0", "aria-labelledby": `${id}-log` });
    const clear = h("button", { type: "button", class: "quiet" }, "Clear");
    clear.addEventListener("click", () => {
      this.#list.replaceChildren();
    });
    const beats = h("input", { type: "checkbox", checked: true });
    beats.addEventListener("change", () => {
      this.#list.classList.toggle("no-heartbeats", !beats.checked);
    });
    this.element = h(
      "section",
      { class: "card log" },
      h(
        "div",
        { class: "row between" },
        h("h3", { id: `${id}-log` }, "Events ", h("span", { class: "count" }, "newest first")),
        h("div", { class: "row" }, h("label", { class: "check" }, beats, "Heartbeats"), clear),
      ),
      this.#list,
    );
  }

  add({ kind, text, seq, epoch, ms }: Entry): void {
    const entry = h(
      "li",
      { "data-kind": kind },
      clock(new Date()),
      h("b", {}, kind),
      figure(seq === undefined ? "" : `seq ${short(seq)}`, seq),
      figure(epoch === undefined ? "" : `epoch ${epoch}`),
      figure(ms === undefined ? "" : `${Math.max(0, Math.round(ms))} ms`),
      h("span", { class: "text" }, text),
    );
    if (seq !== undefined) entry.dataset.seq = String(seq);
    this.#list.prepend(entry);
    while (this.#list.children.length > MOST_ENTRIES) this.#list.lastElementChild?.remove();
  }
}

function figure(text: string, whole?: number): HTMLElement {
  return h("span", { class: "figure", ...(whole !== undefined && { title: String(whole) }) }, text);
}

/** A room counts on from the time it was made: the first digits are the same for hours. */
function short(seq: number): string {
  const digits = String(seq);
  return digits.length > 8 ? `…${digits.slice(-6)}` : digits;
}

function clock(date: Date): HTMLElement {
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return h("time", {}, date.toTimeString().slice(0, 8), h("span", {}, `.${ms}`));
}
