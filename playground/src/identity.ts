import { avatar, field, h, setText } from "./dom.js";

export type ShownStatus = "idle" | "joining" | "joined" | "reconnecting" | "offline";

const STATUS: Record<ShownStatus, string> = {
  idle: "Not in a room",
  joining: "Joining…",
  joined: "In the room",
  reconnecting: "Reconnecting…",
  offline: "Network off",
};

/** A room, and who to be there. */
export interface Place {
  readonly roomId: string;
  readonly userId: string;
}

/** What a participant can be told to do from its head. */
export interface Commands {
  readonly join: (roomId: string, userId: string) => void;
  readonly leave: () => void;
  readonly heartbeat: () => void;
  readonly toggleNetwork: () => void;
  /** Left out, there is no button for it. */
  readonly remove?: (() => void) | undefined;
}

/** What of a participant changes with its connection. */
export interface IdentityView {
  readonly status: ShownStatus;
  /** Shown after the room's name. */
  readonly facts: readonly string[];
  readonly canCut: boolean;
}

/** The head of a participant: who and where, the form to join, and the buttons. */
export class Identity {
  readonly element: HTMLElement;
  readonly #face = avatar();
  readonly #title: HTMLElement;
  readonly #where = h("p", { class: "where" });
  readonly #pill = h("span", { class: "pill" });
  readonly #room = field("Room", { required: true, maxlength: "200" });
  readonly #user = field("User", { required: true, maxlength: "200" });
  readonly #refusal = h("p", { class: "note", role: "alert" });
  readonly #form: HTMLFormElement;
  readonly #actions: HTMLElement;
  readonly #network = h("button", { type: "button", role: "switch" }, "Network");

  constructor(commands: Commands) {
    this.#title = h("h2", { tabindex: "-1" });
    this.#form = h("form", { class: "join" }, this.#room.label, this.#user.label, h("button", { class: "primary" }, "Join"), this.#refusal);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      commands.join(this.#room.input.value.trim(), this.#user.input.value.trim());
    });
    this.#network.addEventListener("click", () => {
      commands.toggleNetwork();
    });
    this.#actions = h("div", { class: "row actions" }, button("Heartbeat", commands.heartbeat), this.#network, button("Leave", commands.leave));
    const remove = commands.remove ? [button("Remove", commands.remove, "quiet")] : [];
    this.element = h(
      "header",
      { class: "card identity" },
      h("div", { class: "row head" }, this.#face.element, h("div", { class: "name" }, this.#title, this.#where), this.#pill, ...remove),
      this.#form,
      this.#actions,
    );
  }

  /** Fills the form. */
  propose({ roomId, userId }: Place): void {
    this.#room.input.value = roomId;
    this.#user.input.value = userId;
  }

  /** What the form holds. It does not change while in a room. */
  get proposed(): Place {
    return { roomId: this.#room.input.value.trim(), userId: this.#user.input.value.trim() };
  }

  /** Says why a join was refused; an empty text: it was not. */
  refuse(why: string): void {
    setText(this.#refusal, why);
  }

  focus(): void {
    (this.#form.hidden ? this.#title : this.#room.input).focus();
  }

  show({ status, facts, canCut }: IdentityView): void {
    const { roomId, userId } = this.proposed;
    const inRoom = status !== "idle";
    const hadFocus = this.element.contains(document.activeElement);
    const swaps = this.#form.hidden !== inRoom;
    this.#form.hidden = inRoom;
    this.#actions.hidden = !inRoom;
    this.#face.name(inRoom ? userId : "+");
    setText(this.#title, inRoom ? userId : "Join a room");
    setText(this.#where, inRoom ? [`in ${roomId}`, ...facts].join(" · ") : "as anyone you like");
    setText(this.#pill, STATUS[status]);
    this.#pill.dataset.status = status;
    this.#network.setAttribute("aria-checked", String(status !== "offline"));
    this.#network.setAttribute("aria-disabled", String(status !== "offline" && !canCut));
    // What had the focus is gone: the keyboard goes on from here, not from the top of the page.
    if (swaps && hadFocus) this.focus();
  }
}

function button(text: string, action: () => void, className = ""): HTMLButtonElement {
  const element = h("button", { type: "button", class: className }, text);
  element.addEventListener("click", () => {
    action();
  });
  return element;
}
