import { field, h, setText } from "./dom.js";
import type { Entry } from "./event-log.js";
import { type Channel, readMessage } from "./wire.js";

const MOST_LINES = 200;

/** Messages to the room, as custom events that the server relays. */
export class Chat {
  readonly element: HTMLElement;
  readonly #channel: Channel;
  readonly #log: (entry: Entry) => void;
  readonly #list: HTMLElement;
  readonly #input: HTMLInputElement;

  constructor(id: string, channel: Channel, log: (entry: Entry) => void) {
    this.#channel = channel;
    this.#log = log;
    this.#list = h("div", { class: "lines", role: "log", tabindex: "0", "aria-labelledby": `${id}-chat` });
    const { label, input } = field("Message", { required: true, maxlength: "2000", spellcheck: "true", enterkeyhint: "send" });
    this.#input = input;
    const form = h("form", { class: "row" }, label, h("button", { class: "primary" }, "Send"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.element = h("section", { class: "card chat" }, h("h3", { id: `${id}-chat` }, "Chat"), this.#list, form);
    channel.on("chat:message", (value: unknown, sender) => {
      const message = readMessage(value);
      if (!message) return;
      const userId = sender?.userId ?? message.userId; // the server knows better than the message
      this.#say(userId, message.text);
      log({ kind: "chat", text: `from ${userId}`, ms: Date.now() - message.sentMs });
    });
  }

  /** Forgets what was said. */
  clear(): void {
    this.#list.replaceChildren();
  }

  async #send(): Promise<void> {
    const { self } = this.#channel;
    const text = this.#input.value.trim();
    if (!self || text === "") return;
    this.#input.value = "";
    const fate = this.#say(self.userId, text, true);
    const sentMs = Date.now();
    setText(fate, "sending…");
    try {
      const answer = await this.#channel.emitWithAck("chat:message", { userId: self.userId, text, sentMs });
      if (!answer.ok) throw new Error(answer.error ?? "refused");
      const ms = Date.now() - sentMs;
      setText(fate, `${ms} ms`);
      this.#log({ kind: "chat", text: "sent", ms });
    } catch (error) {
      setText(fate, `not sent: ${(error as Error).message}`);
    }
  }

  #say(userId: string, text: string, own = false): HTMLElement {
    const atEnd = this.#list.scrollTop + this.#list.clientHeight > this.#list.scrollHeight - 24;
    const fate = h("small", { "aria-live": "off" });
    this.#list.append(h("p", { class: own ? "own" : "" }, h("b", {}, userId), h("span", {}, text), fate));
    while (this.#list.children.length > MOST_LINES) this.#list.firstElementChild?.remove();
    if (atEnd || own) this.#list.scrollTop = this.#list.scrollHeight;
    return fate;
  }
}
