import type { DefaultState, Member } from "realtime-message-sdk";

import { h, setText } from "./dom.js";
import type { Channel } from "./wire.js";

/** Shows the own state and changes keys of it, written as JSON. */
export class StateEditor {
  readonly element: HTMLElement;
  readonly #channel: Channel;
  readonly #now = h("code", { class: "now" });
  readonly #text: HTMLTextAreaElement;
  readonly #note: HTMLElement;

  constructor(id: string, channel: Channel) {
    this.#channel = channel;
    const hint = h("p", { class: "hint", id: `${id}-hint` }, "Each key replaces the old value whole; keys left out stay. Ctrl+Enter sends.");
    this.#note = h("p", { class: "note", id: `${id}-note`, role: "alert" });
    this.#text = h("textarea", { rows: "3", spellcheck: "false", autocapitalize: "off", "aria-describedby": `${id}-hint ${id}-note` });
    this.#text.value = '{"mood": "happy", "at": "desk"}';
    const form = h(
      "form",
      {},
      h("label", {}, h("span", {}, "Patch, a JSON object"), this.#text),
      hint,
      this.#note,
      h("div", { class: "row end" }, h("button", { class: "primary" }, "Update state")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.element = h("section", { class: "card state" }, h("h3", {}, "My state"), this.#now, form);
  }

  show(self: Member | undefined): void {
    setText(this.#now, self ? JSON.stringify(self.state, null, 1).replace(/\s+/g, " ") : "{ }");
  }

  async #send(): Promise<void> {
    const patch = parsePatch(this.#text.value);
    if (typeof patch === "string") {
      this.#refuse(patch);
      this.#text.focus();
      return;
    }
    this.#refuse("");
    try {
      await this.#channel.updateState(patch);
    } catch (error) {
      this.#refuse((error as Error).message);
    }
  }

  #refuse(why: string): void {
    setText(this.#note, why);
    this.#text.setAttribute("aria-invalid", String(why !== ""));
  }
}

/** The object that a text holds, or what is wrong with it. */
export function parsePatch(text: string): DefaultState | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `Not JSON: ${(error as Error).message}`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return 'A JSON object is needed, such as {"mood": "happy"}.';
  return value as DefaultState;
}
