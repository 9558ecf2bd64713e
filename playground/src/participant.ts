import { type DefaultState, type PresenceOptions, RealtimeClient } from "realtime-message-sdk";

import { Chat } from "./chat.js";
import { h } from "./dom.js";
import { EventLog } from "./event-log.js";
import { Identity } from "./identity.js";
import { Members } from "./members.js";
import { narrate } from "./narrate.js";
import { Network } from "./network.js";
import type { Saved } from "./saved.js";
import { StateEditor } from "./state-editor.js";
import type { Channel, ChatEvents } from "./wire.js";

const FIRST_STATE: DefaultState = { mood: "curious" };

/** What a participant needs of its page. */
export interface Page {
  /** Reads a sentence to those who do not see the page. */
  announce(sentence: string): void;
  /** Who takes part, or where, is different. */
  changed(): void;
  /** How memberships behave, where it is not as by default. */
  readonly options: PresenceOptions;
  /** Takes the participant off the page; left out, it stays. */
  remove?: () => void;
}

/** One who takes part: a client of its own, and all that can be seen and done as it. */
export class Participant {
  readonly element: HTMLElement;
  readonly #page: Page;
  readonly #client: RealtimeClient;
  readonly #channel: Channel;
  readonly #network: Network;
  readonly #identity: Identity;
  readonly #members: Members;
  readonly #editor: StateEditor;
  readonly #chat: Chat;
  readonly #log: EventLog;
  readonly #parts: HTMLElement;
  #latencyMs: number | undefined;
  #drawing = false;

  /** `number` tells the participants of one page apart; a reload must give each its own again. */
  constructor(number: number, saved: Saved, page: Page) {
    const id = `p${number}`;
    this.#page = page;
    this.#client = new RealtimeClient({ baseUrl: location.origin, presence: { ...page.options, resumeKey: id } });
    this.#channel = this.#client.createPresenceChannel<DefaultState, ChatEvents>();
    this.#network = new Network(this.#client);
    this.#identity = new Identity({
      join: (roomId, userId) => void this.#join(roomId, userId, FIRST_STATE),
      leave: () => void this.#channel.leave(),
      heartbeat: () => void this.#channel.sendHeartbeat().catch(() => undefined), // the log tells
      toggleNetwork: () => {
        this.#toggleNetwork();
      },
      remove: page.remove,
    });
    this.#log = new EventLog(id);
    this.#members = new Members(id, () => {
      this.#redraw();
    });
    this.#editor = new StateEditor(id, this.#channel);
    this.#chat = new Chat(id, this.#channel, (entry) => {
      this.#log.add(entry);
    });
    this.#parts = h("div", { class: "parts" }, this.#members.element, this.#editor.element, this.#chat.element, this.#log.element);
    this.element = h("section", { class: "participant", "aria-label": `Participant ${number}` }, this.#identity.element, this.#parts);
    this.#identity.propose(saved);
    this.#listen();
    this.#draw();
    if (saved.joined) void this.#join(saved.roomId, saved.userId);
  }

  /** What the next page of this tab has to know. */
  get saved(): Saved {
    return { ...this.#identity.proposed, joined: this.#channel.status !== "idle" };
  }

  /** Where the keyboard goes on. */
  focus(): void {
    this.#identity.focus();
  }

  /** Leaves and lets go of everything. */
  close(): void {
    this.#channel.stop();
    this.#client.disconnect();
    this.element.remove();
  }

  /** Without a state, a membership that is resumed keeps the one it has. */
  async #join(roomId: string, userId: string, state?: DefaultState): Promise<void> {
    const began = performance.now();
    this.#identity.refuse("");
    this.#network.restore();
    const joining = this.#channel.join({ roomId, userId, ...(state && { state }) });
    this.#page.changed();
    try {
      const { seq, self, resumed, snapshot } = await joining;
      const text = `${resumed ? "resumed as the same member" : "as a new member"}, ${snapshot.length} here`;
      this.#log.add({ kind: "joined", text, seq, epoch: self.epoch, ms: performance.now() - began });
      this.#page.announce(`${userId} is in ${roomId}, ${snapshot.length} connected.`);
    } catch (error) {
      this.#identity.refuse((error as Error).message);
    }
  }

  #toggleNetwork(): void {
    if (this.#network.isCut) this.#network.restore();
    else if (this.#network.canCut) this.#network.cut();
    else return;
    this.#log.add({ kind: "network", text: this.#network.isCut ? "switched off" : "switched on" });
    this.#redraw();
  }

  #listen(): void {
    const channel = this.#channel;
    channel.subscribe(() => {
      this.#redraw();
    });
    channel.on("presenceEvent", (event) => {
      if (event.type === "leave") this.#members.farewell(event.connId, event.reason);
    });
    channel.on("heartbeatAck", ({ latencyMs }) => {
      this.#latencyMs = latencyMs;
      this.#redraw();
    });
    channel.on("disconnected", ({ willReconnect }) => {
      this.#latencyMs = undefined;
      if (!willReconnect) this.#members.clear();
      this.#page.changed();
    });
    narrate(channel, this.#log, (sentence) => {
      this.#page.announce(sentence);
    });
  }

  /** Draws once for all that changes in one go. */
  #redraw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const room = this.#channel.getSnapshot();
    const { status } = room;
    this.#parts.hidden = status === "idle" || status === "stopped";
    this.#members.show(room);
    this.#editor.show(room.self);
    this.#identity.show({
      status: status === "stopped" ? "idle" : this.#network.isCut && status !== "idle" ? "offline" : status,
      facts: [this.#network.transport, this.#latencyMs === undefined ? "" : `${this.#latencyMs} ms`].filter((fact) => fact !== ""),
      canCut: this.#network.canCut,
    });
  }
}
